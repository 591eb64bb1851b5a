//! How much of the prompts one step reads, and whose.
//!
//! A step that reads much keeps running answers from their next token, so it reads what this machine reads in a
//! moment. Half of that goes to the prompt that came first, so that it ends; the other half to the shortest, so that
//! it need not wait for a long one.

use std::time::Duration;

/// Tokens of prompts that one step reads at most.
pub(crate) const MOST_PROMPT: u32 = 512;
/// Tokens of prompts that one step reads at least, however slow the machine is.
const LEAST_PROMPT: u32 = 32;
/// How long reading prompts may keep the running answers from their next token.
const PATIENCE: Duration = Duration::from_millis(150);

/// How fast prompts are read here.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Tokens in a second; 0 before it was measured.
    rate: f64,
}

impl Pace {
    /// Tokens of prompts to read in the next step.
    pub(crate) fn budget(&self, others_wait: bool) -> u32 {
        if !others_wait || self.rate == 0.0 {
            return MOST_PROMPT;
        }
        ((self.rate * PATIENCE.as_secs_f64()) as u32).clamp(LEAST_PROMPT, MOST_PROMPT)
    }

    /// Learns from a step.
    pub(crate) fn saw(&mut self, prompt_tokens: u32, took: Duration) {
        if prompt_tokens < LEAST_PROMPT {
            return;
        }
        let rate = f64::from(prompt_tokens) / took.as_secs_f64().max(1e-6);
        self.rate = if self.rate == 0.0 { rate } else { 0.7 * self.rate + 0.3 * rate };
    }
}

/// A prompt that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    /// When it came; less is earlier.
    pub(crate) order: u64,
    /// Tokens that are left to read.
    pub(crate) unread: u32,
    /// How many of them this step reads.
    pub(crate) part: u32,
}

/// Gives each reader its part of what a step reads. A prompt that one step can read is not cut: llama.cpp computes
/// together what is equally long, and pieces are slow.
pub(crate) fn share(readers: &mut [Reader], budget: u32) {
    readers.sort_by_key(|reader| (reader.unread, reader.order));
    let mut left = budget;
    if let Some(first) = readers.iter_mut().min_by_key(|reader| reader.order) {
        let whole = first.unread <= budget;
        first.part = if whole { first.unread } else { budget.div_ceil(2) };
        left -= first.part;
    }
    for reader in readers.iter_mut().filter(|reader| reader.part == 0) {
        if reader.unread <= left {
            reader.part = reader.unread;
            left -= reader.part;
        }
    }
    // What is left goes to the one that came first of those that are too long for any step.
    let long = readers.iter_mut().filter(|reader| reader.unread > budget);
    if let Some(first) = long.min_by_key(|reader| reader.order) {
        first.part += left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_machines_read_prompts_in_smaller_pieces() {
        let mut pace = Pace::default();
        assert_eq!(pace.budget(true), 512, "unknown");
        pace.saw(512, Duration::from_secs(1));
        assert_eq!(pace.budget(true), 76);
        assert_eq!(pace.budget(false), 512, "nobody waits");
        pace.saw(8, Duration::from_secs(60));
        assert_eq!(pace.budget(true), 76, "too little to learn from");
        (0..50).for_each(|_| pace.saw(64, Duration::from_secs(60)));
        assert_eq!(pace.budget(true), 32, "but not smaller than this");
    }

    #[track_caller]
    fn check(unread: &[u32], budget: u32, expect: &[u32]) {
        let mut readers: Vec<_> =
            (0..).zip(unread).map(|(order, &unread)| Reader { order, unread, part: 0 }).collect();
        share(&mut readers, budget);
        readers.sort_by_key(|reader| reader.order);
        assert_eq!(readers.iter().map(|reader| reader.part).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn the_first_goes_on_and_the_short_do_not_wait() {
        check(&[1000], 512, &[512]);
        check(&[100], 512, &[100]);
        check(&[1000, 20, 30], 100, &[50, 20, 30]);
        check(&[1000, 900, 30], 100, &[70, 0, 30]);
        check(&[60, 60, 30], 100, &[60, 0, 30]);
        check(&[100, 100, 100], 100, &[100, 0, 0]);
        check(&[30, 1000], 100, &[30, 70]);
        check(&[1000, 1000], 1, &[1, 0]);
        check(&[], 100, &[]);
    }
}
