//! Writes texts for several requests at once.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inferno_backend::{Emit, Error, ErrorKind, Event, Finish, Generate, Input, ToolChoice, Usage};
use inferno_backend_text::{Answer, Chooser, Grammar, too_long};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;

use crate::adapters::{Adapters, Applied};
use crate::cache::{Begun, Cache};
use crate::constrain;
use crate::native::Context;
use crate::pace::{MOST_PROMPT, Pace, Reader, share};
use crate::plan::Plan;
use crate::prefix::{BLOCK, Busy, Kept, Wanted};
use crate::prompt::{Prompt, Prompts};
use crate::saved::Saved;
use crate::slot::{Job, Leader, Slot, count};
use crate::vision::{self, Vision};

/// Steps for which requests with one adapter are computed while others wait for theirs.
const TURN: u32 = 4;
/// How long a model that is unloaded may take to save what it has read.
const FAREWELL: Duration = Duration::from_secs(2);

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
    cache: Cache,
    adapters: Adapters,
    /// Whose turn it is, and for how many more steps.
    turn: (Applied, u32),
    /// Requests that got a place so far.
    admitted: u64,
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
    /// Makes room for the planned sequences; `at_once` is how many tokens of an image must be decoded together.
    pub(crate) fn new(
        backend: &LlamaBackend,
        model: &Arc<LlamaModel>,
        plan: &Plan,
        adapters: Adapters,
        saved: Option<Saved>,
        at_once: Option<u32>,
    ) -> Result<Self, Error> {
        // llama.cpp rounds the context of a sequence up to a multiple of 256; done here, nothing is left to chance.
        let each = plan.context.next_multiple_of(256);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZero::new(each.saturating_mul(plan.sequences)))
            .with_n_batch(at_once.unwrap_or_default().max(MOST_PROMPT + plan.sequences))
            .with_n_ubatch(at_once.unwrap_or_default().max(MOST_PROMPT))
            .with_n_seq_max(plan.sequences)
            // Each sequence has its own cache: nobody's long text can take another's room or slow it down.
            .with_kv_unified(false)
            .with_n_threads(plan.threads)
            .with_n_threads_batch(plan.threads_batch)
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
            cache: Cache::new(plan.sequences, saved),
            adapters,
            turn: (None, 0),
            admitted: 0,
            waiting: VecDeque::new(),
            cancelled: Vec::new(),
            room: plan.context,
            most_prompt: capacity.saturating_sub(plan.sequences).clamp(1, MOST_PROMPT),
            pace: Pace::default(),
            piece: Vec::with_capacity(64),
        })
    }

    /// Takes a request in, or refuses it.
    pub(crate) fn submit(
        &mut self,
        id: u64,
        request: Generate,
        prompts: &Prompts,
        vision: Option<&mut Vision>,
    ) -> Result<(), Error> {
        inferno_backend_text::check(&request, self.model.n_vocab())?;
        let Prompt { tokens, images } = prompts.prompt(&request, self.room, vision)?;
        let length = count(&tokens);
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
        let applied = self.adapters.find(&request.adapters)?;
        let exact = request.sampling.seed.is_some();
        let chooser =
            Chooser::new(&request.sampling, &request.logit_bias, grammar, self.model.n_vocab(), most);
        let mut answer = Answer::new(request.stop, request.logprobs);
        if let Some(format) = format.filter(|_| matches!(request.input, Input::Chat(_))) {
            let callable = request.tool_choice != ToolChoice::None;
            let tools = if callable { request.tools } else { Vec::new() };
            if !tools.is_empty() || format.always() {
                answer = answer.with_tools(format, tools, prompts.marks());
            }
        }
        self.waiting.push_back(Job {
            id,
            tokens,
            images,
            prompt: length,
            most,
            applied,
            exact,
            chooser,
            answer,
        });
        Ok(())
    }

    /// Ends a request; its end is told in the next step.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(at) = self.waiting.iter().position(|job| job.id == id) {
            let prompt_tokens = self.waiting.remove(at).map_or(0, |job| job.prompt);
            self.cancelled.push((id, Usage::new(prompt_tokens, 0)));
        } else if let Some(sequence) =
            self.slots.iter().position(|slot| matches!(slot, Some(slot) if slot.job.id == id))
            && let Some(slot) = self.free(sequence)
        {
            self.cancelled.push((id, slot.usage()));
        }
    }

    /// One decode for all, and one image.
    pub(crate) fn step(&mut self, emit: Emit<'_>, vision: Option<&mut Vision>) -> Progress {
        let told = !self.cancelled.is_empty();
        for (id, usage) in self.cancelled.drain(..) {
            emit(id, Event::Done { finish: Finish::Cancelled, usage });
        }
        self.admit(emit);
        self.follow();
        let prompt_tokens = self.fill();
        if self.batch.n_tokens() == 0 {
            let looked = self.look(emit, vision);
            return Progress { worked: told || looked, more: looked && self.busy() };
        }
        let started = Instant::now();
        let computed = self.adapters.apply(self.turn.0, &mut self.context).and_then(|()| {
            let computed = self.context.decode(&mut self.batch);
            computed.map_err(|error| Error::internal(format!("llama.cpp could not compute: {error}")))
        });
        self.cache.computed();
        if let Err(error) = computed {
            self.fail(&error, emit);
            return Progress { worked: true, more: !self.waiting.is_empty() };
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
        self.look(emit, vision);
        Progress { worked: true, more: self.busy() }
    }

    fn busy(&self) -> bool {
        !self.waiting.is_empty() || self.slots.iter().any(Option::is_some)
    }

    /// Reads one image, if it is the turn of one: that of the request that came first. False: there is none.
    fn look(&mut self, emit: Emit<'_>, vision: Option<&mut Vision>) -> bool {
        let seeing = self.slots.iter().enumerate().filter_map(|(sequence, slot)| {
            let slot = slot.as_ref().filter(|slot| slot.image().is_some())?;
            Some((slot.order, sequence))
        });
        let Some((vision, (_, sequence))) = vision.zip(seeing.min()) else { return false };
        let Some(Some(slot)) = self.slots.get_mut(sequence) else { return false };
        let Some(image) = slot.image() else { return false };
        let behind = slot.position(slot.fed);
        let read = self
            .adapters
            .apply(slot.job.applied, &mut self.context)
            .and_then(|()| vision.read(&image.picture, &mut self.context, position(sequence), behind));
        self.cache.computed();
        match read {
            Ok(()) => slot.fed = image.end(),
            Err(error) => {
                emit(slot.job.id, Event::Failed(error));
                self.slots[sequence] = None;
                self.cache.empty(&mut self.context, sequence);
            }
        }
        true
    }

    /// Uses a quiet moment to save one of the prompts that were read. False: there is nothing left to save.
    pub(crate) fn rest(&mut self) -> bool {
        self.cache.save(&self.context)
    }

    /// Gives free slots to those who wait.
    fn admit(&mut self, emit: Emit<'_>) {
        if self.waiting.is_empty() || self.slots.iter().all(Option::is_some) {
            return;
        }
        while let Some(job) = self.waiting.front() {
            let busy: Vec<Option<Busy<'_>>> =
                self.slots.iter().map(|slot| slot.as_ref().map(Slot::busy)).collect();
            let wanted =
                Wanted { prompt: &job.tokens, applied: job.applied, exact: job.exact, images: &job.images };
            let begun = self.cache.begin(&mut self.context, &busy, wanted);
            let Some(Begun { sequence, known, blocks, leader }) = begun else { break };
            let leader = leader.and_then(|(sequence, tokens)| {
                let id = self.slots.get(sequence)?.as_ref()?.job.id;
                Some(Leader { sequence, id, tokens })
            });
            let (Some(slot), Some(mut job)) = (self.slots.get_mut(sequence), self.waiting.pop_front()) else {
                break;
            };
            emit(job.id, Event::Started { prompt_tokens: job.prompt });
            job.tokens.reserve(job.most as usize);
            self.admitted += 1;
            *slot = Some(Slot {
                job,
                order: self.admitted,
                fed: known,
                blocks,
                cached: u32::try_from(known).unwrap_or(u32::MAX),
                leader,
                part: 0,
                row: None,
            });
        }
    }

    /// Gives those who wait for another's reading what it has read by now.
    fn follow(&mut self) {
        for sequence in 0..self.slots.len() {
            let Some(Some(slot @ Slot { leader: Some(leader), .. })) = self.slots.get(sequence) else {
                continue;
            };
            let leader = *leader;
            let read = match self.slots.get(leader.sequence) {
                Some(Some(slot)) if slot.job.id == leader.id => {
                    if slot.fed < leader.tokens {
                        continue;
                    }
                    Some(slot.fed)
                }
                _ => None, // it has ended early
            };
            let positions = vision::position(&slot.job.images, leader.tokens);
            let known = read.map_or(0, |held| {
                let from = (leader.sequence, held);
                self.cache.follow(&mut self.context, from, sequence, (leader.tokens, positions))
            });
            if let Some(Some(slot)) = self.slots.get_mut(sequence) {
                slot.leader = None;
                slot.fed = known;
                slot.blocks = 0;
                slot.cached = u32::try_from(known).unwrap_or(u32::MAX);
            }
        }
    }

    /// Fills the batch: one token of each answer, and pieces of the prompts that are still being read, all of them
    /// with the adapter whose turn it is. Returns the number of tokens of prompts.
    fn fill(&mut self) -> u32 {
        self.batch.clear();
        self.turn = self.next_turn();
        let applied = self.turn.0;
        let mut answering = false;
        let mut readers = Vec::new();
        for slot in self.slots.iter_mut().flatten() {
            slot.row = None;
            let takes_part = slot.job.applied == applied && slot.leader.is_none();
            slot.part = u32::from(takes_part && slot.unread() == 0);
            answering |= slot.part > 0;
            let unread = slot.readable();
            if takes_part && unread > 0 {
                readers.push(Reader { order: slot.order, unread, part: 0 });
            }
        }
        let mut prompt_tokens = 0;
        if !readers.is_empty() {
            share(&mut readers, self.pace.budget(answering).min(self.most_prompt));
            for slot in self.slots.iter_mut().flatten() {
                if let Some(reader) = readers.iter().find(|reader| reader.order == slot.order) {
                    slot.part = reader.part;
                    prompt_tokens += reader.part;
                }
            }
        }
        for (sequence, slot) in (0..).zip(&mut self.slots) {
            let Some(slot) = slot else { continue };
            let tokens = slot.job.tokens.get(slot.fed..slot.fed + slot.part as usize).unwrap_or_default();
            if tokens.len() == BLOCK && slot.fed == slot.blocks {
                slot.blocks += BLOCK;
            }
            // Between two images each token is one position.
            for (at, &token) in (slot.position(slot.fed)..).zip(tokens) {
                slot.fed += 1;
                let last = slot.fed == slot.job.tokens.len();
                let row = self.batch.n_tokens();
                // It has room: the budget and one token for each sequence are what it was made for.
                let _ = self.batch.add(token, at, &[sequence], last);
                slot.row = last.then_some(row);
            }
        }
        prompt_tokens
    }

    /// Whose turn it is: those who are computed go on for a while, then the next ones follow.
    fn next_turn(&self) -> (Applied, u32) {
        let (current, left) = self.turn;
        let works = |slot: &&Slot| slot.leader.is_none();
        let others = |slot: &&Slot| slot.job.applied != current;
        let working = self.slots.iter().flatten().filter(works);
        let mine = working.clone().any(|slot| !others(&slot));
        if mine && (left > 1 || !working.clone().any(|slot| others(&slot))) {
            return (current, left.saturating_sub(1));
        }
        // The one that waits longest of those with the next greater adapters, around the circle.
        let next = working.filter(others).map(|slot| slot.job.applied);
        let next = next.min_by_key(|&applied| (applied < current, applied));
        (next.unwrap_or(current), TURN)
    }

    /// Chooses a sequence's next token and tells its text. Returns why the answer ends, if it does.
    fn advance(&mut self, sequence: usize, emit: Emit<'_>) -> Option<End> {
        let slot = self.slots.get_mut(sequence)?.as_mut()?;
        let row = slot.row.take()?;
        let vocab = self.model.vocab();
        let id = slot.job.id;
        let token = match slot.job.chooser.next(self.context.get_logits_ith(row)) {
            Ok(token) => token,
            Err(stuck) => {
                emit(id, Event::Failed(stuck.error()));
                return Some(End::Failed);
            }
        };
        let answer = &mut slot.job.answer;
        let mut tell = |event| emit(id, event);
        let finish = if vocab.is_eog(token) {
            Finish::Stop
        } else {
            slot.job.tokens.push(token);
            let logits = answer.wants_logprobs().then(|| self.context.get_logits_ith(row));
            let stopped = answer.push(token, logits, &vocab, &mut self.piece, &mut tell);
            if let Some(number) = stopped {
                Finish::StoppedBy(number)
            } else if count(&slot.job.tokens) - slot.job.prompt < slot.job.most {
                return None;
            } else {
                Finish::Length
            }
        };
        Some(End::Finished(answer.finish(finish, &mut tell)))
    }

    /// Empties a slot; what it read and wrote stays in the cache.
    fn free(&mut self, sequence: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(sequence)?.take()?;
        let tokens = slot.job.tokens.get(..slot.fed).unwrap_or_default().to_vec();
        let kept = Kept::new(tokens, slot.blocks, slot.job.applied);
        self.cache.keep(&mut self.context, sequence, kept);
        Some(slot)
    }

    /// Ends all requests that are being worked on, since nobody knows what their caches hold.
    fn fail(&mut self, error: &Error, emit: Emit<'_>) {
        for slot in self.slots.iter_mut().filter_map(Option::take) {
            emit(slot.job.id, Event::Failed(error.clone()));
        }
        self.cache.clear(&mut self.context, self.slots.len());
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let started = Instant::now();
        for sequence in 0..self.slots.len() {
            self.free(sequence);
        }
        while started.elapsed() < FAREWELL && self.rest() {}
    }
}

/// What a step did.
pub(crate) struct Progress {
    /// It did something.
    pub(crate) worked: bool,
    /// There is more to do.
    pub(crate) more: bool,
}

fn position(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
