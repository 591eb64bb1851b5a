//! Streamed answers of chats and completions: chunks, as server-sent events or as lines of a WebSocket.

use std::ops::ControlFlow;

use futures::FutureExt;
use futures::stream::StreamExt;
use inferno_sdk::http::{BodyWriter, Cut, Response};
use inferno_sdk::inference::{Choice, End, Piece, ToolCallDelta, Usage};

use crate::Origin;
use crate::answer::{self, FINGERPRINT, Tokens, put};
use crate::error::ApiError;
use crate::logprobs::{ChatForm, LegacyForm};
use crate::run::{Event, Events};
use crate::tools::Calls;

mod chunk;

pub(crate) use chunk::{CHAT as CHAT_CHUNK, TEXT as TEXT_CHUNK};

/// Which kind of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Chat,
    ChatWithLogprobs,
    Text,
    TextWithLogprobs,
}

/// What is around each chunk.
pub(crate) enum Frame {
    /// Server-sent events.
    Events,
    /// Lines of a WebSocket, each with the id that the client gave.
    Lines(String),
}

/// So many bytes of chunks are written at once at most.
const FULL: usize = 16 * 1024;

/// Writes chunks. What is the same in all of them is made once.
pub(crate) struct Chunks {
    form: Form,
    frame: Frame,
    usage: bool,
    calls: Calls,
    /// Answers to the same prompt.
    same_prompt: usize,
    /// All answers.
    answers: Vec<State>,
    total: Usage,
    /// What is before the choices of a chunk.
    head: Vec<u8>,
    /// What is after a chunk.
    tail: &'static [u8],
}

/// How far an answer is.
#[derive(Default)]
struct State {
    /// Tokens whose text has not come yet.
    held: Vec<Choice>,
    /// Where its next token begins, in characters.
    offset: usize,
    /// What a completion begins with where the client wants its prompt back.
    echo: String,
}

impl Form {
    fn is_chat(self) -> bool {
        matches!(self, Self::Chat | Self::ChatWithLogprobs)
    }
}

impl Chunks {
    /// `usage` is whether a last chunk tells it.
    pub(crate) fn new(form: Form, frame: Frame, origin: &Origin, model: &str, usage: bool) -> Self {
        let object = if form.is_chat() { "chat.completion.chunk" } else { "text_completion" };
        let mut head = Vec::with_capacity(256);
        let tail: &[u8] = match &frame {
            Frame::Events => {
                head.extend_from_slice(b"data: ");
                b"\n\n"
            }
            Frame::Lines(id) => {
                head.extend_from_slice(b"{\"type\":\"delta\",\"id\":");
                put(&mut head, id);
                head.extend_from_slice(b",\"chunk\":");
                b"}\n"
            }
        };
        head.extend_from_slice(b"{\"id\":");
        put(&mut head, &origin.id);
        head.extend_from_slice(b",\"object\":");
        put(&mut head, object);
        head.extend_from_slice(b",\"created\":");
        put(&mut head, &origin.created);
        head.extend_from_slice(b",\"model\":");
        put(&mut head, model);
        head.extend_from_slice(b",\"system_fingerprint\":");
        put(&mut head, FINGERPRINT);
        head.extend_from_slice(b",\"choices\":[");
        let (calls, total) = (Calls::default(), Usage::default());
        let answers = vec![State::default()];
        Self { form, frame, usage, calls, same_prompt: 1, answers, total, head, tail }
    }

    /// How calls of tools are told.
    pub(crate) fn calls(self, calls: Calls) -> Self {
        Self { calls, ..self }
    }

    /// So many answers to one prompt.
    pub(crate) fn answers(mut self, n: usize) -> Self {
        self.answers.resize_with(n, State::default);
        Self { same_prompt: n, ..self }
    }

    /// So many answers to each of these prompts, each of which begins its answers if there is an echo.
    pub(crate) fn prompts(mut self, n: usize, prompts: Vec<String>, echo: bool) -> Self {
        let state = |prompt: &String| State {
            offset: if echo { prompt.chars().count() } else { 0 },
            echo: if echo { prompt.clone() } else { String::new() },
            ..State::default()
        };
        self.answers = prompts.iter().flat_map(|prompt| (0..n).map(move |_| state(prompt))).collect();
        Self { same_prompt: n, ..self }
    }

