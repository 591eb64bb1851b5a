//! Writes texts for several requests at once, each with a cache of its own.

use std::borrow::Cow;
use std::collections::VecDeque;

use inferno_backend::{Emit, Error, Event, Finish, Generate, Input, ToolChoice, Usage};
use inferno_backend_text::{Answer, Chooser, check, too_long};
use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynValue};

use crate::graph::Decoder;
use crate::prompt::Prompts;
use crate::texts::{computing, integers, numbers};
use crate::tokenizer::Tokenizer;

/// Tokens of a prompt that are read in one step, so that others and a cancellation need not wait for the whole.
const PIECE: usize = 256;

/// A request that was accepted.
struct Job {
    id: u64,
    /// The prompt, and behind it what was answered so far.
    tokens: Vec<u32>,
    /// Tokens of the prompt.
    prompt: usize,
    /// Tokens that the answer may have.
    most: usize,
    chooser: Chooser,
    answer: Answer,
}

/// A request that is being worked on.
struct Slot {
    job: Job,
    /// Tokens that the caches hold.
    fed: usize,
    /// Keys and values of each layer, in the order of the graph's inputs.
    caches: Vec<DynValue>,
}

/// The generating half of a model.
pub(crate) struct Generator {
    decoder: Decoder,
    /// Tokens that a request may fill.
    room: u32,
    sequences: usize,
    vocabulary: i32,
    active: Vec<Slot>,
    waiting: VecDeque<Job>,
    /// Ended by their callers, to be told so in the next step.
    cancelled: Vec<(u64, Usage)>,
    /// The bytes of one token, kept to be filled again.
    piece: Vec<u8>,
}

impl Generator {
    pub(crate) fn new(decoder: Decoder, room: u32, sequences: u32, vocabulary: u32) -> Self {
        Self {
            decoder,
            room,
            sequences: sequences as usize,
            vocabulary: i32::try_from(vocabulary).unwrap_or(i32::MAX),
            active: Vec::new(),
            waiting: VecDeque::new(),
            cancelled: Vec::new(),
            piece: Vec::with_capacity(64),
        }
    }

    /// Takes a request in, or refuses it.
    pub(crate) fn submit(
        &mut self,
        id: u64,
        request: Generate,
        prompts: &Prompts,
        tokenizer: &mut Tokenizer,
    ) -> Result<(), Error> {
        check(&request, self.vocabulary)?;
        let tokens = prompts.prompt(&request, tokenizer)?;
        let (prompt, room) = (tokens.len(), self.room as usize);
        if prompt >= room {
            return Err(too_long(&prompt.to_string(), self.room));
        }
        let most = request.max_tokens.map_or(room - prompt, |wish| (wish as usize).min(room - prompt));
        let window = u32::try_from(most).unwrap_or(u32::MAX);
        let chooser = Chooser::new(&request.sampling, &request.logit_bias, None, self.vocabulary, window);
        let mut answer = Answer::new(request.stop, request.logprobs);
        if let Some(format) = prompts.format().filter(|_| matches!(request.input, Input::Chat(_))) {
            let callable = request.tool_choice != ToolChoice::None;
            let tools = if callable { request.tools } else { Vec::new() };
            if !tools.is_empty() || format.always() {
                answer = answer.with_tools(format, tools, prompts.marks());
            }
        }
        self.waiting.push_back(Job { id, tokens, prompt, most, chooser, answer });
        Ok(())
    }

