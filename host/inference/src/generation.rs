use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::Stream;
use inferno_backend::{Error, Event};

use crate::{
    completion::{Completion, Draft},
    mailbox::{Mailbox, Whole},
    worker::Worker,
};

/// A request at a worker. Dropping it before its end cancels the work, once.
#[derive(Debug)]
pub(crate) struct Ticket {
    id: u64,
    mailbox: Arc<Mailbox>,
    worker: Arc<Worker>,
}

impl Ticket {
    pub(crate) fn new(id: u64, mailbox: Arc<Mailbox>, worker: Arc<Worker>) -> Self {
        Self { id, mailbox, worker }
    }

    /// Waits for the end, and for nothing before it.
    pub(crate) async fn whole(&self) -> Result<Whole, Error> {
        poll_fn(|context| self.mailbox.poll_whole(context)).await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.mailbox.abandon() {
            self.worker.cancel(self.id);
        }
    }
}

/// An answer being written: a stream of [`Event::Text`], and of [`Event::Choices`] and [`Event::ToolCall`] where they were
/// asked for; then one [`Event::Done`] or an error, then nothing.
///
/// Text that has come since it was last polled is one event, and never cut inside a character. Dropping it cancels
/// the work at the next token; the model has room for another request when that has happened.
#[derive(Debug)]
pub struct Generation {
    ticket: Ticket,
    prompt_tokens: u32,
    over: bool,
}

impl Generation {
    /// Waits until the model has taken the request.
    pub(crate) async fn started(ticket: Ticket) -> Result<Self, Error> {
        let prompt_tokens = poll_fn(|context| ticket.mailbox.poll_started(context)).await?;
        Ok(Self { ticket, prompt_tokens, over: false })
    }

    /// Tokens of the prompt, the chat template's included.
    #[must_use]
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// Waits for the whole answer, or for what is left of it. This costs less than reading the stream: one wake-up.
    pub async fn complete(self) -> Result<Completion, Error> {
        let Whole { events, done } = self.ticket.whole().await?;
        let mut draft = Draft::default();
        events.into_iter().for_each(|event| draft.add(event));
        Ok(draft.done(done.finish, done.usage))
    }
}

impl Stream for Generation {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.ticket.mailbox.poll_next(context));
        self.over = matches!(next, Ok(Event::Done { .. }) | Err(_));
        Poll::Ready(Some(next))
    }
}
