//! Counts what one call of a plugin uses, and says when it is too much.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::engine::MEMORIES;
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
    returned: Count,
    log_lines: Count,
    model_tokens: Count,
    /// A limit that was reached where nothing could be ended: the next step into the host or of the clock ends it.
    doomed: OnceLock<Limit>,
    /// The first request for memory or tables that was refused: the likely reason if the plugin traps later.
    refused: OnceLock<Limit>,
    /// The call of another plugin that this one works for: what is used here is charged there as well.
    payer: Option<Arc<Meter>>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, payer: Option<Arc<Meter>>) -> Self {
        Self {
            payer,
            started: Instant::now(),
            spent: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            compute: nanoseconds(limits.compute.0),
            host_calls: AtomicU64::new(0),
            max_host_calls: limits.host_calls,
            returned: Count::up_to(limits.bytes_returned.0),
            log_lines: Count::up_to(limits.log_lines),
            model_tokens: Count::up_to(limits.model_tokens),
            doomed: OnceLock::new(),
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
        self.charge(took);
        result
    }

    fn charge(&self, took: u64) {
        self.spent.fetch_add(took, Relaxed);
        if let Some(payer) = &self.payer {
            payer.charge(took);
        }
    }

    /// Makes the meter that of a new call of the same instance. What was charged to others stays.
    pub(crate) fn renew(&self) {
        self.spent.store(0, Relaxed);
        self.host_calls.store(0, Relaxed);
        self.returned.used.store(0, Relaxed);
        self.log_lines.used.store(0, Relaxed);
        self.model_tokens.used.store(0, Relaxed);
    }

    /// What has been used until now: time computed, and calls into the host.
    pub(crate) fn used(&self) -> (Duration, u64) {
        (Duration::from_nanos(self.spent.load(Relaxed)), self.host_calls.load(Relaxed))
    }

    /// Counts bytes that the plugin gives back.
    pub(crate) fn give_back(&self, bytes: usize) -> Result<(), Reached> {
        if self.returned.take(bytes as u64) { Ok(()) } else { Err(Reached(Limit::BytesReturned)) }
    }

    /// Counts a line in the log.
    pub(crate) fn log_line(&self) -> Result<(), Reached> {
        if self.log_lines.take(1) { Ok(()) } else { Err(Reached(Limit::LogLines)) }
    }

    /// Sets tokens aside that a model may write; what it does not write goes back with [`Meter::release_tokens`].
    pub(crate) fn reserve_tokens(&self, tokens: u64) -> Result<(), Reached> {
        if !self.model_tokens.take(tokens) {
            return Err(Reached(Limit::ModelTokens));
        }
        let paid = self.payer.as_ref().map_or(Ok(()), |payer| payer.reserve_tokens(tokens));
        if paid.is_err() {
            self.model_tokens.put(tokens);
        }
        paid
    }

    pub(crate) fn release_tokens(&self, tokens: u64) {
        self.model_tokens.put(tokens);
        if let Some(payer) = &self.payer {
            payer.release_tokens(tokens);
        }
    }

    /// How many tokens models may still write.
    pub(crate) fn tokens_left(&self) -> u64 {
        let left = self.model_tokens.left();
        self.payer.as_ref().map_or(left, |payer| left.min(payer.tokens_left()))
    }

    /// Ends the call as soon as it can be.
    pub(crate) fn doom(&self, Reached(limit): &Reached) {
        // The first one is the reason.
        let _ = self.doomed.set(*limit);
    }

    fn check_doom(&self) -> Result<(), Reached> {
        self.doomed.get().map_or(Ok(()), |limit| Err(Reached(*limit)))
    }

    /// Fails if what others have used on behalf of this call was too much.
    pub(crate) fn check_charged(&self) -> Result<(), Reached> {
        if self.host_calls.load(Relaxed) > self.max_host_calls {
            return Err(Reached(Limit::HostCalls));
        }
        self.check_compute()
    }

    /// Whether it is somebody who pays that has nothing left.
    pub(crate) fn is_out_of_credit(&self) -> bool {
        self.payer.as_ref().is_some_and(|payer| {
            payer.spent.load(Relaxed) > payer.compute
                || payer.host_calls.load(Relaxed) > payer.max_host_calls
                || payer.model_tokens.left() == 0
                || payer.is_out_of_credit()
        })
    }

    /// Fails once the call has computed for too long.
    pub(crate) fn check_compute(&self) -> Result<(), Reached> {
        let turn = match self.turn.load(Relaxed) {
            0 => 0,
            began => nanoseconds(self.started.elapsed()).saturating_sub(began),
        };
        self.check_doom()?;
        self.check_spent(turn)
    }

    fn check_spent(&self, more: u64) -> Result<(), Reached> {
        if self.spent.load(Relaxed).saturating_add(more) > self.compute {
            return Err(Reached(Limit::Compute));
        }
        self.payer.as_ref().map_or(Ok(()), |payer| payer.check_spent(more))
    }

    /// Counts a call into the host.
    pub(crate) fn host_call(&self) -> Result<(), Reached> {
        self.check_doom()?;
        // One thread at a time is inside a call, so load and store lose nothing and cost less than an atomic addition.
        let count = self.host_calls.load(Relaxed) + 1;
        self.host_calls.store(count, Relaxed);
        if count > self.max_host_calls {
            return Err(Reached(Limit::HostCalls));
        }
        self.payer.as_ref().map_or(Ok(()), |payer| payer.charge_host_call())
    }

    fn charge_host_call(&self) -> Result<(), Reached> {
        if self.host_calls.fetch_add(1, Relaxed) >= self.max_host_calls {
            return Err(Reached(Limit::HostCalls));
        }
        self.payer.as_ref().map_or(Ok(()), |payer| payer.charge_host_call())
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

/// A use that may not go over a limit.
#[derive(Debug)]
struct Count {
    used: AtomicU64,
    limit: u64,
}

impl Count {
    fn up_to(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit }
    }

    /// Takes all of it or nothing.
    fn take(&self, more: u64) -> bool {
        let fits = |used: u64| used.checked_add(more).filter(|used| *used <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    fn put(&self, less: u64) {
        let _ = self.used.fetch_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(less)));
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Relaxed))
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
    tables: usize,
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
            tables: usize::try_from(limits.tables).unwrap_or(usize::MAX),
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

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
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
        let meter = Meter::new(&limits, None);
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
        let meter = Arc::new(Meter::new(&limits, None));
        let mut growth = Growth::new(&limits, meter.clone());
        assert!(growth.memory_growing(0, 60, None).unwrap());
        assert!(growth.memory_growing(0, 40, None).unwrap());
        assert_eq!(meter.refused(), None);
        assert!(!growth.memory_growing(40, 41, None).unwrap());
        assert_eq!(meter.refused(), Some(Limit::Memory));
    }

    #[test]
    fn tokens_are_set_aside_here_and_where_they_are_paid_for() {
        let limits = Limits { model_tokens: 100, ..Limits::default() };
        let payer = Arc::new(Meter::new(&limits, None));
        let meter = Meter::new(&Limits { model_tokens: 80, ..limits }, Some(payer.clone()));
        meter.reserve_tokens(60).unwrap();
        assert_eq!((meter.tokens_left(), payer.tokens_left()), (20, 40));
        payer.reserve_tokens(30).unwrap();
        assert_eq!(meter.tokens_left(), 10);
        let Reached(limit) = meter.reserve_tokens(20).unwrap_err();
        assert_eq!(limit, Limit::ModelTokens);
        assert_eq!(meter.tokens_left(), 10);
        meter.release_tokens(50);
        assert_eq!((meter.tokens_left(), payer.tokens_left()), (60, 60));
    }

    #[test]
    fn a_doomed_call_ends_at_its_next_step() {
        let meter = Meter::new(&Limits::default(), None);
        meter.host_call().unwrap();
        meter.doom(&Reached(Limit::LogLines));
        meter.doom(&Reached(Limit::Memory));
        for Reached(limit) in [meter.host_call().unwrap_err(), meter.check_compute().unwrap_err()] {
            assert_eq!(limit, Limit::LogLines);
        }
    }
}
