//! Answers that come piece by piece.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream as _;
use inferno_inference::{Draft, ErrorKind, Event, Generation};
use serde_json::json;
use tokio::sync::oneshot;
use wasmtime::component::{
    Accessor, Destination, FutureProducer, FutureReader, Resource, StreamProducer, StreamReader,
    StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

use super::super::bindings::inferno::host::inference::{self, Piece};
use super::super::bindings::inferno::host::types::Error;
use super::detail::Detail;
use super::request::Request;
use super::tokens::Tokens;
use super::whole::{self, Completion};
use super::{Admitted, worded};
use crate::state::{Host, State};
use crate::tape::{Slot, Told, Turn};

type Started = (StreamReader<Piece>, FutureReader<Result<Resource<Completion>, Error>>);

impl inference::HostWithStore<State> for Host {
    async fn generate(
        host: &Accessor<State, Self>,
        request: Resource<Request>,
    ) -> Result<Result<Started, Error>> {
        let call = "inferno:host/inference.generate";
        let (request, turn) = host.with(|mut access| {
            let state = access.get();
            let request = state.take(request)?;
            let turn = state.tape.begin(call, || json!(request))?;
            Ok::<_, wasmtime::Error>((request, turn))
        })?;
        let slot = match turn {
            Turn::Live(slot) => slot,
            Turn::Told(told) => return retell(host, told),
        };
        let admitted = host.with(|mut access| {
            let state = access.get();
            let admitted = state.admit(call, request)?;
            Ok::<_, wasmtime::Error>(
                admitted.map(|admitted| (state.shared.clone(), state.models(), admitted)),
            )
        })?;
        let (shared, models, Admitted { model, mut work, tokens }) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return refused(slot, error),
        };
        let detail = Detail::of(&shared, &slot, &model, Some(&mut work)).await;
        let stops = work.stop.clone();
        let generation = match models.generate(&model, work).await {
            Ok(generation) => generation,
            Err(error) => return refused(slot, worded(shared, model, error).await),
        };
        slot.part(&Vec::<Piece>::new())?;
        let live = Live { generation, draft: Draft::default(), stops, tokens, tape: Some((slot, detail)) };
        started(host, Source::Live(Box::new(live)))
    }
}

/// No answer begins.
fn refused(slot: Slot, error: Error) -> Result<Result<Started, Error>> {
    slot.keep(&Err::<Completion, _>(&error))?;
    Ok(Err(error))
}

/// The answer that stands on a tape. One that had begun has a first part, which is empty.
fn retell(host: &Accessor<State, Host>, mut told: Told) -> Result<Result<Started, Error>> {
    let parts: Vec<Vec<Piece>> = told.parts()?;
    if parts.is_empty() {
        return match told.result::<Outcome>()? {
            Ok(_) => Ok(Err(super::super::internal("the tape tells of an answer that never began"))),
            Err(error) => Ok(Err(error)),
        };
    }
    started(host, Source::Told(parts.into(), Some(told)))
}

fn started(host: &Accessor<State, Host>, source: Source) -> Result<Result<Started, Error>> {
    let (sender, receiver) = oneshot::channel();
    let pieces = Pieces { source, ended: false, end: Some(sender) };
    host.with(|mut access| {
        let text = StreamReader::new(&mut access, pieces)?;
        let end = FutureReader::new(&mut access, End(receiver))?;
        Ok(Ok((text, end)))
    })
}

type Outcome = Result<Completion, Error>;

/// Text on its way to the plugin. Dropped when the plugin drops its end or goes away itself.
struct Pieces {
    source: Source,
    ended: bool,
    end: Option<oneshot::Sender<Outcome>>,
}

enum Source {
    Live(Box<Live>),
    Told(VecDeque<Vec<Piece>>, Option<Told>),
}

/// Straight from the model's queue. Dropping it drops the generation, which cancels the work.
struct Live {
    generation: Generation,
    /// The whole answer so far, for the completion.
    draft: Draft,
    /// The texts that end it.
    stops: Vec<String>,
    tokens: Tokens,
    tape: Option<(Slot, Detail)>,
}

