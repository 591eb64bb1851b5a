//! A response as it is written: server-sent events, each with a number.

use std::mem;

use futures::FutureExt;
use futures::stream::StreamExt;
use inferno_sdk::http::{BodyWriter, Cut};
use inferno_sdk::inference::{Choice, Piece, ToolCallDelta};
use serde::Serialize;

use super::Keeper;
use super::reply::{Item, Part, Reply, Status};
use crate::answer::put;
use crate::error::ApiError;
use crate::logprobs::chosen;
use crate::run::{Event, Events};
use crate::tools::Calls;

/// So many bytes of events are written at once at most.
const FULL: usize = 16 * 1024;

/// Writes a response while it is made.
pub(super) struct Writer {
    reply: Reply,
    keeper: Keeper,
    calls: Calls,
    /// The number of the next event.
    number: u32,
    /// Tokens whose text has not come yet.
    held: Vec<Choice>,
    /// Whether the last item of the output is still being written.
    open: bool,
}

impl Writer {
    pub(super) fn new(reply: Reply, keeper: Keeper, calls: Calls) -> Self {
        Self { reply, keeper, calls, number: 0, held: Vec::new(), open: false }
    }

    /// One write for all that waits.
    pub(super) async fn write(mut self, events: Events, mut body: BodyWriter) -> Result<(), Cut> {
        let mut events = events.fuse();
        let mut out = Vec::with_capacity(2048);
        for kind in ["response.created", "response.in_progress"] {
            self.whole(&mut out, kind);
        }
        while let Some(event) = self.next(&mut events, &mut out, &mut body).await? {
            match event {
                Event::Piece(Piece::Text(text)) => self.text(&mut out, &text),
                Event::Piece(Piece::Choices(choices)) => self.held.extend(choices),
                Event::Piece(Piece::ToolCall(delta)) => self.call(&mut out, delta),
                Event::End(ended) => {
                    let ended = ended.map_err(|error| ApiError::host(error, "model"));
                    let ended = ended.and_then(|end| self.reply.end(&end.finish, end.usage));
                    self.end(&mut out, ended.err());
                }
            }
        }
        body.write(&mut out).await
    }

    /// The next event; what is to be written is written before it is waited for.
    async fn next(
        &self,
        events: &mut futures::stream::Fuse<Events>,
        out: &mut Vec<u8>,
        body: &mut BodyWriter,
    ) -> Result<Option<Event>, Cut> {
        let next = match events.next().now_or_never() {
            Some(next) if out.len() < FULL => next,
            Some(next) => {
                body.write(out).await?;
                next
            }
            None => {
                body.write(out).await?;
                events.next().await
            }
        };
        Ok(next.map(|(_, event)| event))
    }

    fn text(&mut self, out: &mut Vec<u8>, more: &str) {
        if !(self.open && matches!(self.reply.output.last(), Some(Item::Said { .. }))) {
            self.close(out);
            let id = self.reply.item_id("msg");
            self.begin(out, Item::Said { id, done: false, text: String::new(), choices: Vec::new() });
            self.placed(out, "response.content_part.added", |out, _| field(out, "part", &Part::new("", &[])));
        }
        let held = mem::take(&mut self.held);
        self.placed(out, "response.output_text.delta", |out, _| {
            field(out, "delta", more);
            field(out, "logprobs", &chosen(&held));
        });
        if let Some(Item::Said { text, choices, .. }) = self.reply.output.last_mut() {
            text.push_str(more);
            choices.extend(held);
        }
    }

    fn call(&mut self, out: &mut Vec<u8>, delta: ToolCallDelta) {
        if self.calls.single && delta.index > 0 {
            return;
        }
        if let Some(call) = delta.id {
            self.close(out);
            let (id, name) = (self.reply.item_id("fc"), delta.name.unwrap_or_default());
            self.begin(out, Item::Called { id, done: false, call, name, arguments: String::new() });
        }
        if let Some(Item::Called { arguments, .. }) = self.reply.output.last_mut()
            && !delta.arguments.is_empty()
        {
            arguments.push_str(&delta.arguments);
            self.placed(out, "response.function_call_arguments.delta", |out, _| {
                field(out, "delta", &delta.arguments);
            });
        }
    }

