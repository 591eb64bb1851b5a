//! Beginnings of prompts that are in the cache, so that they need not be read again.
//!
//! Each sequence keeps what it read and wrote after its request has ended. A prompt that begins with the same tokens
//! goes on from there, or from a copy where the sequence itself is still needed; one that begins like a prompt that is
//! just being read waits for that one instead of reading the same beside it.
//!
//! llama.cpp rounds differently when the same tokens are read in other pieces, and what goes on from the middle of
//! a piece can therefore end in another text where two tokens are almost equally likely. Requests that name a seed
//! want the same text again, so they go on from whole blocks only, which were read as they are read from the start.

use llama_cpp_2::token::LlamaToken;

use crate::adapters::Applied;
use crate::pace::MOST_PROMPT;
use crate::vision::{Placed, whole};

/// Tokens that are worth keeping and finding again: reading fewer takes no longer than a copy.
pub(crate) const LEAST: usize = 32;
/// Tokens that are worth waiting for, or moving out of the way.
const MUCH: usize = 64;
/// Tokens of a block, which is what is read at once where nobody else is served.
pub(crate) const BLOCK: usize = MOST_PROMPT as usize;

/// What somebody wants to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The tokens.
    pub(crate) prompt: &'a [LlamaToken],
    /// The adapter that reads them.
    pub(crate) applied: Applied,
    /// Only what was read as it is read from the start will do.
    pub(crate) exact: bool,
    /// The images among them.
    pub(crate) images: &'a [Placed],
}

impl Wanted<'_> {
    /// How many tokens of these are of use, of which so many are whole blocks.
    fn known(&self, tokens: &[LlamaToken], blocks: usize, applied: Applied) -> usize {
        let known = match common(tokens, self.prompt) {
            _ if applied != self.applied => 0,
            known if self.exact => known.min(blocks) / BLOCK * BLOCK,
            known => known,
        };
        self.whole(known)
    }

    /// How many of so many tokens are of use, since images are read as a whole.
    pub(crate) fn whole(&self, tokens: usize) -> usize {
        whole(self.images, tokens)
    }
}

/// What the cache of a sequence without a request still holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// Its tokens.
    pub(crate) tokens: Vec<LlamaToken>,
    /// How many of them were read in whole blocks.
    pub(crate) blocks: usize,
    /// With which adapter they were read.
    pub(crate) applied: Applied,
    /// It is on disk as well.
    pub(crate) saved: bool,
    /// When it was kept; greater is later.
    since: u64,
}

impl Kept {
    /// What a request leaves.
    pub(crate) fn new(tokens: Vec<LlamaToken>, blocks: usize, applied: Applied) -> Self {
        Self { tokens, blocks, applied, ..Self::default() }
    }
}

/// A sequence that is worked on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy<'a> {
    /// Tokens of its prompt and answer.
    pub(crate) tokens: &'a [LlamaToken],
    /// How many of them are in the cache.
    pub(crate) fed: usize,
    /// How many of those were read in whole blocks.
    pub(crate) blocks: usize,
    /// Which adapter reads them.
    pub(crate) applied: Applied,
}

/// Where the beginning of a prompt comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From nowhere: it is read.
    Nothing,
    /// So many tokens are in the sequence already.
    Own(usize),
    /// So many tokens are in another sequence.
    Copy { from: usize, tokens: usize },
    /// So many tokens will be in another sequence, which is reading them.
    Follow { from: usize, tokens: usize },
}

/// Where a prompt is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The sequence.
    pub(crate) sequence: usize,
    /// What it need not read.
    pub(crate) source: Source,
    /// A free sequence to which is moved first what the sequence holds.
    pub(crate) moved: Option<usize>,
}