impl Pieces {
    fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        if let Some(end) = self.end.take() {
            // A plugin that has dropped the future does not want to know.
            let _ = end.send(outcome);
        }
    }

    /// Takes what waits, without waiting.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<Vec<Piece>> {
        let (pieces, outcome) = match &mut self.source {
            _ if self.ended => (Vec::new(), None),
            Source::Live(live) => live.gather(cx)?,
            Source::Told(parts, told) => match (parts.pop_front(), told.take()) {
                (Some(pieces), rest) => {
                    *told = rest;
                    // An empty part only says that the answer has begun.
                    if pieces.is_empty() {
                        return self.gather(cx);
                    }
                    (pieces, None)
                }
                (None, Some(told)) => (Vec::new(), Some(told.result()?)),
                (None, None) => (Vec::new(), None),
            },
        };
        if let Some(outcome) = outcome {
            self.end(outcome);
        }
        Ok(pieces)
    }
}

impl Live {
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(Vec<Piece>, Option<Outcome>)> {
        let (mut pieces, mut outcome) = (Vec::new(), None);
        while outcome.is_none()
            && let Poll::Ready(event) = Pin::new(&mut self.generation).poll_next(cx)
        {
            outcome = match event {
                Some(Ok(Event::Done { finish, usage })) => {
                    self.tokens.written(usage.output_tokens.into());
                    let draft = std::mem::take(&mut self.draft);
                    Some(Ok(Completion::new(draft.done(finish, usage), &self.stops)))
                }
                Some(Ok(Event::Failed(error)) | Err(error)) => Some(Err(error.into())),
                Some(Ok(event)) => {
                    if self.is_for_plugin(&event) {
                        self.draft.add(event.clone());
                        pieces.extend(whole::piece(event));
                    }
                    None
                }
                None => Some(Err(super::super::internal("the model's answer broke off"))),
            };
        }
        if let Some((slot, _)) = &self.tape
            && !pieces.is_empty()
        {
            slot.part(&pieces)?;
        }
        let outcome = outcome.map(|outcome| self.tell(outcome)).transpose()?;
        Ok((pieces, outcome))
    }

    fn is_for_plugin(&mut self, event: &Event) -> bool {
        match (event, &mut self.tape) {
            (Event::Choices(choices), Some((_, detail))) => detail.note(choices),
            _ => true,
        }
    }

    /// Puts the end on the tape.
    fn tell(&mut self, outcome: Outcome) -> Result<Outcome> {
        match self.tape.take() {
            Some((slot, detail)) => slot.done_with(outcome, detail.facts()),
            None => Ok(outcome),
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let message = "the plugin dropped the stream before the answer had ended";
        let cancelled = Err(inferno_inference::Error::new(ErrorKind::Cancelled, message).into());
        let outcome = match &mut self.source {
            Source::Live(live) => {
                // How many there were is not known, but hardly any has less than a byte.
                live.tokens.written(live.draft.text.len() as u64);
                live.tell(cancelled)
            }
            Source::Told(..) => Ok(cancelled),
        };
        // What cannot be written to a tape is known to the tape.
        if let Ok(outcome) = outcome {
            self.end(outcome);
        }
    }
}

impl<D> StreamProducer<D> for Pieces {
    type Item = Piece;
    type Buffer = VecBuffer<Piece>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Piece, VecBuffer<Piece>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let pieces = self.gather(cx)?;
        let over = if self.ended { StreamResult::Dropped } else { StreamResult::Completed };
        if !pieces.is_empty() {
            destination.set_buffer(pieces.into());
            return Poll::Ready(Ok(over));
        }
        match (self.ended, finish) {
            (true, _) => Poll::Ready(Ok(over)),
            (false, true) => Poll::Ready(Ok(StreamResult::Cancelled)),
            (false, false) => Poll::Pending,
        }
    }
}

/// The end of a generation on its way to the plugin.
struct End(oneshot::Receiver<Outcome>);

impl FutureProducer<State> for End {
    type Item = Result<Resource<Completion>, Error>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<State>,
        finish: bool,
    ) -> Poll<Result<Option<Self::Item>>> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(Ok(whole))) => Poll::Ready(Ok(Some(Ok(store.data_mut().table.push(whole)?)))),
            Poll::Ready(Ok(Err(error))) => Poll::Ready(Ok(Some(Err(error)))),
            Poll::Ready(Err(_)) => {
                Poll::Ready(Ok(Some(Err(super::super::internal("the model's answer broke off")))))
            }
            Poll::Pending if finish => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        }
    }
}
