//! Beginnings of prompts that stay in the cache, so that the next turn of a long chat need not read all of it again.
//!
//! Only whole blocks are kept, of the size in which a prompt is read when nobody else is served. A prompt whose
//! beginning was kept is then computed in the same steps as one that is read from the start, and says the same.

use llama_cpp_2::token::LlamaToken;

/// Tokens of a block.
pub(crate) const BLOCK: usize = 512;

/// What the cache of a sequence without a request still holds.
#[derive(Clone, Debug, Default)]
struct Kept {
    tokens: Vec<LlamaToken>,
    /// When it was kept; greater is later.
    since: u64,
}

/// What the caches of all sequences still hold.
#[derive(Debug)]
pub(crate) struct Prefixes {
    kept: Vec<Kept>,
    clock: u64,
}

impl Prefixes {
    /// For this many sequences, all of them empty.
    pub(crate) fn new(sequences: u32) -> Self {
        Self { kept: vec![Kept::default(); sequences as usize], clock: 0 }
    }

    /// Chooses one of the free sequences for a prompt: the one that knows most of it, or else the lowest that holds
    /// nothing (llama.cpp computes neighbours together), or else the one that was kept longest ago. Returns it with
    /// the number of tokens that need not be read.
    pub(crate) fn choose(
        &self,
        free: impl Iterator<Item = usize>,
        prompt: &[LlamaToken],
    ) -> Option<(usize, usize)> {
        free.filter_map(|sequence| Some((sequence, self.kept.get(sequence)?)))
            .map(|(sequence, kept)| (sequence, common(&kept.tokens, prompt), kept))
            .min_by_key(|(sequence, known, kept)| (std::cmp::Reverse(*known), kept.since, *sequence))
            .map(|(sequence, known, _)| (sequence, known))
    }

    /// Keeps of what a sequence has read as much as may be of use; returns how many tokens.
    pub(crate) fn keep(&mut self, sequence: usize, read: &[LlamaToken]) -> usize {
        let Some(kept) = self.kept.get_mut(sequence) else { return 0 };
        kept.tokens.clear();
        kept.since = 0;
        let whole = whole_blocks(read.len());
        if whole > 0 {
            self.clock += 1;
            kept.since = self.clock;
            kept.tokens.extend_from_slice(read.get(..whole).unwrap_or_default());
        }
        whole
    }

    /// Forgets what a sequence holds.
    pub(crate) fn forget(&mut self, sequence: usize) {
        self.keep(sequence, &[]);
    }
}

/// Tokens of whole blocks that both begin with. At least one token of the prompt is left to be read.
fn common(kept: &[LlamaToken], prompt: &[LlamaToken]) -> usize {
    let unlike = kept.iter().zip(prompt).position(|(kept, asked)| kept != asked);
    whole_blocks(unlike.unwrap_or(kept.len()).min(prompt.len().saturating_sub(1)))
}

fn whole_blocks(tokens: usize) -> usize {
    tokens / BLOCK * BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(length: usize, last: i32) -> Vec<LlamaToken> {
        (1..length as i32).chain([last]).map(LlamaToken).collect()
    }

    #[test]
    fn whole_blocks_are_kept_and_found_again() {
        let mut prefixes = Prefixes::new(3);
        assert_eq!(prefixes.keep(1, &tokens(511, 0)), 0, "too short");
        assert_eq!(prefixes.choose(0..3, &tokens(511, 0)), Some((0, 0)));

        assert_eq!(prefixes.keep(1, &tokens(1300, 0)), 1024);
        assert_eq!(prefixes.choose(0..3, &tokens(2000, 0)), Some((1, 1024)));
        assert_eq!(prefixes.choose(0..3, &tokens(1024, 0)), Some((1, 512)), "its last token differs");
        assert_eq!(prefixes.choose(0..3, &tokens(1024, 1024)), Some((1, 512)), "one is left to be read");
        assert_eq!(
            prefixes.choose(0..3, &tokens(40, 0)),
            Some((0, 0)),
            "what is kept is not given away lightly"
        );
        assert_eq!(prefixes.choose([0, 2].into_iter(), &tokens(2000, 0)), Some((0, 0)), "taken");
        assert_eq!(prefixes.choose([].into_iter(), &tokens(2000, 0)), None);
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut prefixes = Prefixes::new(2);
        prefixes.keep(1, &tokens(600, 0));
        prefixes.keep(0, &tokens(600, 0));
        let other: Vec<LlamaToken> = tokens(600, 0).into_iter().rev().collect();
        assert_eq!(prefixes.choose(0..2, &other), Some((1, 0)));
        prefixes.forget(0);
        assert_eq!(prefixes.choose(0..2, &other), Some((0, 0)));
    }
}
