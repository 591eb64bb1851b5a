//! What has come for one request and was not taken yet.

use std::{
    collections::VecDeque,
    mem,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use inferno_backend::{Error, Event, Finish, Usage};

use crate::lock;

/// A good end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
}

/// Everything that came for a request.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) events: VecDeque<Event>,
    pub(crate) done: Done,
}

/// Filled by the worker's reader, emptied by one consumer. Texts that wait are merged into one.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    prompt_tokens: Option<u32>,
    events: VecDeque<Event>,
    end: Option<Result<Done, Error>>,
    consumer: Option<Waker>,
    /// Wake the consumer at the end only.
    whole: bool,
    /// Nobody will take anything any more.
    abandoned: bool,
}

impl Mailbox {
    /// Puts an event in, and returns the consumer if it waits for that.
    pub(crate) fn put(&self, event: Event) -> Option<Waker> {
        let mut state = lock(&self.0);
        if state.abandoned {
            return None;
        }
        match event {
            Event::Started { prompt_tokens } => state.prompt_tokens = Some(prompt_tokens),
            Event::Text(text) => match state.events.back_mut() {
                Some(Event::Text(waiting)) => waiting.push_str(&text),
                // A consumer that keeps up gets the very text that was read, without a copy.
                _ => state.events.push_back(Event::Text(text)),
            },
            Event::Done { finish, usage } => state.end = Some(Ok(Done { finish, usage })),
            Event::Failed(error) => state.end = Some(Err(error)),
            event => state.events.push_back(event),
        }
        if state.whole && state.end.is_none() { None } else { state.consumer.take() }
    }

    /// The tokens of the prompt, once the request has started; or why it did not.
    pub(crate) fn poll_started(&self, context: &mut Context<'_>) -> Poll<Result<u32, Error>> {
        let mut state = lock(&self.0);
        match (state.prompt_tokens, &state.end) {
            (Some(tokens), _) => Poll::Ready(Ok(tokens)),
            (None, Some(Ok(done))) => Poll::Ready(Ok(done.usage.prompt_tokens)),
            (None, Some(Err(error))) => Poll::Ready(Err(error.clone())),
            (None, None) => state.wait(context),
        }
    }

    /// What has come first, texts that follow one another as one; at the end, [`Event::Done`] or the failure.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        let mut state = lock(&self.0);
        if let Some(event) = state.events.pop_front() {
            return Poll::Ready(Ok(event));
        }
        match &state.end {
            Some(Ok(done)) => Poll::Ready(Ok(Event::Done { finish: done.finish, usage: done.usage })),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => state.wait(context),
        }
    }

    /// Everything, at the end; until then the consumer is not woken.
    pub(crate) fn poll_whole(&self, context: &mut Context<'_>) -> Poll<Result<Whole, Error>> {
        let mut state = lock(&self.0);
        state.whole = true;
        match state.end.clone() {
            Some(Ok(done)) => Poll::Ready(Ok(Whole { events: mem::take(&mut state.events), done })),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => state.wait(context),
        }
    }

    /// The consumer leaves. True if the request had not ended: its work should be cancelled.
    pub(crate) fn abandon(&self) -> bool {
        let mut state = lock(&self.0);
        let unfinished = state.end.is_none() && !state.abandoned;
        *state = State { abandoned: true, ..State::default() };
        unfinished
    }
}

impl State {
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        match &mut self.consumer {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.consumer = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    const DONE: Event = Event::Done { finish: Finish::Stop, usage: Usage::new(3, 2) };

    #[test]
    fn waiting_texts_are_one_event_and_the_end_comes_after_them() {
        let (count, mailbox) = (Arc::new(Count::default()), Mailbox::default());
        let waker = count.clone().into();
        let mut context = Context::from_waker(&waker);
        assert!(mailbox.poll_next(&mut context).is_pending());
        for text in ["a", "b", "ç"] {
            mailbox.put(Event::Text(text.into())).into_iter().for_each(Waker::wake);
        }
        mailbox.put(DONE).into_iter().for_each(Waker::wake);
        assert_eq!(count.0.load(Ordering::SeqCst), 1, "only one who waits is woken");
        assert_eq!(mailbox.poll_next(&mut context), Poll::Ready(Ok(Event::Text("abç".into()))));
        assert_eq!(mailbox.poll_next(&mut context), Poll::Ready(Ok(DONE)));
    }

    #[test]
    fn who_wants_the_whole_is_woken_once() {
        let (count, mailbox) = (Arc::new(Count::default()), Mailbox::default());
        let waker = count.clone().into();
        let mut context = Context::from_waker(&waker);
        assert!(mailbox.poll_whole(&mut context).is_pending());
        assert!(mailbox.put(Event::Started { prompt_tokens: 3 }).is_none());
        assert!(mailbox.put(Event::Text("a".into())).is_none());
        assert!(mailbox.put(Event::Embedding(vec![1.0])).is_none());
        mailbox.put(DONE).expect("the end wakes").wake();
        let Poll::Ready(Ok(whole)) = mailbox.poll_whole(&mut context) else { panic!("it has ended") };
        assert_eq!(whole.events, [Event::Text("a".into()), Event::Embedding(vec![1.0])]);
        assert_eq!(whole.done.usage.output_tokens, 2);
    }

    #[test]
    fn abandoned_mail_is_thrown_away_and_cancels_once() {
        let mailbox = Mailbox::default();
        assert!(mailbox.put(Event::Text("a".into())).is_none());
        assert!(mailbox.abandon());
        assert!(!mailbox.abandon());
        mailbox.put(Event::Text("b".into()));
        let waker = Waker::noop();
        assert!(mailbox.poll_next(&mut Context::from_waker(waker)).is_pending());

        let mailbox = Mailbox::default();
        mailbox.put(DONE);
        assert!(!mailbox.abandon(), "what has ended needs no cancel");
    }
}
