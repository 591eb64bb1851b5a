//! Counts what one call of a plugin uses, and says when it is too much.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::limits::{Limit, Limits};

/// What ends a call from inside the engine when a limit is reached.
#[derive(Debug, thiserror::Error)]
#[error("the limit `{}` was reached", .0.key())]
pub(crate) struct Reached(pub(crate) Limit);

/// Counts what one call uses. Shared by the engine's hooks inside the call and by those who drive it from outside.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    /// Nanoseconds that the call has computed in earlier turns.
    spent: AtomicU64,
    /// When this turn began, in nanoseconds after `started`; 0 between turns.
    turn: AtomicU64,
    compute: u64,
    host_calls: AtomicU64,
    max_host_calls: u64,
    /// The first request for memory or tables that was refused: the likely reason if the plugin traps later.
    refused: OnceLock<Limit>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            started: Instant::now(),
            spent: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            compute: nanoseconds(limits.compute.0),
            host_calls: AtomicU64::new(0),
            max_host_calls: limits.host_calls,
            refused: OnceLock::new(),
        }
    }

    /// Runs one turn of the call: what happens in `work` is computing, what happens between turns is waiting.
    pub(crate) fn turn<R>(&self, work: impl FnOnce() -> R) -> R {
        let began = nanoseconds(self.started.elapsed()).max(1);
        self.turn.store(began, Relaxed);
        let result = work();
        self.turn.store(0, Relaxed);
        let took = nanoseconds(self.started.elapsed()).saturating_sub(began);
        self.spent.fetch_add(took, Relaxed);
        result
    }

    /// Fails once the call has computed for too long.
    pub(crate) fn check_compute(&self) -> Result<(), Reached> {
        let turn = match self.turn.load(Relaxed) {
            0 => 0,
            began => nanoseconds(self.started.elapsed()).saturating_sub(began),
        };
        if self.spent.load(Relaxed).saturating_add(turn) > self.compute {
            return Err(Reached(Limit::Compute));
        }
        Ok(())
    }

    /// Counts a call into the host.
    pub(crate) fn host_call(&self) -> Result<(), Reached> {
        // One thread at a time is inside a call, so load and store lose nothing and cost less than an atomic addition.
        let count = self.host_calls.load(Relaxed) + 1;
        self.host_calls.store(count, Relaxed);
        if count > self.max_host_calls { Err(Reached(Limit::HostCalls)) } else { Ok(()) }
    }

    fn refuse(&self, limit: Limit) {
        // Only the first one is kept; later ones are its consequences.
        let _ = self.refused.set(limit);
    }

    /// The limit under which memory or tables were refused, if they were.
    pub(crate) fn refused(&self) -> Option<Limit> {
        self.refused.get().copied()
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Decides about the growth of memories and tables of one call.
#[derive(Debug)]
pub(crate) struct Growth {
    meter: Arc<Meter>,
    memory: Budget,
    table_elements: Budget,
    instances: usize,
}

#[derive(Debug)]
struct Budget {
    left: u64,
}

impl Budget {
    fn take(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current) as u64;
        match self.left.checked_sub(more) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Growth {
    pub(crate) fn new(limits: &Limits, meter: Arc<Meter>) -> Self {
        Self {
            meter,
            memory: Budget { left: limits.memory.0 },
            table_elements: Budget { left: limits.table_elements },
            instances: usize::try_from(limits.instances).unwrap_or(usize::MAX),
        }
    }
}

impl wasmtime::ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = self.memory.take(current, desired);
        if !granted {
            self.meter.refuse(Limit::Memory);
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = self.table_elements.take(current, desired);
        if !granted {
            self.meter.refuse(Limit::TableElements);
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Size;
    use crate::units::Span;

    #[test]
    fn only_turns_are_computing() {
        let limits = Limits { compute: Span(Duration::from_millis(20)), ..Limits::default() };
        let meter = Meter::new(&limits);
        let until = |ms| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(ms) {
                std::hint::spin_loop();
            }
        };
        until(25);
        meter.turn(|| meter.check_compute()).unwrap();
        meter.turn(|| until(12));
        until(25);
        meter.check_compute().unwrap();
        // The turn that goes over notices from inside.
        let Reached(limit) = meter.turn(|| {
            until(12);
            meter.check_compute().unwrap_err()
        });
        assert_eq!(limit, Limit::Compute);
        assert!(meter.check_compute().is_err());
    }

    #[test]
    fn all_memories_share_one_budget() {
        use wasmtime::ResourceLimiter as _;
        let limits = Limits { memory: Size(100), ..Limits::default() };
        let meter = Arc::new(Meter::new(&limits));
        let mut growth = Growth::new(&limits, meter.clone());
        assert!(growth.memory_growing(0, 60, None).unwrap());
        assert!(growth.memory_growing(0, 40, None).unwrap());
        assert_eq!(meter.refused(), None);
        assert!(!growth.memory_growing(40, 41, None).unwrap());
        assert_eq!(meter.refused(), Some(Limit::Memory));
    }
}