    /// Ends a request; its end is told in the next step.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(at) = self.waiting.iter().position(|job| job.id == id) {
            let job = self.waiting.remove(at);
            self.cancelled.extend(job.map(|job| (id, job.usage())));
        } else if let Some(at) = self.active.iter().position(|slot| slot.job.id == id) {
            let slot = self.active.remove(at);
            self.cancelled.push((id, slot.job.usage()));
        }
    }

    /// A piece of a prompt or one token for each request. False: there is nothing left to do.
    pub(crate) fn step(&mut self, session: &mut Session, tokenizer: &Tokenizer, emit: Emit<'_>) -> bool {
        for (id, usage) in self.cancelled.drain(..) {
            emit(id, Event::Done { finish: Finish::Cancelled, usage });
        }
        self.admit(emit);
        for mut slot in std::mem::take(&mut self.active) {
            let id = slot.job.id;
            match self.advance(&mut slot, session, tokenizer, &mut |event| emit(id, event)) {
                Ok(None) => self.active.push(slot),
                Ok(Some(finish)) => emit(id, Event::Done { finish, usage: slot.job.usage() }),
                Err(error) => emit(id, Event::Failed(error)),
            }
        }
        !self.active.is_empty() || !self.waiting.is_empty()
    }

    fn admit(&mut self, emit: Emit<'_>) {
        while self.active.len() < self.sequences
            && let Some(job) = self.waiting.pop_front()
        {
            match self.decoder.empty() {
                Ok(caches) => {
                    let prompt_tokens = u32::try_from(job.prompt).unwrap_or(u32::MAX);
                    emit(job.id, Event::Started { prompt_tokens });
                    self.active.push(Slot { job, fed: 0, caches });
                }
                Err(error) => emit(job.id, Event::Failed(error)),
            }
        }
    }

    /// Reads on, and where all is read chooses the next token. Tells how the answer ended, if it did.
    fn advance(
        &mut self,
        slot: &mut Slot,
        session: &mut Session,
        tokenizer: &Tokenizer,
        emit: &mut dyn FnMut(Event),
    ) -> Result<Option<Finish>, Error> {
        let Slot { job, fed, caches } = slot;
        let until = job.tokens.len().min(*fed + PIECE);
        let piece = job.tokens.get(*fed..until).unwrap_or_default();
        let logits = self.decoder.run(session, piece, *fed, caches)?;
        *fed = until;
        if until < job.tokens.len() {
            return Ok(None);
        }
        let token = job.chooser.next(&logits).map_err(|stuck| stuck.error())?;
        let number = token.0.unsigned_abs();
        let finish = if tokenizer.ends.contains(&number) {
            Finish::Stop
        } else {
            job.tokens.push(number);
            let wanted = job.answer.wants_logprobs().then_some(logits.as_slice());
            let stopped = job.answer.push(token, wanted, &*tokenizer.spelling, &mut self.piece, emit);
            match stopped {
                Some(number) => Finish::StoppedBy(number),
                None if job.tokens.len() - job.prompt < job.most => return Ok(None),
                None => Finish::Length,
            }
        };
        Ok(Some(job.answer.finish(finish, emit)))
    }
}

impl Job {
    fn usage(&self) -> Usage {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Usage::new(count(self.prompt), count(self.tokens.len() - self.prompt))
    }
}

impl Decoder {
    /// Bytes that a token takes in the caches.
    pub(crate) fn cache_per_token(&self) -> u64 {
        let numbers = self.caches.iter().map(|cache| cache.heads.saturating_mul(cache.size).unsigned_abs());
        let bytes = |numbers: u64| numbers.saturating_mul(4);
        bytes(numbers.fold(0, u64::saturating_add))
    }

    /// Caches that hold nothing.
    fn empty(&self) -> Result<Vec<DynValue>, Error> {
        let allocator = Allocator::default();
        let empty = self.caches.iter().map(|cache| {
            let tensor = DynTensor::new(&allocator, cache.kind, [1, cache.heads, 0, cache.size]);
            tensor.map(|tensor| tensor.into_dyn()).map_err(computing)
        });
        empty.collect()
    }

    /// Reads tokens that follow on those in the caches, which then hold them too; gives the logits behind the last one.
    fn run(
        &self,
        session: &mut Session,
        tokens: &[u32],
        past: usize,
        caches: &mut Vec<DynValue>,
    ) -> Result<Vec<f32>, Error> {
        let (count, all) = (tokens.len(), past + tokens.len());
        let numbers_of = |tokens: &[u32]| tokens.iter().map(|&token| i64::from(token)).collect::<Vec<_>>();
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            Vec::with_capacity(self.caches.len() + 3);
        let tokens = integers(&self.tokens, [1, count], numbers_of(tokens))?;
        inputs.push((Cow::Borrowed(&self.tokens.name), tokens.into()));
        if let Some(mask) = &self.mask {
            inputs.push((Cow::Borrowed(&mask.name), integers(mask, [1, all], vec![1; all])?.into()));
        }
        if let Some(positions) = &self.positions {
            let places = (past..all).map(|place| i64::try_from(place).unwrap_or(i64::MAX)).collect();
            inputs.push((Cow::Borrowed(&positions.name), integers(positions, [1, count], places)?.into()));
        }
        let caches_now = std::mem::take(caches);
        let named = self.caches.iter().zip(caches_now);
        inputs.extend(named.map(|(cache, value)| (Cow::Borrowed(cache.input.as_str()), value.into())));
        let mut outputs = session.run(inputs).map_err(computing)?;
        for cache in &self.caches {
            let value = outputs.remove(&cache.output);
            caches.push(value.ok_or_else(|| missing(&cache.output))?);
        }
        let logits = outputs.get("logits").ok_or_else(|| missing("logits"))?;
        let last = |shape: &[usize]| match *shape {
            [1, rows, width] if rows > 0 => Some((rows - 1) * width..rows * width),
            _ => None,
        };
        Ok(numbers(logits, last)?.1)
    }
}

fn missing(output: &str) -> Error {
    Error::internal(format!("the graph gave no output `{output}`, which it had promised"))
}
