//! Turns texts into vectors, and pairs of texts into scores.
//!
//! Where each token sees only what came before it, texts are read in pieces and pooled here, so that a text may be as
//! long as the context. Where tokens see both ways, a text must be read at once and llama.cpp pools.

use std::collections::{HashMap, VecDeque};
use std::num::NonZero;
use std::sync::Arc;

use inferno_backend::{Embed, Emit, Error, ErrorKind, Event, Finish, Rank, Usage};
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::facts::{Facts, Pooling};
use crate::generate::Progress;
use crate::native::Context;
use crate::pairs::Pairs;
use crate::plan::Plan;

/// Texts that are read together at most.
const MOST_TEXTS: usize = 64;
/// Tokens that are read at once at most, where texts may be read in pieces.
const MOST_TOKENS: u32 = 512;
/// llama.cpp computes logits for every token even where nobody wants them: as many as this at once.
const MOST_LOGITS: u32 = 16 << 20;

/// One text.
struct Item {
    id: u64,
    tokens: Vec<LlamaToken>,
}

/// A text that is being read.
struct Reading {
    item: Item,
    /// Tokens read.
    read: usize,
    /// The sum of the vectors of its tokens, or the one that counts.
    sum: Vec<f32>,
}

/// What a request still waits for.
struct Open {
    left: usize,
    prompt_tokens: u32,
    started: bool,
}

/// The embedding half of a model.
pub(crate) struct Embedder {
    context: Context,
    model: Arc<LlamaModel>,
    batch: LlamaBatch<'static>,
    /// Absent: llama.cpp pools.
    pooling: Option<Pooling>,
    /// Present: it scores pairs of texts, which are put together in this way.
    pairs: Option<Pairs>,
    /// Tokens that a text may have.
    room: u32,
    /// Tokens that a batch may have.
    most: u32,
    waiting: VecDeque<Item>,
    reading: Vec<Reading>,
    open: HashMap<u64, Open>,
    cancelled: Vec<(u64, Usage)>,
}

