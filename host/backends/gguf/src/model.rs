//! A loaded model: hands each kind of work to the half that does it.

use std::sync::Arc;

use inferno_backend::{Emit, Error, Model, ModelInfo, Work};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;

use crate::embed::Embedder;
use crate::facts::Facts;
use crate::generate::Generator;
use crate::plan::Plan;
use crate::prompt::Prompts;

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
        Ok(Self { backend, model, facts, plan, device, prompts, generator, embedder })
    }
}

impl Model for GgufModel {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            embeds: true,
            generates: self.facts.generates,
            chats: self.prompts.chats(),
            ..ModelInfo::new(self.plan.context, self.plan.sequences, &*self.device)
        }
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        match work {
            Work::Generate(request) => match &mut self.generator {
                Some(generator) => generator.submit(id, request, &self.prompts),
                None => Err(Error::invalid("the model turns texts into vectors and writes no text")
                    .hint("ask for embeddings, or choose another model")),
            },
            Work::Embed(request) => match &mut self.embedder {
                Some(embedder) => embedder.submit(id, &request),
                None => {
                    let embedder = Embedder::new(self.backend, &self.model, &self.facts, &self.plan)?;
                    self.embedder.insert(embedder).submit(id, &request)
                }
            },
            Work::Rank(_) | Work::Tokenize(_) | Work::Detokenize(_) | Work::Count(_) => {
                Err(Error::invalid("the gguf backend cannot do that yet"))
            }
        }
    }

    fn cancel(&mut self, id: u64) {
        if let Some(generator) = &mut self.generator {
            generator.cancel(id);
        }
        if let Some(embedder) = &mut self.embedder {
            embedder.cancel(id);
        }
    }

    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error> {
        let generates = self.generator.as_mut().is_some_and(|generator| generator.step(emit));
        let embeds = self.embedder.as_mut().is_some_and(|embedder| embedder.step(emit));
        Ok(generates || embeds)
    }
}
