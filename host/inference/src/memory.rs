//! How much memory models may take together, and how much is set aside for each.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use inferno_backend::{Error, ErrorKind};
use inferno_models::{Format, Model};
use tokio::sync::Notify;

use crate::{Config, lock, machine};

/// Of what the machine has, the share that models may take: the rest is for everything else.
const SHARE: (u64, u64) = (4, 5);

/// What a worker takes besides weights and caches.
const OVERHEAD: u64 = 48 << 20;
/// For what is computed on the way, one in so many bytes of the weights.
const SCRATCH: u64 = 20;
/// The same for a projector, which computes on a whole image at once.
const EYE_SCRATCH: u64 = 4;
/// Bytes of a number in a cache of keys and values, in GGUF and in ONNX.
const CACHED: u64 = 2;
const CACHED_ONNX: u64 = 4;
/// Tokens of context where nobody asked for more, and bytes that all caches then take at most, as backends choose it.
const USUAL_CONTEXT: u32 = 4096;
const USUAL_CACHE: u64 = 4 << 30;

/// What a model will take, as far as its header tells. Backends know better once it is loaded.
pub(crate) fn estimate(model: &Model, config: &Config) -> u64 {
    if model.format == Format::Echo {
        return OVERHEAD;
    }
    let header = &model.header;
    let trained = header.context_length.unwrap_or(u32::MAX);
    let context = config.context.unwrap_or(USUAL_CONTEXT).min(trained);
    let number = if model.format == Format::Onnx { CACHED_ONNX } else { CACHED };
    let per_token = header.cache_per_token.unwrap_or_default().saturating_mul(number);
    let cache = per_token.saturating_mul(context.into()).saturating_mul(config.sequences.into());
    let cache = if config.context.is_none() { cache.min(USUAL_CACHE) } else { cache };
    let eye = model.projector.as_ref().map_or(0, |projector| projector.size + projector.size / EYE_SCRATCH);
    let weights = model.size.saturating_add(model.size / SCRATCH).saturating_add(eye);
    weights.saturating_add(cache).saturating_add(OVERHEAD)
}

/// The memory of all models.
#[derive(Debug)]
pub(crate) struct Memory {
    /// None: nobody knows, so nobody is refused.
    budget: Option<u64>,
    state: Mutex<State>,
    /// Told whenever some is given back, or could be.
    pub(crate) changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    /// What of `used` belongs to workers that are about to end.
    leaving: u64,
}

/// Why a model does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) needed: u64,
    used: u64,
    budget: u64,
    /// What must be given back before it fits, besides what is about to be.
    pub(crate) missing: u64,
}

impl Memory {
    pub(crate) fn new(budget: Option<u64>) -> Self {
        let budget = budget.or_else(|| machine::memory().map(|all| all / SHARE.1 * SHARE.0));
        Self { budget, state: Mutex::default(), changed: Arc::default() }
    }

    pub(crate) fn budget(&self) -> Option<u64> {
        self.budget
    }

    pub(crate) fn used(&self) -> u64 {
        lock(&self.state).used
    }

    /// Sets memory aside, if there is as much.
    pub(crate) fn take(self: &Arc<Self>, needed: u64) -> Result<Reservation, Short> {
        let mut state = lock(&self.state);
        let after = state.used.saturating_add(needed);
        if let Some(budget) = self.budget
            && after > budget
        {
            let missing = after.saturating_sub(budget).saturating_sub(state.leaving);
            return Err(Short { needed, used: state.used, budget, missing });
        }
        state.used = after;
        let held = Arc::new(Held { memory: Arc::clone(self), state: Mutex::new((needed, Stage::Held)) });
        Ok(Reservation(held))
    }
}

impl Short {
    /// It would not fit even if no other model were there.
    pub(crate) fn never(&self) -> bool {
        self.needed > self.budget
    }

    /// For whoever wants the model.
    pub(crate) fn told(&self, model: &str) -> Error {
        let Self { needed, used, budget, .. } = *self;
        let free = Size(budget.saturating_sub(used));
        let (needed, budget) = (Size(needed), Size(budget));
        // Whoever asks later finds room, unless there never is enough.
        let (kind, message) = if self.never() {
            let message = format!(
                "model {model} needs about {needed} of memory, but all models together may take {budget}"
            );
            (ErrorKind::Internal, message)
        } else {
            let message = format!(
                "model {model} needs about {needed} of memory, but only {free} of the {budget} for models are free, \
                 and no other model that could make room is idle"
            );
            (ErrorKind::Unavailable, message)
        };
        Error::new(kind, message).hint(
            "Raise inference.memory_budget if the machine has more, lower inference.context or inference.sequences, or \
             choose a smaller model.",
        )
    }
}

/// Memory that is set aside until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation(Arc<Held>);

/// What is known about it by those who do not own it.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    state: Mutex<(u64, Stage)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Held,
    Leaving,
    Gone,
}

impl Reservation {
    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.0)
    }
}

impl Held {
    pub(crate) fn bytes(&self) -> u64 {
        lock(&self.state).0
    }

    /// What it really is, now that it was measured.
    pub(crate) fn measured(&self, bytes: u64) {
        let mut own = lock(&self.state);
        let mut all = lock(&self.memory.state);
        if own.1 == Stage::Held {
            all.used = all.used.saturating_sub(own.0).saturating_add(bytes);
            own.0 = bytes;
        }
        drop(all);
        self.memory.changed.notify_waiters();
    }

    /// It will be given back soon.
    pub(crate) fn leaving(&self) {
        let mut own = lock(&self.state);
        if own.1 == Stage::Held {
            own.1 = Stage::Leaving;
            lock(&self.memory.state).leaving += own.0;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        {
            let mut own = lock(&self.0.state);
            let mut all = lock(&self.0.memory.state);
            all.used = all.used.saturating_sub(own.0);
            if own.1 == Stage::Leaving {
                all.leaving = all.leaving.saturating_sub(own.0);
            }
            *own = (0, Stage::Gone);
        }
        self.0.memory.changed.notify_waiters();
    }
}

/// Bytes for people.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        let (unit, name) = if bytes >= 1 << 30 { (1_u64 << 30, "GiB") } else { (1 << 20, "MiB") };
        write!(f, "{:.1} {name}", bytes as f64 / unit as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_not_there_for_others() {
        let memory = Arc::new(Memory::new(Some(100)));
        let first = memory.take(60).expect("there is as much");
        let short = memory.take(50).expect_err("there is not as much");
        assert_eq!((short.missing, short.never()), (10, false));
        first.held().measured(40);
        let second = memory.take(50).expect("it was less than expected");
        assert_eq!(memory.used(), 90);
        first.held().leaving();
        assert_eq!(memory.take(40).expect_err("it is still there").missing, 0, "waiting is enough");
        assert_eq!(memory.take(70).expect_err("it is still there").missing, 20);
        drop(first);
        assert_eq!(memory.used(), 50);
        drop(second);
        assert!(memory.take(101).expect_err("too much for ever").never());
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_refusal_tells_both_numbers_and_the_setting() {
        let memory = Arc::new(Memory::new(Some(3 << 30)));
        let _held = memory.take(2 << 30).expect("there is as much");
        let error = memory.take(3 << 29).expect_err("there is not").told("m");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        for text in ["model m", "1.5 GiB", "1.0 GiB", "3.0 GiB"] {
            assert!(error.message.contains(text), "{error}");
        }
        assert!(error.hint.is_some_and(|hint| hint.contains("inference.memory_budget")));
    }
}
