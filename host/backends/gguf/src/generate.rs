//! Writes texts for several requests at once.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inferno_backend::{Emit, Error, ErrorKind, Event, Finish, Generate, ToolChoice, Usage};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::answer::Answer;
use crate::bound::too_long;
use crate::kept::Grammar;
use crate::native::Context;
use crate::plan::Plan;
use crate::prefix::{BLOCK, Prefixes};
use crate::prompt::Prompts;
use crate::sample::Chooser;
use crate::{constrain, request};

/// Tokens of prompts that one step reads at most.
const MOST_PROMPT: u32 = BLOCK as u32;
/// Tokens of prompts that one step reads at least, however slow the machine is.
const LEAST_PROMPT: u32 = 32;
/// How long reading prompts may keep the running answers from their next token.
const PATIENCE: Duration = Duration::from_millis(250);

/// A request that was accepted.
struct Job {
    id: u64,
    prompt: Vec<LlamaToken>,
    /// Tokens that the answer may have.
    most: u32,
    chooser: Chooser,
    answer: Answer,
}

/// A request that is being worked on. Its place among the slots is its sequence in llama.cpp's cache.
struct Slot {
    job: Job,
    /// Tokens in the cache.
    fed: usize,
    /// The token that was chosen and not yet fed.
    chosen: LlamaToken,
    /// Tokens of the answer so far.
    written: u32,
    /// The row of the batch that says what comes next.
    row: Option<i32>,
}

impl Slot {
    fn usage(&self) -> Usage {
        Usage::new(count(&self.job.prompt), self.written)
    }

    fn unread(&self) -> usize {
        self.job.prompt.len().saturating_sub(self.fed)
    }
}

/// How a request ended.
enum End {
    /// In this way, which is still to be told.
    Finished(Finish),
    /// In an error, which was told.
    Failed,
}

/// The generating half of a model.
pub(crate) struct Generator {
    context: Context,
    model: Arc<LlamaModel>,
    batch: LlamaBatch<'static>,
    slots: Vec<Option<Slot>>,
    prefixes: Prefixes,
    waiting: VecDeque<Job>,
    /// Ended by their callers, to be told so in the next step.
    cancelled: Vec<(u64, Usage)>,
    /// Tokens that a request may fill.
    room: u32,
    /// Tokens of prompts that fit into one batch beside the answers.
    most_prompt: u32,
    pace: Pace,
    /// The bytes of one token, kept to be filled again.
    piece: Vec<u8>,
}

