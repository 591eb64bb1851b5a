//! llama.cpp's cache, and what is known of it: which tokens each sequence holds, here and on disk.

use crate::native::Context;
use crate::prefix::{BLOCK, Busy, Kept, LEAST, Place, Prefixes, Source, Wanted, common};
use crate::saved::Saved;
use crate::vision::position;

/// Tokens that are worth a file.
const WORTH_SAVING: usize = 64;

/// The caches of all sequences.
pub(crate) struct Cache {
    prefixes: Prefixes,
    /// Absent: nothing is kept on disk.
    saved: Option<Saved>,
    /// Copies that llama.cpp will make when it computes next. Until then no other data may be written.
    copies: bool,
}

/// How a prompt begins.
pub(crate) struct Begun {
    pub(crate) sequence: usize,
    /// Tokens that are in the sequence.
    pub(crate) known: usize,
    /// How many of them were read in whole blocks.
    pub(crate) blocks: usize,
    /// Who will have more of them, and how many.
    pub(crate) leader: Option<(usize, usize)>,
}

impl Cache {
    /// For this many empty sequences, with what an earlier process saved.
    pub(crate) fn new(sequences: u32, saved: Option<Saved>) -> Self {
        Self { prefixes: Prefixes::new(sequences), saved, copies: false }
    }

