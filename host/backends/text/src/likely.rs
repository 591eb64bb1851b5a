//! How likely tokens were.

use inferno_backend::{Choice, Token};
use llama_cpp_2::token::LlamaToken;

use crate::Vocabulary;

/// What stands for a probability of nothing, which JSON has no number for.
const NEVER: f32 = -9999.0;

/// The chosen token and the likeliest ones in its place, by the model's own logits.
pub fn choice(logits: &[f32], chosen: LlamaToken, most: u32, vocab: &impl Vocabulary) -> Choice {
    let total = log_sum(logits);
    let token = |id: usize| Token {
        id: u32::try_from(id).unwrap_or(u32::MAX),
        bytes: i32::try_from(id).map(|id| spelt(vocab, LlamaToken(id))).unwrap_or_default(),
        logprob: logits.get(id).map_or(NEVER, |&logit| logprob(logit, total)),
    };
    let top = likeliest(logits, most as usize);
    Choice {
        token: token(usize::try_from(chosen.0).unwrap_or(usize::MAX)),
        top: top.into_iter().map(token).collect(),
    }
}

fn spelt(vocab: &impl Vocabulary, token: LlamaToken) -> Vec<u8> {
    let mut bytes = Vec::new();
    vocab.spell(token, true, &mut bytes);
    bytes
}

/// The logarithm of the sum of what the logits are logarithms of.
fn log_sum(logits: &[f32]) -> f64 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - greatest).exp()).sum();
    f64::from(greatest) + sum.ln()
}

fn logprob(logit: f32, total: f64) -> f32 {
    let value = (f64::from(logit) - total) as f32;
    if value.is_finite() { value.clamp(NEVER, 0.0) } else { NEVER }
}

/// The places of the greatest, in order; of equals the first.
fn likeliest(logits: &[f32], most: usize) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(most + 1);
    for (at, &logit) in logits.iter().enumerate() {
        if best.len() == most && best.last().is_none_or(|&last| logits[last] >= logit) {
            continue;
        }
        let place = best.partition_point(|&other| logits[other] >= logit);
        best.insert(place, at);
        best.truncate(most);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [1.0, 1000.0, 1001.0, f32::NEG_INFINITY];
        let total = log_sum(&logits);
        let sum: f32 = logits.iter().map(|&logit| logprob(logit, total).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert_eq!(logprob(f32::NEG_INFINITY, total), NEVER);
        assert_eq!(logprob(f32::NAN, total), NEVER);
    }

    #[test]
    fn the_likeliest_come_in_order() {
        let logits = [0.5, 3.0, -1.0, 3.0, 2.0];
        assert_eq!(likeliest(&logits, 3), [1, 3, 4]);
        assert_eq!(likeliest(&logits, 0), [0; 0]);
        assert_eq!(likeliest(&logits, 9), [1, 3, 4, 0, 2]);
    }
}