/// What the caches of all sequences hold.
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

    /// Chooses a free sequence for a prompt; `None`: there is none.
    ///
    /// llama.cpp computes neighbours together and others one after the other, so sequences that are worked on stay
    /// neighbours. Among these places it is the one that knows the prompt already and would lose nothing else, or an
    /// empty one, or the one that was kept longest ago.
    pub(crate) fn choose(&self, busy: &[Option<Busy<'_>>], wanted: Wanted<'_>) -> Option<Place> {
        let best = self.best(busy, wanted);
        let known = best.map_or(0, |(_, tokens)| tokens);
        let in_place = |sequence: usize| {
            best.is_some_and(|(from, _)| from == sequence) && self.held(sequence) <= known + LEAST
        };
        let free = (0..self.kept.len()).filter(|&sequence| matches!(busy.get(sequence), Some(None)));
        let sequence = free.clone().min_by_key(|&sequence| {
            let class = match self.held(sequence) {
                _ if in_place(sequence) => 0,
                0 => 1,
                _ => 2,
            };
            (groups(busy, sequence), class, self.since(sequence), sequence)
        })?;

        // However little it is, it is there already: most prompts begin as their template does. Only much more is worth a
        // copy, for which llama.cpp touches all that a sequence has room for.
        let own = self.kept.get(sequence);
        let own = own.map_or(0, |kept| wanted.known(&kept.tokens, kept.blocks, kept.applied));
        let source = match best {
            Some((from, tokens)) if own + LEAST <= tokens => Source::Copy { from, tokens },
            _ if own > 0 => Source::Own(own),
            _ => Source::Nothing,
        };
        let coming = self.coming(busy, wanted).filter(|&(_, tokens)| tokens >= known + MUCH);
        let moved = (self.held(sequence) >= MUCH && !in_place(sequence)).then(|| {
            let others =
                free.filter(|&other| other != sequence && best.is_none_or(|(from, _)| from != other));
            others
                .filter(|&other| self.held(other) == 0 || self.since(other) < self.since(sequence))
                .min_by_key(|&other| (self.held(other) > 0, self.since(other), other))
        });
        Some(match coming {
            Some((from, tokens)) => {
                Place { sequence, source: Source::Follow { from, tokens }, moved: moved.flatten() }
            }
            None => Place { sequence, source, moved: moved.flatten() },
        })
    }

    /// The sequence whose cache begins most like the prompt, and with how many tokens.
    fn best(&self, busy: &[Option<Busy<'_>>], wanted: Wanted<'_>) -> Option<(usize, usize)> {
        let known = self.kept.iter().zip(busy).map(|(kept, busy)| match busy {
            Some(busy) => {
                wanted.known(busy.tokens.get(..busy.fed).unwrap_or_default(), busy.blocks, busy.applied)
            }
            None => wanted.known(&kept.tokens, kept.blocks, kept.applied),
        });
        let worth = known.enumerate().filter(|&(_, tokens)| tokens >= LEAST);
        worth.min_by_key(|&(sequence, tokens)| {
            (std::cmp::Reverse(tokens), matches!(busy.get(sequence), Some(Some(_))), sequence)
        })
    }

    /// The sequence whose prompt begins most like this one, and with how many tokens.
    fn coming(&self, busy: &[Option<Busy<'_>>], wanted: Wanted<'_>) -> Option<(usize, usize)> {
        let reading = busy.iter().enumerate().filter_map(|(sequence, busy)| {
            let busy = busy.as_ref().filter(|busy| !wanted.exact && busy.fed < busy.tokens.len())?;
            Some((sequence, wanted.known(busy.tokens, 0, busy.applied)))
        });
        reading.min_by_key(|&(sequence, tokens)| (std::cmp::Reverse(tokens), sequence))
    }

    fn held(&self, sequence: usize) -> usize {
        self.kept.get(sequence).map_or(0, |kept| kept.tokens.len())
    }

    fn since(&self, sequence: usize) -> u64 {
        self.kept.get(sequence).map_or(0, |kept| kept.since)
    }

    /// What the sequence without a request holds.
    pub(crate) fn get(&self, sequence: usize) -> Option<&Kept> {
        self.kept.get(sequence)
    }

    /// Keeps what a sequence holds, if it is worth it. False: it is not.
    pub(crate) fn keep(&mut self, sequence: usize, kept: Kept) -> bool {
        let worth = kept.tokens.len() >= LEAST;
        self.clock += 1;
        if let Some(place) = self.kept.get_mut(sequence) {
            *place = if worth { Kept { since: self.clock, ..kept } } else { Kept::default() };
        }
        worth
    }

    /// Says that what one sequence holds has been copied to another, and no longer counts for this one.
    pub(crate) fn moved(&mut self, from: usize, to: usize) {
        let kept = self.forget(from);
        if let Some(place) = self.kept.get_mut(to) {
            *place = kept;
        }
    }

    /// Says that a prompt goes on from a copy of this sequence; one that knows no more than that goes first when room
    /// is needed.
    pub(crate) fn copied(&mut self, sequence: usize, tokens: usize) {
        if let Some(kept) = self.kept.get_mut(sequence).filter(|kept| kept.tokens.len() <= tokens + LEAST) {
            kept.since = 0;
        }
    }

    /// Forgets what a sequence holds.
    pub(crate) fn forget(&mut self, sequence: usize) -> Kept {
        self.kept.get_mut(sequence).map(std::mem::take).unwrap_or_default()
    }

    /// A free sequence whose tokens should be on disk and are not, the latest first.
    pub(crate) fn unsaved(&self, least: usize) -> Option<usize> {
        let worth = self
            .kept
            .iter()
            .enumerate()
            .filter(|(_, kept)| !kept.saved && kept.applied.is_none() && kept.tokens.len() >= least)
            // What stands for an image means something in this process only.
            .filter(|(_, kept)| kept.tokens.iter().all(|token| token.0 >= 0));
        worth.max_by_key(|(_, kept)| kept.since).map(|(sequence, _)| sequence)
    }

    /// Says that a sequence is on disk, or never will be.
    pub(crate) fn saved(&mut self, sequence: usize) {
        if let Some(kept) = self.kept.get_mut(sequence) {
            kept.saved = true;
        }
    }
}

/// Groups of neighbours that are worked on, if this sequence is too.
fn groups(busy: &[Option<Busy<'_>>], with: usize) -> usize {
    let works = |sequence: usize| sequence == with || matches!(busy.get(sequence), Some(Some(_)));
    (0..busy.len()).filter(|&sequence| works(sequence) && (sequence == 0 || !works(sequence - 1))).count()
}

/// Tokens that both begin with. At least one token of the prompt is left to be read.
pub(crate) fn common(known: &[LlamaToken], prompt: &[LlamaToken]) -> usize {
    let unlike = known.iter().zip(prompt).position(|(known, asked)| known != asked);
    unlike.unwrap_or(known.len()).min(prompt.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::Mix;

    const NONE: Applied = None;

    fn tokens(length: usize, last: i32) -> Vec<LlamaToken> {
        (1..length as i32).chain([last]).map(LlamaToken).collect()
    }

    fn kept(tokens: Vec<LlamaToken>, applied: Applied) -> Kept {
        Kept { tokens, applied, ..Kept::default() }
    }

    fn wanted(prompt: &[LlamaToken], applied: Applied) -> Wanted<'_> {
        Wanted { prompt, applied, exact: false, images: &[] }
    }

    fn place(sequence: usize, source: Source) -> Option<Place> {
        Some(Place { sequence, source, moved: None })
    }

    #[test]
    fn what_was_kept_is_found_again_to_the_token() {
        let free = [None; 3];
        let mut prefixes = Prefixes::new(3);
        assert!(!prefixes.keep(1, kept(tokens(31, 0), NONE)), "too short");
        assert_eq!(prefixes.choose(&free, wanted(&tokens(31, 0), NONE)), place(0, Source::Nothing));

        assert!(prefixes.keep(1, kept(tokens(100, 0), NONE)));
        assert_eq!(prefixes.choose(&free, wanted(&tokens(150, 0), NONE)), place(1, Source::Own(99)));
        assert_eq!(
            prefixes.choose(&free, wanted(&tokens(100, 0), NONE)),
            place(1, Source::Own(99)),
            "one is read"
        );
        let other = Mix::of(&[(0, 1.0_f32.to_bits())]);
        assert_eq!(
            prefixes.choose(&free, wanted(&tokens(150, 0), other)),
            place(0, Source::Nothing),
            "another adapter"
        );
        assert_eq!(
            prefixes.choose(&free, wanted(&tokens(40, 0), NONE)),
            place(0, Source::Copy { from: 1, tokens: 39 }),
            "what else is kept is not given away lightly"
        );
        assert_eq!(prefixes.choose(&[], wanted(&tokens(40, 0), NONE)), None);
    }

    #[test]
    fn who_wants_the_same_again_gets_whole_blocks() {
        let free = [None; 2];
        let mut prefixes = Prefixes::new(2);
        prefixes.keep(1, Kept { blocks: 1024, ..kept(tokens(1300, 0), NONE) });
        let prompt = tokens(2000, 0);
        let exact = Wanted { exact: true, ..wanted(&prompt, NONE) };
        assert_eq!(prefixes.choose(&free, exact), place(0, Source::Copy { from: 1, tokens: 1024 }));
        let short = Wanted { prompt: &prompt[..1024], ..exact };
        assert_eq!(
            prefixes.choose(&free, short),
            place(0, Source::Copy { from: 1, tokens: 512 }),
            "one is read"
        );
        prefixes.keep(1, Kept { blocks: 512, ..kept(tokens(1300, 0), NONE) });
        assert_eq!(prefixes.choose(&free, exact), place(0, Source::Copy { from: 1, tokens: 512 }));
    }

    #[test]
    fn the_oldest_goes_first() {
        let free = [None; 2];
        let mut prefixes = Prefixes::new(2);
        prefixes.keep(1, kept(tokens(600, 0), NONE));
        prefixes.keep(0, kept(tokens(600, 0), NONE));
        let other: Vec<LlamaToken> = tokens(600, 0).into_iter().rev().collect();
        assert_eq!(prefixes.choose(&free, wanted(&other, NONE)), place(1, Source::Nothing));
        prefixes.forget(0);
        assert_eq!(prefixes.choose(&free, wanted(&other, NONE)), place(0, Source::Nothing));
    }

    #[test]
    fn what_the_chosen_place_holds_is_not_copied() {
        let mut prefixes = Prefixes::new(2);
        prefixes.keep(1, kept(tokens(300, 0), NONE));
        prefixes.keep(0, kept(tokens(300, 1), NONE));
        let beginning = |length: usize| [&tokens(300, 0)[..length], &[LlamaToken(900); 40]].concat();
        let chosen = |length| prefixes.choose(&[None; 2], wanted(&beginning(length), NONE));
        assert_eq!(chosen(200), place(1, Source::Own(200)), "both have it; this one was kept longest ago");
        assert_eq!(chosen(5), place(1, Source::Own(5)), "little, but it is there");
    }

    #[test]
    fn one_that_is_worked_on_lends_what_it_has_read() {
        let prompt = tokens(200, 0);
        let busy = |fed| [Some(Busy { tokens: &prompt, fed, blocks: 0, applied: NONE }), None];
        let prefixes = Prefixes::new(2);
        let asked = tokens(180, 0);
        let chosen = |fed| prefixes.choose(&busy(fed), wanted(&asked, NONE));
        assert_eq!(chosen(200), place(1, Source::Copy { from: 0, tokens: 179 }));
        assert_eq!(chosen(150), place(1, Source::Copy { from: 0, tokens: 150 }), "the rest is little");
        assert_eq!(chosen(20), place(1, Source::Follow { from: 0, tokens: 179 }), "the rest is much");
    }

    #[test]
    fn those_that_are_worked_on_stay_neighbours() {
        let prompt = tokens(10, 0);
        let work = Some(Busy { tokens: &prompt, fed: 10, blocks: 0, applied: NONE });
        let mut prefixes = Prefixes::new(4);
        prefixes.keep(3, kept(tokens(100, 0), NONE));
        let busy = [None, work, None, None];
        let chosen = prefixes.choose(&busy, wanted(&tokens(150, 0), NONE));
        assert_eq!(chosen, place(0, Source::Copy { from: 3, tokens: 99 }), "not where it was kept");

        let other: Vec<LlamaToken> = tokens(100, 0).into_iter().rev().collect();
        prefixes.keep(0, kept(other.clone(), NONE));
        prefixes.keep(2, kept(other.clone(), NONE));
        let moved = Place { sequence: 0, source: Source::Copy { from: 3, tokens: 99 }, moved: None };
        assert_eq!(
            prefixes.choose(&busy, wanted(&tokens(150, 0), NONE)),
            Some(moved),
            "the older neighbour goes"
        );
        prefixes.forget(3);
        let moved = Place { sequence: 0, source: Source::Nothing, moved: Some(3) };
        assert_eq!(
            prefixes.choose(&busy, wanted(&tokens(150, 0), NONE)),
            Some(moved),
            "there is room for it"
        );
        prefixes.moved(0, 3);
        assert_eq!(prefixes.held(3), 100);
        assert_eq!(prefixes.choose(&busy, wanted(&tokens(150, 0), NONE)), place(0, Source::Nothing));
    }

    #[test]
    fn the_latest_are_saved_first() {
        let mut prefixes = Prefixes::new(3);
        prefixes.keep(0, kept(tokens(100, 0), NONE));
        prefixes.keep(2, kept(tokens(100, 0), NONE));
        prefixes.keep(1, kept(tokens(100, 0), Mix::of(&[(0, 0)])));
        assert_eq!(prefixes.unsaved(64), Some(2));
        prefixes.saved(2);
        assert_eq!(prefixes.unsaved(64), Some(0));
        assert_eq!(prefixes.unsaved(101), None);
        prefixes.saved(0);
        assert_eq!(prefixes.unsaved(64), None, "those with adapters are not saved");
    }
}
