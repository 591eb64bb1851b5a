//! Chooses tokens that a grammar lets pass.
//!
//! llama.cpp's own way of sampling with a grammar ends the process where no token passes, so the samplers are applied
//! here one after the other. A token is chosen freely first; only if the grammar refuses that one are all tokens put
//! to it, which takes long for large vocabularies. Both together give each token the probability that it would have
//! if the grammar had been asked first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inferno_backend::Error;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use crate::sample::fill;

/// A grammar may take this long for one token. What takes longer doubles with each token, and all others wait.
const PATIENCE: Duration = Duration::from_millis(500);

/// A grammar, and tokens that are never chosen under it.
pub struct Grammar {
    /// llama.cpp's sampler.
    pub sampler: LlamaSampler,
    /// Control tokens: their text might fit, but it is not shown.
    pub banned: Arc<[LlamaToken]>,
}

/// Why there is no next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// No token passes.
    Nothing,
    /// The grammar takes too long.
    Slow,
}

impl Stuck {
    /// What to tell whoever asked.
    pub fn error(self) -> Error {
        match self {
            Self::Nothing => Error::invalid(
                "the answer cannot go on: no token of the model fits what its grammar wants next",
            )
            .hint("let the grammar end there, or go on with characters that the model knows"),
            Self::Slow => {
                Error::invalid("the answer cannot go on: its grammar takes too long for each token")
                    .hint("write the grammar so that a text fits it in one way only")
            }
        }
    }
}

/// Chooses tokens under a grammar.
pub struct Kept {
    grammar: Grammar,
    chain: LlamaSampler,
    candidates: LlamaTokenDataArray,
    one: LlamaTokenDataArray,
}

impl Kept {
    /// Chooses with this chain among what the grammar lets pass.
    pub fn new(grammar: Grammar, chain: LlamaSampler) -> Self {
        let empty = || LlamaTokenDataArray::new(Vec::new(), false);
        Self { grammar, chain, candidates: empty(), one: empty() }
    }

    /// The next token.
    pub fn next(&mut self, logits: &[f32]) -> Result<LlamaToken, Stuck> {
        let started = Instant::now();
        self.fill(logits);
        self.candidates.apply_sampler(&mut self.chain);
        let free = self.candidates.selected_token();
        let token = match free.filter(|&token| self.passes(token)) {
            Some(token) => token,
            None => {
                self.fill(logits);
                self.candidates.apply_sampler(&mut self.grammar.sampler);
                self.candidates.data.retain(|candidate| candidate.logit().is_finite());
                if self.candidates.data.is_empty() {
                    return Err(Stuck::Nothing);
                }
                self.candidates.apply_sampler(&mut self.chain);
                self.candidates.selected_token().ok_or(Stuck::Nothing)?
            }
        };
        self.grammar.sampler.try_accept(token).map_err(|_| Stuck::Nothing)?;
        self.chain.accept(token);
        if started.elapsed() > PATIENCE { Err(Stuck::Slow) } else { Ok(token) }
    }

    /// All tokens with their logits, but for those that are never chosen.
    fn fill(&mut self, logits: &[f32]) {
        fill(&mut self.candidates, logits);
        for token in &*self.grammar.banned {
            let candidate = usize::try_from(token.0).ok().and_then(|at| self.candidates.data.get_mut(at));
            if let Some(candidate) = candidate {
                candidate.set_logit(f32::NEG_INFINITY);
            }
        }
    }

    fn passes(&mut self, token: LlamaToken) -> bool {
        if self.grammar.banned.contains(&token) {
            return false;
        }
        self.one.data.clear();
        self.one.data.push(LlamaTokenData::new(token, 0.0, 0.0));
        self.one.apply_sampler(&mut self.grammar.sampler);
        self.one.data.first().is_some_and(|candidate| candidate.logit().is_finite())
    }
}
