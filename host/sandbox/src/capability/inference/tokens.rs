//! The tokens that models write for a call, counted before they are written.

use std::sync::Arc;

use inferno_inference::Generate;

use crate::meter::{Meter, Reached};
use crate::state::State;

/// For how many tokens a model that is not loaded yet is taken to have room.
const UNKNOWN_ROOM: u32 = 128 << 10;

/// Tokens that are set aside for a request. Those that were not written go back when it goes away.
pub(super) struct Tokens {
    meter: Arc<Meter>,
    unwritten: u64,
}

impl Tokens {
    pub(super) fn written(&mut self, tokens: u64) {
        self.unwritten = self.unwritten.saturating_sub(tokens);
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.meter.release_tokens(self.unwritten);
    }
}

impl State {
    /// Sets the tokens aside that the model may write, which is never more than its context has room for.
    pub(super) fn set_aside(&self, model: &str, work: &mut Generate) -> Result<Tokens, Reached> {
        let loaded = self.shared.services.inference.loaded();
        let room = loaded.iter().find(|loaded| loaded.name == model).map(|loaded| loaded.info.context);
        let reserved = match work.max_tokens {
            Some(wanted) => room.map_or(wanted, |room| wanted.min(room)),
            None => {
                let left = u32::try_from(self.meter.tokens_left()).unwrap_or(u32::MAX);
                // With nothing left, not even one token can be set aside, which says so.
                let most = room.unwrap_or(UNKNOWN_ROOM).min(left).max(1);
                work.max_tokens = Some(most);
                most
            }
        };
        self.meter.reserve_tokens(reserved.into())?;
        Ok(Tokens { meter: self.meter.clone(), unwritten: reserved.into() })
    }
}
