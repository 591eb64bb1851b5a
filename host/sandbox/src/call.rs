//! One call of a plugin: it gives the plugin its turns, and ends it when a limit is reached.
//!
//! The call is driven by whoever waits for it: the task that serves the connection polls the instance itself, so
//! nothing is handed from thread to thread between a token and the socket. Dropping it drops the instance, and with
//! it everything that the plugin had under way.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use crate::engine::{Engine, Overdue, Ticking};
use crate::error::{Error, ErrorKind};
use crate::limits::{Limit, Limits};
use crate::meter::{Meter, Reached};
use crate::metrics::{Metrics, Tally};
use crate::state::Actor;

/// What an instance holds as long as it lives: room in its plugin's allowance and in the engine's pool, and the clock.
pub(crate) type Held = ([OwnedSemaphorePermit; 2], Ticking);

/// Where it is written down what a call came to.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) metrics: Metrics,
    pub(crate) actor: Arc<Actor>,
}

/// What a call needs besides its code.
pub(crate) struct Terms {
    pub(crate) plugin: String,
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) account: Account,
    /// Held until the plugin's code has ended; none where an instance outlives the call and holds it itself.
    pub(crate) held: Option<Held>,
}

/// When a call is ended at the latest. One that is a conversation puts it off with each message.
pub(crate) struct Deadline {
    after: Duration,
    at: Mutex<Option<Instant>>,
}

impl Deadline {
    pub(crate) fn after(after: Duration) -> Self {
        Self { after, at: Mutex::new(Instant::now().checked_add(after)) }
    }

    pub(crate) fn put_off(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(self.after);
    }

    fn has_passed(&self, now: Instant) -> bool {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at <= now)
    }
}

/// A call that has begun. As a future, it resolves when the plugin's code has ended.
pub(crate) struct Call(Arc<Slot>);

/// Both the call and the clock that watches over its deadline reach it.
struct Slot {
    plugin: String,
    limits: Arc<Limits>,
    meter: Arc<Meter>,
    account: Account,
    deadline: Arc<Deadline>,
    runtime: Handle,
    work: Mutex<Work>,
}

enum Work {
    Running(Running),
    Ended(Result<(), Error>),
}

struct Running {
    run: Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send>>,
    waker: Option<Waker>,
    _held: Option<Held>,
}

/// What came of a turn.
pub(crate) enum Turn {
    /// The plugin goes on when something happens.
    Waits,
    /// It has ended in this turn and may have left something to read.
    Ends,
    /// It had ended before.
    Over(Result<(), Error>),
}

impl Call {
    /// Begins a call; must be called inside a Tokio runtime.
    pub(crate) fn new(
        engine: &Engine,
        terms: Terms,
        run: impl Future<Output = wasmtime::Result<()>> + Send + 'static,
    ) -> Self {
        let deadline = Arc::new(Deadline::after(terms.limits.wall.0));
        Self::until(engine, terms, deadline, run)
    }

    /// The same with a deadline that can be put off.
    pub(crate) fn until(
        engine: &Engine,
        terms: Terms,
        deadline: Arc<Deadline>,
        run: impl Future<Output = wasmtime::Result<()>> + Send + 'static,
    ) -> Self {
        let Terms { plugin, limits, meter, account, held } = terms;
        // Part of its caller's trace; what it asks of the host becomes part of this.
        let span = tracing::info_span!(
            target: "traces",
            "plugin",
            otel.name = format_args!("plugin {plugin}"),
            inferno.plugin = plugin,
            inferno.request_id = account.actor.caller.request_id,
            inferno.tenant = account.actor.caller.tenant,
        );
        let running = Running { run: Box::pin(run.instrument(span)), waker: None, _held: held };
        let slot = Arc::new(Slot {
            plugin,
            deadline,
            limits,
            meter,
            account,
            runtime: Handle::current(),
            work: Mutex::new(Work::Running(running)),
        });
        let watched: Arc<dyn Overdue> = slot.clone();
        engine.watch(Arc::downgrade(&watched));
        Self(slot)
    }

