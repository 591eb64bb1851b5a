//! A loaded model: hands each kind of work to the half that does it.

use std::collections::BTreeSet;
use std::sync::Arc;

use inferno_backend::{Ability, Emit, Error, Generate, Model, ModelInfo, Work};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;

use crate::embed::Embedder;
use crate::facts::Facts;
use crate::generate::Generator;
use crate::plan::Plan;
use crate::prompt::Prompts;
use crate::tokens::Replies;

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
    /// Made for the first request where the model also generates, since it costs memory.
    embedder: Option<Embedder>,
    replies: Replies,
}

impl GgufModel {
    /// Makes what the model's kind needs.
    pub(crate) fn new(
        backend: &'static LlamaBackend,
        model: LlamaModel,
        facts: Facts,
        plan: Plan,
        device: String,
    ) -> Result<Self, Error> {
        let model = Arc::new(model);
        let template = facts.template.as_deref().filter(|_| facts.generates);
        let prompts = Prompts::new(Arc::clone(&model), template);
        let (mut generator, mut embedder) = (None, None);
        if facts.generates {
            generator = Some(Generator::new(backend, &model, &plan)?);
        } else {
            embedder = Some(Embedder::new(backend, &model, &facts, &plan)?);
        }
        Ok(Self {
            backend,
            model,
            facts,
            plan,
            device,
            prompts,
            generator,
            embedder,
            replies: Replies::default(),
        })
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
        if self.prompts.format().is_some() {
            abilities.insert(Ability::Tools);
        }
        abilities
    }

    fn count(&mut self, id: u64, request: &Generate) -> Result<(), Error> {
        if !self.facts.generates {
            return Err(writes_nothing());
        }
        let prompt = self.prompts.tokens(request, u32::MAX)?;
        self.replies.count(id, &prompt);
        Ok(())
    }
}

fn writes_nothing() -> Error {
    Error::invalid("the model turns texts into vectors and writes no text")
        .hint("ask for embeddings, or choose another model")
}

impl Model for GgufModel {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            embeds: true,
            generates: self.facts.generates,
            chats: self.prompts.chats(),
            abilities: self.abilities(),
            ..ModelInfo::new(self.plan.context, self.plan.sequences, &*self.device)
        }
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        match work {
            Work::Generate(request) => match &mut self.generator {
                Some(generator) => generator.submit(id, request, &self.prompts),
                None => Err(writes_nothing()),
            },
            Work::Embed(request) => match &mut self.embedder {
                Some(embedder) => embedder.submit(id, &request),
                None => {
                    let embedder = Embedder::new(self.backend, &self.model, &self.facts, &self.plan)?;
                    self.embedder.insert(embedder).submit(id, &request)
                }
            },
            Work::Rank(_) => {
                Err(Error::invalid("the model ranks no documents")
                    .hint("choose a model that was made to rank"))
            }
            Work::Tokenize(request) => self.replies.tokenize(id, &request, &self.model.vocab()),
            Work::Detokenize(request) => self.replies.detokenize(id, &request, &self.model.vocab()),
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
        self.replies.step(emit);
        let generates = self.generator.as_mut().is_some_and(|generator| generator.step(emit));
        let embeds = self.embedder.as_mut().is_some_and(|embedder| embedder.step(emit));
        Ok(generates || embeds)
    }
}
