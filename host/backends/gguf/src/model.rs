//! A loaded model: hands each kind of work to the half that does it.

use std::collections::BTreeSet;
use std::sync::Arc;

use inferno_backend::{Ability, Emit, Error, Generate, Model, ModelInfo, Work};
use inferno_backend_text::Replies;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::adapters::Adapters;
use crate::embed::Embedder;
use crate::facts::Facts;
use crate::generate::Generator;
use crate::native;
use crate::plan::Plan;
use crate::prompt::Prompts;
use crate::saved::Saved;
use crate::vision::{COUNTING, Vision};

/// A model of this backend.
pub(crate) struct GgufModel {
    backend: &'static LlamaBackend,
    model: Arc<LlamaModel>,
    facts: Facts,
    plan: Plan,
    device: String,
    prompts: Prompts,
    /// Absent for models that only make vectors.
    generator: Option<Generator>,
    /// Absent for models that see nothing.
    vision: Option<Vision>,
    /// Made for the first request where the model also generates, since it costs memory.
    embedder: Option<Embedder>,
    replies: Replies,
    /// It has adapters.
    adapts: bool,
    /// Bytes that it takes.
    memory: u64,
}

/// What a model is made of.
pub(crate) struct Parts {
    pub(crate) backend: &'static LlamaBackend,
    pub(crate) model: Arc<LlamaModel>,
    pub(crate) facts: Facts,
    pub(crate) plan: Plan,
    pub(crate) device: String,
    pub(crate) adapters: Adapters,
    pub(crate) saved: Option<Saved>,
    pub(crate) vision: Option<Vision>,
}

impl GgufModel {
    /// Makes what the model's kind needs.
    pub(crate) fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { backend, model, facts, plan, device, adapters, saved, vision } = parts;
        let template = facts.template.as_deref().filter(|_| facts.generates);
        let prompts = Prompts::new(Arc::clone(&model), template);
        let adapts = adapters.any();
        let (mut generator, mut embedder) = (None, None);
        if facts.generates {
            let at_once = vision.as_ref().and_then(Vision::at_once);
            generator = Some(Generator::new(backend, &model, &plan, adapters, saved, at_once)?);
        } else {
            embedder = Some(Embedder::new(backend, &model, &facts, &plan)?);
        }
        let replies = Replies::default();
        Ok(Self {
            backend,
            model,
            facts,
            plan,
            device,
            prompts,
            generator,
            vision,
            embedder,
            replies,
            adapts,
            memory: 0,
        })
    }

    /// Learns how much memory the model takes, from how much the process had before.
    pub(crate) fn measure(&mut self, before: Option<u64>) {
        let cells = u64::from(self.plan.context) * u64::from(self.plan.sequences);
        let caches = if self.facts.generates { cells.saturating_mul(self.facts.cache_per_token) } else { 0 };
        let grown = native::resident().zip(before).map(|(now, before)| now.saturating_sub(before));
        // What graphics processors hold is no part of the process; then this is an upper bound by the model's shape.
        let weights = self.model.size().saturating_add(self.vision.as_ref().map_or(0, Vision::bytes));
        self.memory = match grown {
            Some(grown) if grown >= weights => grown,
            _ => weights.saturating_add(caches),
        };
    }
}

impl GgufModel {
    fn abilities(&self) -> BTreeSet<Ability> {
        let mut abilities = BTreeSet::from([Ability::Tokenize]);
        if self.facts.generates {
            abilities.extend([
                Ability::Count,
                Ability::Grammar,
                Ability::JsonSchema,
                Ability::LogitBias,
                Ability::Logprobs,
            ]);
        }
        if self.facts.ranks {
            abilities.insert(Ability::Rank);
        }
        if self.adapts {
            abilities.insert(Ability::Adapters);
        }
        if self.prompts.format().is_some() {
            abilities.insert(Ability::Tools);
        }
        if self.vision.is_some() {
            abilities.insert(Ability::Vision);
        }
        abilities
    }

    fn count(&mut self, id: u64, request: &Generate) -> Result<(), Error> {
        if !self.facts.generates {
            return Err(writes_nothing());
        }
        let prompt = self.prompts.prompt(request, COUNTING, self.vision.as_mut())?;
        self.replies.count(id, prompt.tokens.len());
        Ok(())
    }
}

/// The text of tokens that the model has.
fn text(model: &LlamaModel, tokens: &[u32]) -> String {
    let tokens: Vec<LlamaToken> = tokens.iter().map(|token| LlamaToken(token.cast_signed())).collect();
    String::from_utf8_lossy(&model.vocab().detokenize(&tokens, false, true)).into_owned()
}

fn writes_nothing() -> Error {
    Error::invalid("the model turns texts into vectors and writes no text")
        .hint("ask for embeddings, or choose another model")
}

impl Model for GgufModel {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            embeds: !self.facts.ranks,
            generates: self.facts.generates,
            chats: self.prompts.chats(),
            abilities: self.abilities(),
            memory: self.memory,
            ..ModelInfo::new(self.plan.context, self.plan.sequences, &*self.device)
        }
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        match work {
            Work::Generate(request) => match &mut self.generator {
                Some(generator) => generator.submit(id, request, &self.prompts, self.vision.as_mut()),
                None => Err(writes_nothing()),
            },
            Work::Embed(_) if self.facts.ranks => {
                Err(Error::invalid("the model ranks documents and makes no vectors")
                    .hint("choose an embedding model"))
            }
            Work::Embed(request) => match &mut self.embedder {
                Some(embedder) => embedder.submit(id, &request),
                None => {
                    let embedder = Embedder::new(self.backend, &self.model, &self.facts, &self.plan)?;
                    self.embedder.insert(embedder).submit(id, &request)
                }
            },
            Work::Rank(request) => match &mut self.embedder {
                Some(embedder) if self.facts.ranks => embedder.rank(id, &request),
                _ => Err(Error::invalid("the model ranks no documents")
                    .hint("choose a model that was made to rank")),
            },
            Work::Classify(_) | Work::Tensors(_) => {
                Err(Error::invalid("a GGUF model neither classifies texts nor takes tensors as they are")
                    .hint("choose a model in ONNX"))
            }
            Work::Tokenize(request) => self.replies.tokenize(id, &request, |text| {
                let tokens = self.model.vocab().tokenize(text.as_bytes(), request.special, request.special);
                Ok(tokens.iter().map(|token| token.0.unsigned_abs()).collect())
            }),
            Work::Detokenize(request) => {
                let vocabulary = self.model.n_vocab().unsigned_abs();
                self.replies.detokenize(id, &request, vocabulary, |tokens| Ok(text(&self.model, tokens)))
            }
            Work::Count(request) => self.count(id, &request),
        }
    }

    fn cancel(&mut self, id: u64) {
        if let Some(generator) = &mut self.generator {
            generator.cancel(id);
        }
        if let Some(embedder) = &mut self.embedder {
            embedder.cancel(id);
        }
        self.replies.cancel(id);
    }

    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error> {
        let mut worked = self.replies.step(emit);
        let mut more = false;
        if let Some(generator) = &mut self.generator {
            let progress = generator.step(emit, self.vision.as_mut());
            worked |= progress.worked;
            more |= progress.more;
        }
        if let Some(embedder) = &mut self.embedder {
            let progress = embedder.step(emit);
            worked |= progress.worked;
            more |= progress.more;
        }
        // Whoever steps a model that has nothing to do has time for this.
        if !worked && !more {
            more = self.generator.as_mut().is_some_and(Generator::rest);
        }
        Ok(more)
    }
}