    /// Gives the plugin a turn.
    pub(crate) fn turn(&self, cx: &mut Context<'_>) -> Turn {
        let slot = &*self.0;
        let mut work = slot.work.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match &mut *work {
            Work::Ended(result) => return Turn::Over(result.clone()),
            Work::Running(running) => running,
        };
        let result = match slot.meter.turn(|| running.run.as_mut().poll(cx)) {
            Poll::Ready(result) => result.map_err(|error| slot.explain(&error)),
            // A plugin that only calls the host and waits never comes by the check inside the engine.
            Poll::Pending => match slot.meter.check_compute() {
                Err(Reached(limit)) => Err(slot.reached(limit)),
                Ok(()) => {
                    match &mut running.waker {
                        Some(waker) => waker.clone_from(cx.waker()),
                        none => *none = Some(cx.waker().clone()),
                    }
                    return Turn::Waits;
                }
            },
        };
        *work = Work::Ended(result);
        Turn::Ends
    }

    /// Counts bytes that the plugin has given back.
    pub(crate) fn give_back(&self, bytes: usize) -> Result<(), Error> {
        self.0.meter.give_back(bytes).map_err(|Reached(limit)| limit.reached(&self.0.plugin, &self.0.limits))
    }

    /// Whether the plugin's code has ended, and well.
    pub(crate) fn ended_well(&self) -> bool {
        // Where the clock is about to end it, it has not ended well.
        self.0.work.try_lock().is_ok_and(|work| matches!(&*work, Work::Ended(Ok(()))))
    }
}

impl Future for Call {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.turn(cx) {
                Turn::Waits => return Poll::Pending,
                Turn::Over(result) => return Poll::Ready(result),
                Turn::Ends => {}
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // The clock may hold the slot for a moment longer; the instance goes here and now.
        let mut work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*work, Work::Running(_)) {
            let running = std::mem::replace(&mut *work, Work::Ended(Ok(())));
            drop(work);
            drop(running);
        }
    }
}

impl Overdue for Slot {
    /// Ends the call, even where nobody polls it: a client that does not read does not poll either.
    fn end_if_overdue(&self, now: Instant) {
        if !self.deadline.has_passed(now) {
            return;
        }
        // It is having its turn just now; the next round will do.
        let Ok(mut work) = self.work.try_lock() else { return };
        if matches!(&*work, Work::Ended(_)) {
            return;
        }
        let late = Work::Ended(Err(Limit::Wall.reached(&self.plugin, &self.limits)));
        if let Work::Running(Running { run, waker, _held }) = std::mem::replace(&mut *work, late) {
            drop(work);
            // What an instance holds may want a runtime around it when it goes.
            self.runtime.spawn(async move {
                drop(run);
                drop(_held);
                if let Some(waker) = waker {
                    waker.wake();
                }
            });
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let error = match self.work.get_mut().unwrap_or_else(PoisonError::into_inner) {
            Work::Ended(Err(error)) => Some(error.kind().name()),
            Work::Ended(Ok(())) | Work::Running(_) => None,
        };
        let (compute, host_calls) = self.meter.used();
        let Account { metrics, actor } = &self.account;
        metrics.called(&Tally {
            plugin: &actor.plugin,
            tenant: &actor.caller.tenant,
            error,
            compute,
            host_calls,
        });
    }
}

impl Slot {
    /// The error of a limit of the call's own, or of the plugin's that put this one to work and pays for it.
    fn reached(&self, limit: Limit) -> Error {
        if !self.meter.is_out_of_credit() {
            return limit.reached(&self.plugin, &self.limits);
        }
        Error::new(
            ErrorKind::Limit(limit),
            format!(
                "plugin \"{}\" was ended: the plugin that put it to work has used up its own limit `{}`",
                self.plugin,
                limit.key()
            ),
        )
    }

    fn explain(&self, error: &wasmtime::Error) -> Error {
        let Self { plugin, limits, meter, .. } = self;
        if let Some(Reached(limit)) = error.downcast_ref() {
            return self.reached(*limit);
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
        if reason.contains("resource limit exceeded: table count") {
            return Limit::Tables.reached(plugin, limits);
        }
        tracing::debug!(plugin, "the plugin trapped: {error:?}");
        Error::new(ErrorKind::Trap, format!("plugin \"{plugin}\" crashed: {reason}"))
            .with_hint("its own last words, if it had any, are in the log")
    }
}