    /// The first chunks: of a chat, who speaks; of a completion, its prompt where that is wanted.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        for index in 0..self.answers.len() {
            if self.form.is_chat() {
                self.choice(out, index, Vec::new(), None, |out| {
                    out.extend_from_slice(br#"{"role":"assistant","content":"","refusal":null}"#)
                });
            } else {
                let echo = std::mem::take(&mut self.answers[index].echo);
                if !echo.is_empty() {
                    self.text(out, index, Vec::new(), &echo);
                }
            }
        }
    }

    /// What an event means for the client. After a failure nothing more is to be written.
    pub(crate) fn event(&mut self, out: &mut Vec<u8>, index: usize, event: Event) -> ControlFlow<()> {
        let ended = match event {
            Event::Piece(Piece::Text(text)) => {
                let held = std::mem::take(&mut self.answers[index].held);
                self.text(out, index, held, &text);
                return ControlFlow::Continue(());
            }
            Event::Piece(Piece::Choices(choices)) => {
                self.answers[index].held.extend(choices);
                return ControlFlow::Continue(());
            }
            Event::Piece(Piece::ToolCall(delta)) => {
                self.call(out, index, &delta);
                return ControlFlow::Continue(());
            }
            Event::End(ended) => ended.map_err(|error| ApiError::host(error, "model")),
        };
        match ended.and_then(|end| self.finish(out, index, &end)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure(out, &error);
                ControlFlow::Break(())
            }
        }
    }

    /// What follows the ends of all answers.
    pub(crate) fn end(&self, out: &mut Vec<u8>) {
        if self.usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            put(out, &Tokens::from(self.total));
            out.push(b'}');
            out.extend_from_slice(self.tail);
        }
        match &self.frame {
            Frame::Events => out.extend_from_slice(b"data: [DONE]\n\n"),
            Frame::Lines(id) => {
                out.extend_from_slice(b"{\"type\":\"done\",\"id\":");
                put(out, id);
                out.extend_from_slice(b"}\n");
            }
        }
    }

    fn text(&mut self, out: &mut Vec<u8>, index: usize, held: Vec<Choice>, text: &str) {
        let chat = self.form.is_chat();
        self.choice(out, index, held, None, |out| {
            if chat {
                out.extend_from_slice(b"{\"content\":");
                put(out, text);
                out.push(b'}');
            } else {
                put(out, text);
            }
        });
    }

    fn call(&mut self, out: &mut Vec<u8>, index: usize, delta: &ToolCallDelta) {
        if self.calls.single && delta.index > 0 {
            return;
        }
        let held = std::mem::take(&mut self.answers[index].held);
        let deprecated = self.calls.deprecated;
        self.choice(out, index, held, None, |out| put(out, &chunk::delta(delta, deprecated)));
    }

    fn finish(&mut self, out: &mut Vec<u8>, index: usize, end: &End) -> Result<(), ApiError> {
        let reason = answer::reason(&end.finish, self.calls)?;
        answer::add(&mut self.total, end.usage, !index.is_multiple_of(self.same_prompt));
        let nothing: &[u8] = if self.form.is_chat() { b"{}" } else { b"\"\"" };
        // Tokens without a text, such as those of calls.
        let held = std::mem::take(&mut self.answers[index].held);
        self.choice(out, index, held, Some(reason), |out| out.extend_from_slice(nothing));
        Ok(())
    }

    fn choice(
        &mut self,
        out: &mut Vec<u8>,
        index: usize,
        held: Vec<Choice>,
        reason: Option<&str>,
        content: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        put(out, &index);
        out.extend_from_slice(if self.form.is_chat() { b",\"delta\":" } else { b",\"text\":" });
        content(out);
        out.extend_from_slice(b",\"logprobs\":");
        match self.form {
            Form::ChatWithLogprobs if !held.is_empty() => put(out, &ChatForm::from(&*held)),
            Form::TextWithLogprobs if !held.is_empty() => {
                put(out, &LegacyForm::new(&held, &mut self.answers[index].offset));
            }
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"finish_reason\":");
        put(out, &reason);
        out.extend_from_slice(if self.usage { b"}],\"usage\":null}" } else { b"}]}" });
        out.extend_from_slice(self.tail);
    }

    fn failure(&self, out: &mut Vec<u8>, error: &ApiError) {
        match &self.frame {
            Frame::Events => {
                out.extend_from_slice(b"data: ");
                out.append(&mut error.to_json());
                out.extend_from_slice(b"\n\n");
            }
            Frame::Lines(id) => failed_line(out, Some(id), error),
        }
    }
}

/// The line that tells that a request of a WebSocket failed.
pub(crate) fn failed_line(out: &mut Vec<u8>, id: Option<&str>, error: &ApiError) {
    out.extend_from_slice(b"{\"type\":\"error\",\"id\":");
    put(out, &id);
    out.push(b',');
    out.extend_from_slice(&error.to_json()[1..]);
    out.push(b'\n');
}

/// An answer of server-sent events, which `write` writes.
pub(crate) fn sse<F>(write: F) -> Response
where
    F: AsyncFnOnce(BodyWriter) -> Result<(), Cut> + 'static,
{
    Response::stream(200, write)
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-cache")
        // Proxies such as nginx would otherwise hold the pieces back.
        .header("x-accel-buffering", "no")
}

/// An answer that streams these events.
pub(crate) fn respond(events: Events, chunks: Chunks) -> Response {
    sse(async move |body| write(events, chunks, body).await)
}

/// One write for all that waits. Errors in mid-answer are an event, after which the stream ends.
async fn write(events: Events, mut chunks: Chunks, mut body: BodyWriter) -> Result<(), Cut> {
    let mut events = events.fuse();
    let mut out = Vec::with_capacity(1024);
    // Goes with the first piece, and so does each end with what follows it: one write less.
    chunks.begin(&mut out);
    let mut next = events.next().await;
    while let Some((index, event)) = next {
        if chunks.event(&mut out, index, event).is_break() {
            return body.write(&mut out).await;
        }
        next = match events.next().now_or_never() {
            Some(waiting) if out.len() < FULL => waiting,
            Some(waiting) => {
                body.write(&mut out).await?;
                waiting
            }
            None => {
                body.write(&mut out).await?;
                events.next().await
            }
        };
    }
    chunks.end(&mut out);
    body.write(&mut out).await
}

#[cfg(test)]
mod tests;
