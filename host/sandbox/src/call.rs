//! One call of a plugin as a future: it gives the plugin its turns, and ends it when a limit is reached.
//!
//! The call is driven by whoever waits for it: the task that serves the connection polls the instance itself, so
//! nothing is handed from thread to thread between a token and the socket. Dropping it drops the instance, and with
//! it everything that the plugin had under way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::engine::Ticking;
use crate::error::{Error, ErrorKind};
use crate::limits::{Limit, Limits, Meter, Reached};

/// What a call needs besides its code.
pub(crate) struct Terms {
    pub(crate) plugin: String,
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Arc<Meter>,
    /// Held until the call is over: room in the plugin's own allowance and in the engine's pool, and the clock.
    pub(crate) _held: ([OwnedSemaphorePermit; 2], Ticking),
}

/// Resolves when the plugin's code has ended.
pub(crate) struct Call {
    run: Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send>>,
    deadline: Pin<Box<Sleep>>,
    terms: Terms,
}

impl Call {
    pub(crate) fn new(
        terms: Terms,
        run: impl Future<Output = wasmtime::Result<()>> + Send + 'static,
    ) -> Self {
        let deadline = Box::pin(tokio::time::sleep(terms.limits.wall.0));
        Self { run: Box::pin(run), deadline, terms }
    }

    /// When the call must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline.deadline()
    }

    /// The error of a call that did not end in time.
    pub(crate) fn late(&self) -> Error {
        Limit::Wall.reached(&self.terms.plugin, &self.terms.limits)
    }

    fn explain(&self, error: &wasmtime::Error) -> Error {
        let Terms { plugin, limits, meter, .. } = &self.terms;
        if let Some(Reached(limit)) = error.downcast_ref() {
            return limit.reached(plugin, limits);
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.clone();
        }
        let reason = error.root_cause().to_string();
        if reason.contains("fuel allocated for hostcalls has been exhausted") {
            return Limit::HostCallData.reached(plugin, limits);
        }
        if reason.contains("maximum concurrent limit") {
            return Error::new(ErrorKind::Busy, format!("plugin \"{plugin}\" could not start: {reason}"))
                .with_hint("try again later, or raise the number of calls that the host runs at once");
        }
        if let Some(limit) = meter.refused() {
            return limit.reached(plugin, limits);
        }
        if reason.contains("resource limit exceeded: instance count") {
            return Limit::Instances.reached(plugin, limits);
        }
        tracing::debug!(plugin, "the plugin trapped: {error:?}");
        Error::new(ErrorKind::Trap, format!("plugin \"{plugin}\" crashed: {reason}"))
            .with_hint("its own last words, if it had any, are in the log")
    }
}

impl Future for Call {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.terms.meter.turn(|| this.run.as_mut().poll(cx)) {
            Poll::Ready(result) => return Poll::Ready(result.map_err(|error| this.explain(&error))),
            // A plugin that only calls the host and waits never comes by the check inside the engine.
            Poll::Pending => {
                if let Err(Reached(limit)) = this.terms.meter.check_compute() {
                    return Poll::Ready(Err(limit.reached(&this.terms.plugin, &this.terms.limits)));
                }
            }
        }
        this.deadline.as_mut().poll(cx).map(|()| Err(this.late()))
    }
}
