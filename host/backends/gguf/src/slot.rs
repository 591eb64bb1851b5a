//! A request on its way through the model.

use inferno_backend::Usage;
use inferno_backend_text::{Answer, Chooser};
use llama_cpp_2::token::LlamaToken;

use crate::adapters::Applied;
use crate::prefix::Busy;
use crate::vision::{Placed, position};

/// A request that was accepted.
pub(crate) struct Job {
    pub(crate) id: u64,
    /// The prompt, and behind it what was answered so far.
    pub(crate) tokens: Vec<LlamaToken>,
    /// The images of the prompt.
    pub(crate) images: Vec<Placed>,
    /// Tokens of the prompt.
    pub(crate) prompt: u32,
    /// Tokens that the answer may have.
    pub(crate) most: u32,
    pub(crate) applied: Applied,
    /// The same text is wanted again.
    pub(crate) exact: bool,
    pub(crate) chooser: Chooser,
    pub(crate) answer: Answer,
}

/// Who reads what this one needs as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leader {
    pub(crate) sequence: usize,
    /// The request that is worked on there.
    pub(crate) id: u64,
    /// What both begin with.
    pub(crate) tokens: usize,
}

/// A request that is being worked on. Its place among the slots is its sequence in llama.cpp's cache.
pub(crate) struct Slot {
    pub(crate) job: Job,
    /// When it got its place; less is earlier.
    pub(crate) order: u64,
    /// Tokens in the cache.
    pub(crate) fed: usize,
    /// How many of them were read in whole blocks.
    pub(crate) blocks: usize,
    /// Tokens of the prompt that were in the cache already.
    pub(crate) cached: u32,
    /// Absent: it reads by itself.
    pub(crate) leader: Option<Leader>,
    /// Tokens that the next decode takes.
    pub(crate) part: u32,
    /// The row of the batch that says what comes next.
    pub(crate) row: Option<i32>,
}

impl Slot {
    pub(crate) fn usage(&self) -> Usage {
        Usage { cached_tokens: self.cached, ..Usage::new(self.job.prompt, self.written()) }
    }

    /// Tokens of the answer so far.
    pub(crate) fn written(&self) -> u32 {
        count(&self.job.tokens).saturating_sub(self.job.prompt)
    }

    /// Tokens of the prompt that are left to read.
    pub(crate) fn unread(&self) -> u32 {
        self.job.prompt.saturating_sub(u32::try_from(self.fed).unwrap_or(u32::MAX))
    }

    /// How many of them come before the next image.
    pub(crate) fn readable(&self) -> u32 {
        let next = self.job.images.iter().find(|image| image.at >= self.fed);
        let left = next.and_then(|image| u32::try_from(image.at - self.fed).ok());
        left.map_or(self.unread(), |left| left.min(self.unread()))
    }

    /// The image that is to be read next.
    pub(crate) fn image(&self) -> Option<&Placed> {
        self.job.images.iter().find(|image| image.at == self.fed).filter(|_| self.leader.is_none())
    }

    /// The position of one of its tokens.
    pub(crate) fn position(&self, at: usize) -> i32 {
        i32::try_from(position(&self.job.images, at)).unwrap_or(i32::MAX)
    }

    pub(crate) fn busy(&self) -> Busy<'_> {
        Busy { tokens: &self.job.tokens, fed: self.fed, blocks: self.blocks, applied: self.job.applied }
    }
}

pub(crate) fn count(tokens: &[LlamaToken]) -> u32 {
    u32::try_from(tokens.len()).unwrap_or(u32::MAX)
}