    /// Finds a free sequence for a prompt and the beginning of the prompt in it. `None`: not now.
    pub(crate) fn begin(
        &mut self,
        context: &mut Context,
        busy: &[Option<Busy<'_>>],
        wanted: Wanted<'_>,
    ) -> Option<Begun> {
        let Place { sequence, source, moved } = self.prefixes.choose(busy, wanted)?;
        let prompt = wanted.prompt;
        let known = match source {
            Source::Nothing => 0,
            Source::Own(tokens) | Source::Copy { tokens, .. } | Source::Follow { tokens, .. } => tokens,
        };
        let on_disk = self.saved.as_ref().filter(|_| wanted.applied.is_none() && !wanted.exact);
        let on_disk = on_disk.and_then(|saved| saved.find(prompt)).map(|tokens| wanted.whole(tokens));
        if let Some(tokens) = on_disk.filter(|&tokens| tokens >= known + LEAST) {
            if self.copies {
                return None; // the next step has none
            }
            let known = self.read_back(context, sequence, wanted, tokens);
            return Some(Begun { sequence, known, blocks: 0, leader: None });
        }
        let held = self.prefixes.get(sequence).map_or(0, |kept| kept.tokens.len());
        let blocks_of = |from: usize| match busy.get(from) {
            Some(Some(busy)) => busy.blocks,
            _ => self.prefixes.get(from).map_or(0, |kept| kept.blocks),
        };
        let blocks = match source {
            Source::Own(_) => blocks_of(sequence),
            Source::Copy { from, .. } => blocks_of(from),
            Source::Nothing | Source::Follow { .. } => 0,
        };
        if let Some(to) = moved {
            self.copy(context, sequence, to);
            self.prefixes.moved(sequence, to);
        }
        let (known, leader) = match source {
            Source::Nothing => (self.empty(context, sequence), None),
            // What was moved is still here.
            Source::Own(tokens) => {
                (self.leave(context, sequence, held, tokens, position(wanted.images, tokens)), None)
            }
            Source::Copy { from, tokens } => {
                (self.copied(context, busy, from, sequence, (tokens, position(wanted.images, tokens))), None)
            }
            Source::Follow { from, tokens } => (self.empty(context, sequence), Some((from, tokens))),
        };
        self.prefixes.forget(sequence);
        Some(Begun { sequence, known, blocks: blocks.min(known / BLOCK * BLOCK), leader })
    }

    /// Copies the beginning of a sequence, so many tokens that take so many positions, into one that is worked on;
    /// returns how many tokens it then has.
    pub(crate) fn follow(
        &mut self,
        context: &mut Context,
        from: (usize, usize),
        to: usize,
        (tokens, positions): (usize, usize),
    ) -> usize {
        let (from, held) = from;
        self.copy(context, from, to);
        self.leave(context, to, held, tokens, positions)
    }

    fn copied(
        &mut self,
        context: &mut Context,
        busy: &[Option<Busy<'_>>],
        from: usize,
        to: usize,
        (tokens, positions): (usize, usize),
    ) -> usize {
        let held = match busy.get(from) {
            Some(Some(busy)) => busy.fed,
            _ => self.prefixes.get(from).map_or(0, |kept| kept.tokens.len()),
        };
        self.prefixes.copied(from, tokens);
        self.follow(context, (from, held), to, (tokens, positions))
    }

    fn copy(&mut self, context: &mut Context, from: usize, to: usize) {
        // Sequences are counted in 32 bits, and there are few.
        let (Ok(from), Ok(to)) = (i32::try_from(from), i32::try_from(to)) else { return };
        // Only positions can be wrong, and there are none.
        let _ = context.copy_kv_cache_seq(from, to, None, None);
        self.copies = true;
    }

    /// Empties a sequence; returns how many tokens it then has.
    pub(crate) fn empty(&self, context: &mut Context, sequence: usize) -> usize {
        self.leave(context, sequence, 0, 0, 0)
    }

    /// Leaves so many of the tokens that a sequence holds, which take so many positions; returns how many it could
    /// leave.
    fn leave(
        &self,
        context: &mut Context,
        sequence: usize,
        held: usize,
        tokens: usize,
        positions: usize,
    ) -> usize {
        // All were counted in 32 bits before.
        let (Ok(index), Ok(from)) = (u32::try_from(sequence), u32::try_from(positions)) else { return 0 };
        if tokens > 0 && tokens <= held {
            let place = i32::try_from(sequence).unwrap_or(i32::MAX);
            // Models that look back over a window only may have lost what a shorter text needs, and those with a
            // memory of fixed size cannot forget only its end.
            let whole = held == tokens || context.kv_cache_seq_pos_min(place) == 0;
            if whole
                && context.clear_kv_cache_seq(Some(index), Some(from), None) == Ok(true)
                && usize::try_from(context.kv_cache_seq_pos_max(place) + 1) == Ok(positions)
            {
                return tokens;
            }
        }
        // Removing a whole sequence cannot fail.
        let _ = context.clear_kv_cache_seq(Some(index), None, None);
        0
    }

    /// Keeps what a sequence holds after its request has ended.
    pub(crate) fn keep(&mut self, context: &mut Context, sequence: usize, kept: Kept) {
        if !self.prefixes.keep(sequence, kept) {
            self.empty(context, sequence);
        }
    }

    /// Says that llama.cpp has computed.
    pub(crate) fn computed(&mut self) {
        self.copies = false;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, context: &mut Context, sequences: usize) {
        (0..sequences).for_each(|sequence| {
            self.prefixes.forget(sequence);
        });
        self.copies = false;
        context.clear_kv_cache();
    }

    /// Loads a saved beginning into a free sequence; returns how many tokens of the prompt it then has.
    fn read_back(
        &mut self,
        context: &mut Context,
        sequence: usize,
        wanted: Wanted<'_>,
        tokens: usize,
    ) -> usize {
        let prompt = wanted.prompt;
        self.prefixes.forget(sequence);
        self.empty(context, sequence);
        let Some((held, state)) = self.saved.as_mut().and_then(|saved| saved.load(prompt)) else { return 0 };
        if !context.restore(sequence, &state) {
            if let Some(saved) = &mut self.saved {
                saved.discard(&held, "llama.cpp cannot read it");
            }
            return self.empty(context, sequence);
        }
        let tokens = wanted.whole(common(&held, prompt).min(tokens));
        self.leave(context, sequence, held.len(), tokens, position(wanted.images, tokens))
    }

    /// Saves one of the beginnings that are not on disk yet. False: there is none left.
    pub(crate) fn save(&mut self, context: &Context) -> bool {
        let Some(saved) = &mut self.saved else { return false };
        let Some(sequence) = self.prefixes.unsaved(WORTH_SAVING) else { return false };
        if let Some(kept) = self.prefixes.get(sequence)
            && !saved.has(&kept.tokens)
        {
            match context.state(sequence) {
                Some(state) => saved.save(&kept.tokens, &state),
                None => {
                    crate::log::line("cannot save what was read of a prompt: llama.cpp does not hand it out")
                }
            }
        }
        self.prefixes.saved(sequence);
        true
    }
}
