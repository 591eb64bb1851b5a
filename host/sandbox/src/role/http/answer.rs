//! The body of an answer, which drives the plugin that writes it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use crate::call::Call;
use crate::error::{BodyError, Error, ErrorKind};

/// How far the plugin has come.
pub(super) enum Work {
    Running(Call),
    Ended(Result<(), Error>),
}

/// Both the body and the watch over its deadline reach it.
struct Slot(Mutex<Work>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // A panic inside a call leaves nothing half done here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the plugin a turn.
    fn turn(&self, cx: &mut Context<'_>) -> Turn {
        let mut work = self.lock();
        match &mut *work {
            Work::Ended(result) => Turn::Over(result.clone()),
            Work::Running(call) => match Pin::new(call).poll(cx) {
                Poll::Pending => Turn::Waits,
                Poll::Ready(result) => {
                    *work = Work::Ended(result);
                    Turn::Ends
                }
            },
        }
    }

    fn take(&self) -> Option<Call> {
        match std::mem::replace(&mut *self.lock(), Work::Ended(Ok(()))) {
            Work::Running(call) => Some(call),
            Work::Ended(_) => None,
        }
    }
}

enum Turn {
    /// It goes on when something happens.
    Waits,
    /// It has ended in this turn and may have left something to read.
    Ends,
    /// It had ended before.
    Over(Result<(), Error>),
}

pub(super) struct Answer {
    plugin: String,
    body: WasiBody,
    work: Arc<Slot>,
    /// The body has been read to its end.
    read: bool,
    watch: Option<AbortHandle>,
}

impl Answer {
    pub(super) fn new(body: WasiBody, work: Work, plugin: &str) -> Self {
        let deadline = match &work {
            Work::Running(call) => Some(call.deadline()),
            Work::Ended(_) => None,
        };
        let work = Arc::new(Slot(Mutex::new(work)));
        // A client that does not read does not poll either, and its call would never notice that its time is up.
        let watch =
            deadline.map(|deadline| tokio::spawn(end_at(deadline, Arc::downgrade(&work))).abort_handle());
        Self { plugin: plugin.to_owned(), body, work, read: false, watch }
    }

    /// Hands on what came out of the body; at its end the plugin has the last word.
    fn pass(
        &mut self,
        next: Option<Result<Frame<Bytes>, WasiError>>,
        cx: &mut Context<'_>,
    ) -> Option<Result<Frame<Bytes>, BodyError>> {
        let end = match next {
            Some(Ok(frame)) => return Some(Ok(frame)),
            Some(Err(error)) => Some(error),
            None => None,
        };
        self.read = true;
        // A plugin that failed has dropped its end of the body, which looks like an end in order.
        let mut turn = self.work.turn(cx);
        if matches!(turn, Turn::Ends) {
            turn = self.work.turn(cx);
        }
        if let Turn::Over(Err(error)) = turn {
            return Some(Err(error.into()));
        }
        end.map(|error| {
            let message = format!("plugin \"{}\" broke off its answer: {error}", self.plugin);
            Err(Error::new(ErrorKind::Answer(502), message).into())
        })
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.read {
            return Poll::Ready(None);
        }
        loop {
            if let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) {
                return Poll::Ready(self.pass(next, cx));
            }
            match self.work.turn(cx) {
                Turn::Ends => {}
                Turn::Over(_) => return Poll::Pending,
                Turn::Waits => {
                    return match Pin::new(&mut self.body).poll_frame(cx) {
                        Poll::Ready(next) => Poll::Ready(self.pass(next, cx)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Before the plugin has ended it may still fail, and then the body must not look whole.
        self.read || self.body.is_end_stream() && matches!(*self.work.lock(), Work::Ended(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
        let Some(call) = self.work.take() else { return };
        // The answer is out, but the plugin may have something left to do, such as to count it. If the answer is not
        // out, nobody wants it any more, and the call ends here.
        let body: &dyn http_body::Body<Data = Bytes, Error = WasiError> = &self.body;
        let whole = self.read || body.is_end_stream() || body.size_hint().exact() == Some(0);
        if whole && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let plugin = std::mem::take(&mut self.plugin);
            runtime.spawn(async move {
                if let Err(error) = call.await {
                    tracing::warn!(plugin, "after its answer: {error}");
                }
            });
        }
    }
}

async fn end_at(deadline: tokio::time::Instant, work: Weak<Slot>) {
    tokio::time::sleep_until(deadline).await;
    if let Some(slot) = work.upgrade() {
        let mut work = slot.lock();
        if let Work::Running(call) = &*work {
            let late = call.late();
            *work = Work::Ended(Err(late));
        }
    }
}