impl Generator {
    /// Makes room for the planned sequences.
    pub(crate) fn new(backend: &LlamaBackend, model: &Arc<LlamaModel>, plan: &Plan) -> Result<Self, Error> {
        // llama.cpp rounds the context of a sequence up to a multiple of 256; done here, nothing is left to chance.
        let each = plan.context.next_multiple_of(256);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZero::new(each.saturating_mul(plan.sequences)))
            .with_n_batch(MOST_PROMPT + plan.sequences)
            .with_n_ubatch(MOST_PROMPT)
            .with_n_seq_max(plan.sequences)
            // Each sequence has its own cache: nobody's long text can take another's room or slow it down.
            .with_kv_unified(false)
            .with_n_threads(plan.threads)
            .with_n_threads_batch(plan.threads)
            .with_no_perf(true);
        let context = Context::new(backend, model, params).map_err(|_| {
            Error::new(
                ErrorKind::Exhausted,
                format!("llama.cpp cannot make {} contexts of {} tokens", plan.sequences, plan.context),
            )
            .hint("ask for fewer sequences or a shorter context")
        })?;
        let capacity = context.n_batch();
        Ok(Self {
            context,
            model: Arc::clone(model),
            batch: LlamaBatch::new(capacity as usize, 1),
            slots: (0..plan.sequences).map(|_| None).collect(),
            prefixes: Prefixes::new(plan.sequences),
            waiting: VecDeque::new(),
            cancelled: Vec::new(),
            room: plan.context,
            most_prompt: capacity.saturating_sub(plan.sequences).clamp(1, MOST_PROMPT),
            pace: Pace::default(),
            piece: Vec::with_capacity(64),
        })
    }

    /// Takes a request in, or refuses it.
    pub(crate) fn submit(&mut self, id: u64, request: Generate, prompts: &Prompts) -> Result<(), Error> {
        request::check(&request, self.model.n_vocab())?;
        let prompt = prompts.tokens(&request, self.room)?;
        let length = count(&prompt);
        let left = self.room.saturating_sub(length);
        if left == 0 {
            return Err(too_long(&length.to_string(), self.room));
        }
        let most = request.max_tokens.map_or(left, |wish| wish.min(left));
        let format = prompts.format();
        let grammar = match constrain::grammar(&request, format)? {
            None => None,
            Some(text) => Some(Grammar {
                sampler: constrain::sampler(&self.model, &text)?,
                banned: prompts.banned(!request.tools.is_empty()),
            }),
        };
        let chooser =
            Chooser::new(&request.sampling, &request.logit_bias, grammar, self.model.n_vocab(), most);
        let mut answer = Answer::new(request.stop, request.logprobs);
        if let Some(format) = format
            && !request.tools.is_empty()
            && request.tool_choice != ToolChoice::None
        {
            let names = request.tools.into_iter().map(|tool| tool.name).collect();
            answer = answer.with_tools(format, names, prompts.marks());
        }
        self.waiting.push_back(Job { id, prompt, most, chooser, answer });
        Ok(())
    }

    /// Ends a request; its end is told in the next step.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(at) = self.waiting.iter().position(|job| job.id == id) {
            let prompt_tokens = self.waiting.remove(at).map_or(0, |job| count(&job.prompt));
            self.cancelled.push((id, Usage::new(prompt_tokens, 0)));
        } else if let Some(sequence) =
            self.slots.iter().position(|slot| matches!(slot, Some(slot) if slot.job.id == id))
            && let Some(slot) = self.free(sequence)
        {
            self.cancelled.push((id, slot.usage()));
        }
    }

    /// One decode for all. False: there is nothing left to do.
    pub(crate) fn step(&mut self, emit: Emit<'_>) -> bool {
        for (id, usage) in self.cancelled.drain(..) {
            emit(id, Event::Done { finish: Finish::Cancelled, usage });
        }
        self.admit(emit);
        let prompt_tokens = self.fill();
        if self.batch.n_tokens() == 0 {
            return false;
        }
        let started = Instant::now();
        if let Err(error) = self.context.decode(&mut self.batch) {
            self.fail(&Error::internal(format!("llama.cpp could not compute: {error}")), emit);
            return !self.waiting.is_empty();
        }
        for sequence in 0..self.slots.len() {
            if let Some(end) = self.advance(sequence, emit)
                && let Some(slot) = self.free(sequence)
                && let End::Finished(finish) = end
            {
                emit(slot.job.id, Event::Done { finish, usage: slot.usage() });
            }
        }
        // After the logits were read, since llama.cpp may compute until then.
        self.pace.saw(prompt_tokens, started.elapsed());
        !self.waiting.is_empty() || self.slots.iter().any(Option::is_some)
    }

    /// Gives free slots to those who wait.
    fn admit(&mut self, emit: Emit<'_>) {
        while let Some(job) = self.waiting.front() {
            let free =
                (0..self.slots.len()).filter(|&sequence| matches!(self.slots.get(sequence), Some(None)));
            let Some((sequence, known)) = self.prefixes.choose(free, &job.prompt) else { break };
            let fed = self.truncate(sequence, known);
            self.prefixes.forget(sequence);
            let (Some(slot), Some(job)) = (self.slots.get_mut(sequence), self.waiting.pop_front()) else {
                break;
            };
            emit(job.id, Event::Started { prompt_tokens: count(&job.prompt) });
            *slot = Some(Slot { job, fed, chosen: LlamaToken(0), written: 0, row: None });
        }
    }

    /// Leaves this many tokens in a sequence's cache; returns how many it could leave.
    fn truncate(&mut self, sequence: usize, tokens: usize) -> usize {
        // Both were counted in 32 bits before.
        let (Ok(sequence), Ok(from)) = (u32::try_from(sequence), u32::try_from(tokens)) else { return 0 };
        // Models with a memory of fixed size cannot forget only its end.
        if tokens > 0 && self.context.clear_kv_cache_seq(Some(sequence), Some(from), None) == Ok(true) {
            return tokens;
        }
        // Removing a whole sequence cannot fail.
        let _ = self.context.clear_kv_cache_seq(Some(sequence), None, None);
        0
    }

    /// Fills the batch: one token of each answer, and pieces of the prompts that are still being read. Returns the
    /// number of the latter.
    fn fill(&mut self) -> u32 {
        let reading = self.slots.iter().flatten().filter(|slot| slot.unread() > 0).count();
        let answering = self.slots.iter().flatten().count() - reading;
        let mut readers = u32::try_from(reading).unwrap_or(u32::MAX);
        let budget = self.pace.budget(answering > 0).min(self.most_prompt);
        let mut left = budget;

        self.batch.clear();
        for (sequence, slot) in (0..).zip(&mut self.slots) {
            let Some(slot) = slot else { continue };
            slot.row = None;
            let unread = slot.unread();
            let tokens = if unread == 0 {
                std::slice::from_ref(&slot.chosen)
            } else {
                // Everyone who reads gets a fair part of the rest, so that a short prompt does not wait for a long one.
                let part = left.div_ceil(readers.max(1)).min(u32::try_from(unread).unwrap_or(u32::MAX));
                readers = readers.saturating_sub(1);
                left -= part;
                slot.job.prompt.get(slot.fed..slot.fed + part as usize).unwrap_or_default()
            };
            for &token in tokens {
                slot.fed += 1;
                let last = slot.fed >= slot.job.prompt.len();
                let row = self.batch.n_tokens();
                // It has room: the budget and one token for each sequence are what it was made for.
                let _ = self.batch.add(token, position(slot.fed - 1), &[sequence], last);
                slot.row = last.then_some(row);
            }
        }
        budget - left
    }

    /// Chooses a sequence's next token and tells its text. Returns why the answer ends, if it does.
    fn advance(&mut self, sequence: usize, emit: Emit<'_>) -> Option<End> {
        let slot = self.slots.get_mut(sequence)?.as_mut()?;
        let row = slot.row.take()?;
        let vocab = self.model.vocab();
        let id = slot.job.id;
        let token = match slot.job.chooser.next(&self.context, row) {
            Ok(token) => token,
            Err(stuck) => {
                emit(id, Event::Failed(stuck.error()));
                return Some(End::Failed);
            }
        };
        let answer = &mut slot.job.answer;
        let mut tell = |event| emit(id, event);
        let (finish, stopped) = if vocab.is_eog(token) {
            (Finish::Stop, false)
        } else {
            slot.written += 1;
            slot.chosen = token;
            let logits = answer.wants_logprobs().then(|| self.context.get_logits_ith(row));
            let stopped = answer.push(token, logits, &vocab, &mut self.piece, &mut tell);
            if stopped {
                (Finish::Stop, true)
            } else if slot.written < slot.job.most {
                return None;
            } else {
                (Finish::Length, false)
            }
        };
        Some(End::Finished(answer.finish(finish, stopped, &mut tell)))
    }

    /// Empties a slot; the beginning of a long prompt stays in the cache.
    fn free(&mut self, sequence: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(sequence)?.take()?;
        let read = slot.job.prompt.get(..slot.fed.min(slot.job.prompt.len())).unwrap_or_default();
        let kept = self.prefixes.keep(sequence, read);
        if self.truncate(sequence, kept) != kept {
            self.prefixes.forget(sequence);
        }
        Some(slot)
    }

    /// Ends all requests that are being worked on, since nobody knows what their caches hold.
    fn fail(&mut self, error: &Error, emit: Emit<'_>) {
        for slot in self.slots.iter_mut().filter_map(Option::take) {
            emit(slot.job.id, Event::Failed(error.clone()));
        }
        (0..self.slots.len()).for_each(|sequence| self.prefixes.forget(sequence));
        self.context.clear_kv_cache();
    }
}

