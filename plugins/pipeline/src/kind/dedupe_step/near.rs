//! Texts that are nearly the same, found by MinHash: of a text's groups of three words, the lowest of many digests are
//! kept, and texts have about as many of them in common as they have groups in common.

use std::collections::HashMap;

use crate::error::Error;
use crate::kind::seen;
use crate::node::Saved;

/// How many digests there are of a text.
const DIGESTS: usize = 128;
/// How many words a group has.
const GROUP: usize = 3;
/// How surely a text that is as near as asked for is found.
const SURELY: f64 = 0.99;

/// The lowest digests of a text, of which 16 bits tell them apart.
type Lowest = [u16; DIGESTS];

/// What is known of the texts so far.
pub(super) struct Near {
    threshold: f64,
    /// How many digests make up a row; texts with an equal row are compared.
    row: usize,
    texts: Vec<Lowest>,
    /// The first text with such a row.
    rows: HashMap<u64, u32>,
    most: usize,
    /// How many of them are saved.
    saved: usize,
}

impl Near {
    pub(super) fn new(threshold: f64, most: usize) -> Self {
        // The longer a row, the fewer texts are compared in vain, and the more that are near are missed.
        let finds = |row: &usize| {
            let equal = threshold.powf(*row as f64);
            1.0 - (1.0 - equal).powf((DIGESTS / row) as f64) >= SURELY
        };
        let row = (1..=16).rev().find(finds).unwrap_or(1);
        Self { threshold, row, texts: Vec::new(), rows: HashMap::new(), most, saved: 0 }
    }

    /// False: a text like this was there before.
    pub(super) fn insert(&mut self, text: &str) -> Result<bool, Error> {
        let lowest = lowest(text);
        if self.is_known(&lowest) {
            return Ok(false);
        }
        if self.texts.len() >= self.most {
            return Err(seen::full(self.most));
        }
        self.add(lowest);
        Ok(true)
    }

    fn is_known(&self, lowest: &Lowest) -> bool {
        let alike = rows(lowest, self.row).filter_map(|row| self.rows.get(&row));
        let mut alike = alike.filter_map(|at| self.texts.get(*at as usize));
        alike.any(|other| {
            let common = lowest.iter().zip(other).filter(|(a, b)| a == b).count();
            common as f64 >= self.threshold * DIGESTS as f64
        })
    }

    fn add(&mut self, lowest: Lowest) {
        let at = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        for row in rows(&lowest, self.row) {
            self.rows.entry(row).or_insert(at);
        }
        self.texts.push(lowest);
    }

    pub(super) fn save(&mut self) -> Saved {
        let new: Vec<u8> =
            self.texts[self.saved..].iter().flatten().flat_map(|digest| digest.to_le_bytes()).collect();
        self.saved = self.texts.len();
        if new.is_empty() { Saved::Nothing } else { Saved::More(new) }
    }

    pub(super) fn restore(&mut self, piece: &[u8]) {
        for bytes in piece.as_chunks::<{ DIGESTS * 2 }>().0 {
            let mut lowest = [0; DIGESTS];
            for (digest, bytes) in lowest.iter_mut().zip(bytes.as_chunks().0) {
                *digest = u16::from_le_bytes(*bytes);
            }
            self.add(lowest);
        }
        self.saved = self.texts.len();
    }
}

/// Digests of rows, each with its place.
fn rows(lowest: &Lowest, row: usize) -> impl Iterator<Item = u64> {
    (0..).zip(lowest.chunks_exact(row)).map(|(place, digests)| {
        digests.iter().fold(mixed(place), |sum, digest| mixed(sum ^ u64::from(*digest)))
    })
}

fn lowest(text: &str) -> Lowest {
    let text = text.to_lowercase();
    let words: Vec<u64> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.bytes().fold(FNV, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)))
        .collect();
    let mut lowest = [u64::MAX; DIGESTS];
    // A shorter text is one group.
    for group in words.windows(GROUP.min(words.len().max(1))) {
        let group = group.iter().fold(0, |sum, word| mixed(sum ^ word));
        for (n, digest) in (1..).zip(&mut lowest) {
            *digest = mixed(group ^ mixed(n)).min(*digest);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "the last bits are as good as any")]
    lowest.map(|digest| digest as u16)
}

/// What the FNV-1a digest begins with.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;

/// Every bit of the result depends on every bit: the finalizer of SplitMix64.
const fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_estimate_is_near_the_truth() {
        for common in [20, 50, 80, 95] {
            // 102 words are 100 groups.
            let (a, b) = (lowest(&words(0, 102)), lowest(&words(100 - common, 202 - common)));
            let estimate = a.iter().zip(&b).filter(|(a, b)| a == b).count() as f64 / DIGESTS as f64;
            let truth = common as f64 / (200 - common) as f64;
            assert!((estimate - truth).abs() < 0.1, "{estimate} for {truth}");
        }
    }

    #[test]
    fn what_is_nearer_than_asked_for_is_found_and_what_is_not_passes() {
        let mut near = Near::new(0.7, 1000);
        assert!(near.insert(&words(0, 1000)).unwrap());
        assert!(!near.insert(&words(50, 1000)).unwrap());
        assert!(near.insert(&words(500, 1500)).unwrap());
        assert!(near.insert("short").unwrap() && near.insert("shorter").unwrap() && near.insert("").unwrap());
        assert!(!near.insert("Short!").unwrap() && !near.insert(" ").unwrap());
    }
}
