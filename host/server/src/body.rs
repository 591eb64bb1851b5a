//! A request's body on its way to a plugin: counted, and never waited for longer than allowed.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use inferno_sandbox::BodyError;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::refusal::Refusal;

/// What a client did wrong in the middle of its body, kept for the host's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// More bytes than allowed.
    TooLarge { limit: u64 },
    /// Nothing came, or not all of it, in this time.
    Slow { after: Duration },
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLarge { limit } => Refusal::body_too_large(limit),
            Fault::Slow { after } => {
                Refusal::slow(format!("the request's body did not arrive within {} s", after.as_secs_f32()))
            }
        }
    }
}

/// Where a [`Guarded`] body leaves its fault.
pub(crate) type FaultCell = Arc<OnceLock<Fault>>;

/// The limits of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

/// A body with limits. The clock runs only while somebody waits for the client.
pub(crate) struct Guarded<B> {
    inner: B,
    limits: Limits,
    left: u64,
    /// When the whole body must be there, from the first wait on.
    deadline: Option<Instant>,
    /// Runs while the client is waited for; the flag says whether it does.
    timer: Pin<Box<Sleep>>,
    waiting: bool,
    fault: FaultCell,
    /// Counts what has come.
    received: Arc<AtomicU64>,
}

impl<B> Guarded<B> {
    pub(crate) fn new(inner: B, limits: Limits, received: Arc<AtomicU64>) -> (Self, FaultCell) {
        let fault = FaultCell::default();
        let timer = Box::pin(sleep_until(Instant::now()));
        let left = limits.bytes;
        let body = Self {
            inner,
            limits,
            left,
            deadline: None,
            timer,
            waiting: false,
            fault: Arc::clone(&fault),
            received,
        };
        (body, fault)
    }

    fn fail(&mut self, fault: Fault) -> BodyError {
        let fault = *self.fault.get_or_init(|| fault);
        match fault {
            Fault::TooLarge { limit } => BodyError::TooLarge { limit },
            Fault::Slow { .. } => BodyError::TimedOut,
        }
    }

    /// Ready once the client has been waited for too long.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if !self.waiting {
            let now = Instant::now();
            let deadline = *self.deadline.get_or_insert(now + self.limits.total);
            self.timer.as_mut().reset(deadline.min(now + self.limits.idle));
            self.waiting = true;
        }
        ready!(self.timer.as_mut().poll(cx));
        let over = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        Poll::Ready(if over { self.limits.total } else { self.limits.idle })
    }
}

impl<B> Body for Guarded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(fault) = this.fault.get().copied() {
            return Poll::Ready(Some(Err(this.fail(fault))));
        }
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            let after = ready!(this.poll_timeout(cx));
            return Poll::Ready(Some(Err(this.fail(Fault::Slow { after }))));
        };
        this.waiting = false;
        Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => Some(Err(BodyError::Disconnected(error.to_string()))),
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.received.fetch_add(len, Relaxed);
                match this.left.checked_sub(len) {
                    Some(left) => {
                        this.left = left;
                        Some(Ok(frame))
                    }
                    None => Some(Err(this.fail(Fault::TooLarge { limit: this.limits.bytes }))),
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
