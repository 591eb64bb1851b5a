//! Vectors from nothing but hashes.

use crate::words;

/// A vector of unit length that depends on `text` alone. Texts that share words are nearer to each other than those
/// that do not, so that a search through such vectors finds something.
pub(crate) fn embed(text: &str, length: u32) -> Vec<f32> {
    let mut sum = vec![0.0_f64; length as usize];
    let tokens = words::split(text);
    // A text without words has a direction too.
    for word in tokens.iter().map(|token| token.trim()).chain(tokens.is_empty().then_some("")) {
        let mut state = hash(word.as_bytes());
        for value in &mut sum {
            // 53 bits are what a double holds exactly; the sum is centred on 0.
            *value += (next(&mut state) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        }
    }
    let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    sum.iter().map(|value| (value / norm) as f32).collect()
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(left: &[f32], right: &[f32]) -> f32 {
        left.iter().zip(right).map(|(left, right)| left * right).sum()
    }

    #[test]
    fn has_unit_length_and_depends_on_the_text_alone() {
        for (text, length) in [("", 1), ("one", 8), ("one two", 384), (" \n", 3)] {
            let vector = embed(text, length);
            assert_eq!(vector.len(), length as usize);
            assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5, "{text:?} has no unit length");
            assert_eq!(vector, embed(text, length));
        }
        assert_ne!(embed("one", 8), embed("two", 8));
    }

    #[test]
    fn is_nearer_where_words_are_shared() {
        let [fox, dog, sea] = ["the quick fox", "the quick dog", "a calm sea"].map(|text| embed(text, 384));
        assert!(dot(&fox, &dog) > dot(&fox, &sea) + 0.3);
    }
}
