//! Answers that come piece by piece.

use std::collections::VecDeque;

use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use super::answer::{End, Piece, ToolCallDelta};
use super::request::Request;
use crate::Error;
use crate::bindings::inferno::host::inference as wit;
use crate::bindings::inferno::host::types;

/// Starts a generation. An error here is one of the request; one in mid-answer comes from [`Generation::end`].
///
/// ```no_run
/// # async fn f() -> Result<(), inferno_sdk::Error> {
/// use inferno_sdk::inference::{self, Request};
/// let mut generation = inference::generate(&Request::prompt("storyteller", "Once")).await?;
/// while let Some(piece) = generation.next().await {
///     inferno_sdk::log::info(&piece);
/// }
/// let end = generation.end().await?;
/// # Ok(())
/// # }
/// ```
pub async fn generate(request: &Request) -> Result<Generation, Error> {
    let (pieces, end) = wit::generate(request.to_host()).await?;
    Ok(Generation { pieces, end, waiting: VecDeque::new(), buffer: Vec::with_capacity(PIECES_AT_ONCE) })
}

/// How many waiting pieces one read takes at most.
const PIECES_AT_ONCE: usize = 16;

/// An answer that is being written. Dropping it cancels the work at the next token.
pub struct Generation {
    pieces: StreamReader<wit::Piece>,
    end: FutureReader<Result<wit::Completion, types::Error>>,
    /// Read and not yet handed out, in order.
    waiting: VecDeque<wit::Piece>,
    /// What the next read fills.
    buffer: Vec<wit::Piece>,
}

impl Generation {
    /// More of the text of the answer: all that is waiting, joined. `None` when there is no more; then ask
    /// [`end`](Self::end). Other pieces than text are passed over: who asked for them takes
    /// [`next_piece`](Self::next_piece).
    ///
    /// A piece never ends inside a character.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Piece::Text(text) = self.next_piece().await? {
                return Some(text);
            }
        }
    }

    /// More of the answer; texts that wait and follow one another are joined. `None` when there is no more; then ask
    /// [`end`](Self::end).
    pub async fn next_piece(&mut self) -> Option<Piece> {
        loop {
            match self.waiting.pop_front() {
                Some(wit::Piece::Text(mut text)) => {
                    while let Some(wit::Piece::Text(more)) =
                        self.waiting.pop_front_if(|next| matches!(next, wit::Piece::Text(_)))
                    {
                        text.push_str(&more);
                    }
                    return Some(Piece::Text(text));
                }
                Some(wit::Piece::ToolCall(wit::ToolCallDelta { index, id, name, arguments })) => {
                    return Some(Piece::ToolCall(ToolCallDelta { index, id, name, arguments }));
                }
                Some(wit::Piece::Choices(choices)) => {
                    return Some(Piece::Choices(choices.into_iter().map(Into::into).collect()));
                }
                Some(wit::Piece::Other(_)) => {}
                None => {
                    let (result, mut pieces) = self.pieces.read(std::mem::take(&mut self.buffer)).await;
                    self.waiting.extend(pieces.drain(..));
                    self.buffer = pieces;
                    if self.waiting.is_empty() && result != StreamResult::Complete(0) {
                        return None;
                    }
                }
            }
        }
    }

    /// How it ended. What was not taken is dropped.
    pub async fn end(self) -> Result<End, Error> {
        drop(self.pieces);
        Ok(End::of(&self.end.await?))
    }
}
