//! How the next token is chosen.

use std::hash::{BuildHasher, RandomState};

use inferno_backend::Sampling;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::token::logit_bias::LlamaLogitBias;

use crate::kept::{Grammar, Kept, Stuck};

/// Chooses the tokens of one request.
pub enum Chooser {
    /// Always the likeliest.
    Greedy,
    /// llama.cpp's samplers, built once for each request.
    Chain(Chain),
    /// Only what a grammar lets pass.
    Kept(Box<Kept>),
}

impl Chooser {
    /// For these settings; `window` is how many tokens an answer may have at most.
    pub fn new(
        sampling: &Sampling,
        bias: &[(u32, f32)],
        grammar: Option<Grammar>,
        vocabulary: i32,
        window: u32,
    ) -> Self {
        let penalised = sampling.repeat_penalty != 1.0
            || sampling.presence_penalty != 0.0
            || sampling.frequency_penalty != 0.0;
        let greedy = sampling.temperature == 0.0;
        if greedy && !penalised && bias.is_empty() && grammar.is_none() {
            return Self::Greedy;
        }
        let mut chain = Vec::with_capacity(7);
        if !bias.is_empty() {
            let bias: Vec<_> =
                bias.iter().map(|&(token, bias)| LlamaLogitBias::new(known(token), bias)).collect();
            chain.push(LlamaSampler::logit_bias(vocabulary, &bias));
        }
        if penalised {
            chain.push(LlamaSampler::penalties(
                vocabulary,
                i32::try_from(window).unwrap_or(i32::MAX),
                sampling.repeat_penalty,
                sampling.frequency_penalty,
                sampling.presence_penalty,
            ));
        }
        if greedy {
            chain.push(LlamaSampler::greedy());
        } else {
            // top-k first: what follows then sorts and sums a few tokens instead of the whole vocabulary.
            if sampling.top_k > 0 {
                chain.push(LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)));
            }
            if sampling.top_p < 1.0 {
                chain.push(LlamaSampler::top_p(sampling.top_p, 1));
            }
            if sampling.min_p > 0.0 {
                chain.push(LlamaSampler::min_p(sampling.min_p, 1));
            }
            chain.push(LlamaSampler::temp(sampling.temperature));
            chain.push(LlamaSampler::dist(seed(sampling.seed)));
        }
        let chain = LlamaSampler::chain(chain, true);
        match grammar {
            None => Self::Chain(Chain::new(chain)),
            Some(grammar) => Self::Kept(Box::new(Kept::new(grammar, chain))),
        }
    }

    /// The next token, from the logits of all tokens.
    pub fn next(&mut self, logits: &[f32]) -> Result<LlamaToken, Stuck> {
        match self {
            Self::Greedy => Ok(likeliest(logits)),
            Self::Chain(chain) => Ok(chain.next(logits)),
            Self::Kept(kept) => kept.next(logits),
        }
    }
}

/// Samplers, and the candidates that they are given, which are kept to be filled again.
pub struct Chain {
    samplers: LlamaSampler,
    candidates: LlamaTokenDataArray,
}

impl Chain {
    fn new(samplers: LlamaSampler) -> Self {
        Self { samplers, candidates: LlamaTokenDataArray::new(Vec::new(), false) }
    }

    fn next(&mut self, logits: &[f32]) -> LlamaToken {
        fill(&mut self.candidates, logits);
        self.candidates.apply_sampler(&mut self.samplers);
        // The last sampler of a chain always selects one; a model whose logits are no numbers must not end it all.
        let token = self.candidates.selected_token().unwrap_or_else(|| likeliest(logits));
        self.samplers.accept(token);
        token
    }
}

/// All tokens with their logits.
pub(crate) fn fill(candidates: &mut LlamaTokenDataArray, logits: &[f32]) {
    let all = (0..).zip(logits).map(|(token, &logit)| LlamaTokenData::new(LlamaToken(token), logit, 0.0));
    candidates.data.clear();
    candidates.data.extend(all);
    candidates.sorted = false;
    candidates.selected = None;
}

/// A token of the vocabulary, by its number.
fn known(token: u32) -> LlamaToken {
    LlamaToken(i32::try_from(token).unwrap_or(i32::MAX))
}

/// The first of the greatest logits.
fn likeliest(logits: &[f32]) -> LlamaToken {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    LlamaToken(best.0)
}

/// llama.cpp's generator takes 32 bits, and takes the greatest value for "a random one".
fn seed(wish: Option<u64>) -> u32 {
    let wide = wish.unwrap_or_else(|| RandomState::new().hash_one(0));
    // Every bit of the wish counts, so that seeds that differ anywhere give different texts (splitmix64).
    let mut mixed = wide.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed >> 32) as u32).min(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bits_of_a_seed_count() {
        let seeds: std::collections::HashSet<u32> =
            (0..64).map(|bit| seed(Some(1 << bit))).chain([seed(Some(0)), seed(Some(u64::MAX))]).collect();
        assert_eq!(seeds.len(), 66);
        assert_eq!(seed(Some(7)), seed(Some(7)));
        assert_ne!(seed(None), seed(None));
    }

    #[test]
    fn the_likeliest_is_the_first_of_the_greatest() {
        assert_eq!(likeliest(&[0.0, 3.0, -1.0, 3.0]).0, 1);
        assert_eq!(likeliest(&[f32::NAN, f32::NAN]).0, 0, "a broken model must not crash");
        assert_eq!(likeliest(&[f32::NAN, -4.0]).0, 1);
    }
}
