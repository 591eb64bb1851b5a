//! What a tape tells of a request to a model beyond what the plugin asked for: which file the model was, the seed, and
//! the tokens.

use std::sync::Arc;

use inferno_inference::{Ability, Choice, Generate};
use serde_json::{Value, json};

use super::super::models;
use crate::state::Shared;
use crate::tape::{self, Slot};

/// The facts; nothing where there is no tape.
#[derive(Default)]
pub(super) struct Detail {
    facts: Value,
    /// The plugin has not asked for tokens, and does not get them.
    adds_tokens: bool,
    tokens: Vec<u32>,
}

impl Detail {
    /// Looks at which file a model is, and makes what is left to chance a choice of the host's.
    pub(super) async fn of(
        shared: &Arc<Shared>,
        slot: &Slot,
        model: &str,
        work: Option<&mut Generate>,
    ) -> Self {
        if !slot.is_kept() {
            return Self::default();
        }
        let mut facts = json!({ "model": model });
        // Where there is no such model, the call itself will say so.
        if let Ok(digest) = models::digest(shared.clone(), model.to_owned()).await {
            facts["digest"] = digest.into();
        }
        let Some(work) = work else { return Self { facts, ..Self::default() } };
        facts["seed"] = (*work.sampling.seed.get_or_insert_with(tape::seed)).into();
        let loaded = shared.services.inference.load(model, |_| ()).await;
        let tells = loaded.is_ok_and(|info| info.abilities.contains(&Ability::Logprobs));
        let adds_tokens = tells && work.logprobs.is_none();
        if adds_tokens {
            work.logprobs = Some(0);
        }
        Self { facts, adds_tokens, tokens: Vec::new() }
    }

    /// Notes the tokens, and says whether they are for the plugin as well.
    pub(super) fn note(&mut self, choices: &[Choice]) -> bool {
        if !self.facts.is_null() {
            self.tokens.extend(choices.iter().map(|choice| choice.token.id));
        }
        !self.adds_tokens
    }

    /// All of it.
    pub(super) fn facts(self) -> Value {
        let mut facts = self.facts;
        if !self.tokens.is_empty() {
            facts["tokens"] = self.tokens.into();
        }
        facts
    }
}