    /// Begins an item of the output.
    fn begin(&mut self, out: &mut Vec<u8>, item: Item) {
        let index = self.reply.output.len();
        self.event(out, "response.output_item.added", |out| {
            field(out, "output_index", &index);
            field(out, "item", &item);
        });
        self.reply.output.push(item);
        self.open = true;
    }

    /// Ends the item that is being written.
    fn close(&mut self, out: &mut Vec<u8>) {
        if !mem::take(&mut self.open) {
            return;
        }
        match self.reply.output.last() {
            Some(Item::Said { .. }) => {
                self.placed(out, "response.output_text.done", |out, item| {
                    if let Item::Said { text, choices, .. } = item {
                        field(out, "text", text);
                        field(out, "logprobs", &chosen(choices));
                    }
                });
                self.placed(out, "response.content_part.done", |out, item| {
                    if let Item::Said { text, choices, .. } = item {
                        field(out, "part", &Part::new(text, choices));
                    }
                });
            }
            Some(Item::Called { .. }) => {
                self.placed(out, "response.function_call_arguments.done", |out, item| {
                    if let Item::Called { name, arguments, .. } = item {
                        field(out, "name", name);
                        field(out, "arguments", arguments);
                    }
                });
            }
            None => {}
        }
        let index = self.reply.output.len().saturating_sub(1);
        let Some(mut item) = self.reply.output.pop() else { return };
        match &mut item {
            Item::Said { done, .. } | Item::Called { done, .. } => *done = true,
        }
        self.event(out, "response.output_item.done", |out| {
            field(out, "output_index", &index);
            field(out, "item", &item);
        });
        self.reply.output.push(item);
    }

    /// The end of the response.
    fn end(&mut self, out: &mut Vec<u8>, error: Option<ApiError>) {
        let held = mem::take(&mut self.held);
        if let Some(Item::Said { choices, .. }) = self.reply.output.last_mut() {
            choices.extend(held);
        }
        if let Some(error) = error {
            let (code, message) =
                (error.code().unwrap_or("server_error").to_owned(), error.message().to_owned());
            self.reply.status = Status::Failed { code, message };
            return self.whole(out, "response.failed");
        }
        if self.reply.output.is_empty() {
            self.text(out, "");
        }
        self.close(out);
        self.keeper.keep(&mut self.reply);
        let kind = if self.reply.status == Status::Incomplete {
            "response.incomplete"
        } else {
            "response.completed"
        };
        self.whole(out, kind);
    }

    /// An event with the whole response.
    fn whole(&mut self, out: &mut Vec<u8>, kind: &str) {
        begin(out, kind, &mut self.number);
        field(out, "response", &self.reply);
        out.extend_from_slice(b"}\n\n");
    }

    /// An event about the last item.
    fn placed(&mut self, out: &mut Vec<u8>, kind: &str, more: impl FnOnce(&mut Vec<u8>, &Item)) {
        let Some(item) = self.reply.output.last() else { return };
        let (Item::Said { id, .. } | Item::Called { id, .. }) = item;
        begin(out, kind, &mut self.number);
        field(out, "item_id", id);
        field(out, "output_index", &(self.reply.output.len() - 1));
        if let Item::Said { .. } = item {
            // A message has one part.
            field(out, "content_index", &0);
        }
        more(out, item);
        out.extend_from_slice(b"}\n\n");
    }

    fn event(&mut self, out: &mut Vec<u8>, kind: &str, more: impl FnOnce(&mut Vec<u8>)) {
        begin(out, kind, &mut self.number);
        more(out);
        out.extend_from_slice(b"}\n\n");
    }
}

/// The head of an event, up to its own fields.
fn begin(out: &mut Vec<u8>, kind: &str, number: &mut u32) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":");
    put(out, kind);
    field(out, "sequence_number", number);
    *number += 1;
}

fn field<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    out.push(b',');
    put(out, name);
    out.push(b':');
    put(out, value);
}