/// How fast prompts are read here.
#[derive(Debug, Default)]
struct Pace {
    /// Tokens in a second; 0 before it was measured.
    rate: f64,
}

impl Pace {
    /// Tokens of prompts to read in the next step.
    fn budget(&self, others_wait: bool) -> u32 {
        if !others_wait || self.rate == 0.0 {
            return MOST_PROMPT;
        }
        ((self.rate * PATIENCE.as_secs_f64()) as u32).clamp(LEAST_PROMPT, MOST_PROMPT)
    }

    /// Learns from a step.
    fn saw(&mut self, prompt_tokens: u32, took: Duration) {
        if prompt_tokens < LEAST_PROMPT {
            return;
        }
        let rate = f64::from(prompt_tokens) / took.as_secs_f64().max(1e-6);
        self.rate = if self.rate == 0.0 { rate } else { 0.7 * self.rate + 0.3 * rate };
    }
}

fn count(tokens: &[LlamaToken]) -> u32 {
    u32::try_from(tokens.len()).unwrap_or(u32::MAX)
}

fn position(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_machines_read_prompts_in_smaller_pieces() {
        let mut pace = Pace::default();
        assert_eq!(pace.budget(true), 512, "unknown");
        pace.saw(512, Duration::from_secs(2));
        assert_eq!(pace.budget(true), 64);
        assert_eq!(pace.budget(false), 512, "nobody waits");
        pace.saw(8, Duration::from_secs(60));
        assert_eq!(pace.budget(true), 64, "too little to learn from");
        (0..50).for_each(|_| pace.saw(64, Duration::from_secs(60)));
        assert_eq!(pace.budget(true), 32, "but not smaller than this");
    }
}