impl Embedder {
    /// Makes a context beside the one that generates.
    pub(crate) fn new(
        backend: &LlamaBackend,
        model: &Arc<LlamaModel>,
        facts: &Facts,
        plan: &Plan,
    ) -> Result<Self, Error> {
        let room = plan.context;
        let vocabulary = u32::try_from(model.n_vocab()).unwrap_or(1).max(1);
        // A batch must at least have room for the first token of each text, or llama.cpp aborts.
        let texts = MOST_TEXTS as u32;
        let most = if facts.causal && !facts.ranks {
            (MOST_LOGITS / vocabulary).clamp(texts, MOST_TOKENS)
        } else {
            room.max(texts)
        };
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZero::new(room.max(most)))
            .with_n_batch(most)
            .with_n_ubatch(most)
            .with_n_seq_max(texts)
            .with_kv_unified(true)
            .with_embeddings(true)
            .with_n_threads(plan.threads)
            .with_n_threads_batch(plan.threads_batch)
            .with_no_perf(true);
        let (pooling, kind) = match (facts.causal, facts.pooling) {
            _ if facts.ranks => (None, LlamaPoolingType::Rank),
            // What a generating model has anyway; saying "none" would only make llama.cpp warn.
            (true, pooling) if facts.generates => (Some(pooling), LlamaPoolingType::Unspecified),
            (true, pooling) => (Some(pooling), LlamaPoolingType::None),
            (false, Pooling::Mean) => (None, LlamaPoolingType::Mean),
            (false, Pooling::First) => (None, LlamaPoolingType::Cls),
            (false, Pooling::Last) => (None, LlamaPoolingType::Last),
        };
        let context = Context::new(backend, model, params.with_pooling_type(kind)).map_err(|_| {
            Error::new(
                ErrorKind::Exhausted,
                format!("llama.cpp cannot make a context of {room} tokens for embeddings"),
            )
            .hint("load the model with a shorter context")
        })?;
        Ok(Self {
            batch: LlamaBatch::new(most as usize, 1),
            context,
            model: Arc::clone(model),
            pooling,
            pairs: facts.ranks.then(|| Pairs::of(model)),
            room,
            most,
            waiting: VecDeque::new(),
            reading: Vec::new(),
            open: HashMap::new(),
            cancelled: Vec::new(),
        })
    }

    /// Takes a request in, or refuses it.
    pub(crate) fn submit(&mut self, id: u64, request: &Embed) -> Result<(), Error> {
        if request.inputs.is_empty() {
            return Err(Error::invalid("there is no input"));
        }
        let vocab = self.model.vocab();
        let mut items = Vec::with_capacity(request.inputs.len());
        let mut prompt_tokens = 0_u32;
        for (number, input) in (1..).zip(&request.inputs) {
            let tokens = vocab.tokenize(input.as_bytes(), true, false);
            if input.is_empty() || tokens.is_empty() {
                return Err(Error::invalid(format!("input {number} of {} is empty", request.inputs.len())));
            }
            prompt_tokens = prompt_tokens.saturating_add(self.fits(&tokens, "input", number)?);
            items.push(Item { id, tokens });
        }
        self.open(id, items, prompt_tokens);
        Ok(())
    }

    /// Takes documents to score, or refuses them.
    pub(crate) fn rank(&mut self, id: u64, request: &Rank) -> Result<(), Error> {
        let Some(pairs) = &self.pairs else {
            return Err(Error::internal("documents came to a model that makes vectors"));
        };
        if request.documents.is_empty() {
            return Err(Error::invalid("there is no document"));
        }
        let mut items = Vec::with_capacity(request.documents.len());
        let mut prompt_tokens = 0_u32;
        for (number, document) in (1..).zip(&request.documents) {
            let tokens = pairs.tokens(&self.model, &request.query, document);
            if tokens.is_empty() {
                return Err(Error::invalid(format!("the query and document {number} are empty")));
            }
            prompt_tokens =
                prompt_tokens.saturating_add(self.fits(&tokens, "the query with document", number)?);
            items.push(Item { id, tokens });
        }
        self.open(id, items, prompt_tokens);
        Ok(())
    }

    /// Refuses a text that is too long; returns its length.
    fn fits(&self, tokens: &[LlamaToken], what: &str, number: usize) -> Result<u32, Error> {
        let length = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        if length <= self.room {
            return Ok(length);
        }
        Err(Error::new(
            ErrorKind::ContextLength,
            format!(
                "{what} {number} has {length} tokens, but the model's context has room for {}",
                self.room
            ),
        )
        .hint("cut the text into smaller ones"))
    }

    fn open(&mut self, id: u64, items: Vec<Item>, prompt_tokens: u32) {
        self.open.insert(id, Open { left: items.len(), prompt_tokens, started: false });
        self.waiting.extend(items);
    }

    /// Ends a request; its end is told in the next step.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(open) = self.open.remove(&id) {
            self.waiting.retain(|item| item.id != id);
            self.cancelled.push((id, Usage::new(open.prompt_tokens, 0)));
        }
    }

    /// One decode.
    pub(crate) fn step(&mut self, emit: Emit<'_>) -> Progress {
        let told = !self.cancelled.is_empty();
        for (id, usage) in self.cancelled.drain(..) {
            emit(id, Event::Done { finish: Finish::Cancelled, usage });
        }
        if self.reading.is_empty() {
            self.admit(emit);
        }
        if self.reading.is_empty() {
            return Progress { worked: told, more: false };
        }
        if let Err(error) = self.read() {
            self.fail(&error, emit);
        } else if self.reading.iter().all(|reading| reading.read == reading.item.tokens.len()) {
            self.finish(emit);
        }
        Progress { worked: true, more: !self.reading.is_empty() || !self.waiting.is_empty() }
    }

    /// Takes as many waiting texts as fit together.
    fn admit(&mut self, emit: Emit<'_>) {
        let mut left = self.room.max(self.most) as usize;
        while self.reading.len() < MOST_TEXTS
            && let Some(item) = self.waiting.pop_front_if(|item| item.tokens.len() <= left)
        {
            left -= item.tokens.len();
            if let Some(open) = self.open.get_mut(&item.id)
                && !std::mem::replace(&mut open.started, true)
            {
                emit(item.id, Event::Started { prompt_tokens: open.prompt_tokens });
            }
            self.reading.push(Reading { item, read: 0, sum: Vec::new() });
        }
    }

    /// Reads the next tokens of the texts, in order.
    fn read(&mut self) -> Result<(), Error> {
        self.batch.clear();
        let mut left = self.most as usize;
        let mut rows = Vec::new();
        for (sequence, reading) in (0..).zip(&mut self.reading) {
            let end = reading.item.tokens.len().min(reading.read + left);
            let tokens = reading.item.tokens.get(reading.read..end).unwrap_or_default();
            left -= tokens.len();
            for (position, &token) in (reading.read..).zip(tokens) {
                let position = i32::try_from(position).unwrap_or(i32::MAX);
                self.batch
                    .add(token, position, &[sequence], true)
                    .map_err(|error| Error::internal(format!("a batch is too small: {error}")))?;
            }
            rows.push((reading.read, tokens.len()));
            reading.read = end;
        }
        self.context
            .decode(&mut self.batch)
            .map_err(|error| Error::internal(format!("llama.cpp could not compute: {error}")))?;

        let missing = |_| Error::internal("llama.cpp returned no vectors");
        let mut row = 0;
        for ((sequence, reading), (first, count)) in (0..).zip(&mut self.reading).zip(rows) {
            let Some(pooling) = self.pooling else {
                let vector = self.context.embeddings_seq_ith(sequence);
                reading.sum = vector.map_err(|_| missing(()))?.to_vec();
                continue;
            };
            let length = reading.item.tokens.len();
            for index in first..first + count {
                let counts = match pooling {
                    Pooling::Mean => true,
                    Pooling::First => index == 0,
                    Pooling::Last => index + 1 == length,
                };
                if counts {
                    let vector = self.context.embeddings_ith(row).map_err(|_| missing(()))?;
                    reading.sum.resize(vector.len(), 0.0);
                    reading.sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
                }
                row += 1;
            }
        }
        Ok(())
    }

    /// Hands out the vectors of the texts that were read.
    fn finish(&mut self, emit: Emit<'_>) {
        self.context.clear_kv_cache();
        for Reading { item, mut sum, .. } in self.reading.drain(..) {
            let Some(open) = self.open.get_mut(&item.id) else { continue };
            let usable = match self.pairs {
                Some(_) => {
                    sum.truncate(1);
                    sum.iter().all(|score| score.is_finite())
                }
                None => normalise(&mut sum),
            };
            if !usable {
                let (id, error) =
                    (item.id, Error::internal("the model computed a vector that is not finite"));
                self.open.remove(&id);
                self.waiting.retain(|item| item.id != id);
                emit(id, Event::Failed(error));
                continue;
            }
            emit(item.id, Event::Embedding(sum));
            open.left -= 1;
            if open.left == 0 {
                let usage = Usage::new(open.prompt_tokens, 0);
                self.open.remove(&item.id);
                emit(item.id, Event::Done { finish: Finish::Stop, usage });
            }
        }
    }

    /// Ends the requests whose texts were being read.
    fn fail(&mut self, error: &Error, emit: Emit<'_>) {
        self.context.clear_kv_cache();
        for Reading { item, .. } in self.reading.drain(..) {
            if self.open.remove(&item.id).is_some() {
                self.waiting.retain(|other| other.id != item.id);
                emit(item.id, Event::Failed(error.clone()));
            }
        }
    }
}

/// Scales a vector to unit length; all-zero ones stay. False: it is not finite.
fn normalise(vector: &mut [f32]) -> bool {
    let square: f64 = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    let length = square.sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
    length.is_finite()
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn vectors_get_unit_length() {
        let mut vector = [3.0, -4.0];
        assert!(normalise(&mut vector));
        assert_eq!(vector, [0.6, -0.8]);
        let mut huge = [f32::MAX, f32::MAX];
        assert!(normalise(&mut huge));
        assert!((huge[0] - 0.5_f32.sqrt()).abs() < 1e-6);
        assert!(normalise(&mut [0.0, 0.0]));
        assert!(!normalise(&mut [f32::NAN, 1.0]));
    }
}
