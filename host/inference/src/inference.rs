use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use inferno_backend::{
    Ability, Classify, Detokenize, Embed, Error, ErrorKind, Event, Generate, Input, ModelInfo, Rank, Tensors,
    Tokenize, Usage, Work,
};
use inferno_models::{Model, Models, ModelsError};
use tokio::time::timeout;

use crate::{
    Completion, Config, Figures, Generation, Loaded, Status, Terms, check, figures::Account,
    generation::Ticket, line::Seat, pool::Pool, slot::Slot, trace, wire, worker::Launcher,
};

/// Runs models: starts a worker for each when it is first wanted, and hands requests to it. Clones are one, each with
/// the [`Terms`] of its own.
///
/// All of its calls must be made inside a Tokio runtime.
#[derive(Clone, Debug)]
pub struct Inference {
    shared: Arc<Shared>,
    terms: Arc<Terms>,
}

#[derive(Debug)]
struct Shared {
    pool: Arc<Pool>,
    next_id: AtomicU64,
}

/// Vectors of unit length, one for each text, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// The vectors.
    pub vectors: Vec<Vec<f32>>,
    /// What they took.
    pub usage: Usage,
}

/// How well documents answer a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// One score for each document, in order; greater is better. Only scores of one model can be compared.
    pub scores: Vec<f32>,
    /// What they took.
    pub usage: Usage,
}

impl Inference {
    /// Starts nothing yet.
    #[must_use]
    pub fn new(models: Models, config: Config) -> Self {
        let config = Config { sequences: config.sequences.max(1), ..config };
        let pool = Arc::new(Pool::new(models, config));
        Self { shared: Arc::new(Shared { pool, next_id: AtomicU64::new(1) }), terms: Arc::default() }
    }

    /// The same models, on other terms: `inference.under(Terms::of("acme")).complete(...)`.
    #[must_use]
    pub fn under(&self, terms: Terms) -> Self {
        Self { shared: Arc::clone(&self.shared), terms: Arc::new(terms) }
    }

    /// The models that can be asked for.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.shared.pool.models
    }

    /// Begins to write a text, and returns when the model has taken the request: unknown models, too long prompts,
    /// full queues and failed loads are errors here, not in the stream.
    pub async fn generate(&self, model: &str, request: Generate) -> Result<Generation, Error> {
        check::generate(&request)?;
        self.generate_on(&self.find(model).await?, request).await
    }

    /// [`Inference::generate`] for a model that was found otherwise.
    pub async fn generate_on(&self, model: &Model, request: Generate) -> Result<Generation, Error> {
        check::generate(&request)?;
        let chat = matches!(request.input, Input::Chat(_));
        let needs = check::needs(&request);
        let fits = |info: &ModelInfo| check::can_generate(&model.name, info, chat, &needs);
        Generation::started(self.submit(model, Work::Generate(request), fits).await?).await
    }

    /// [`Inference::generate`] for those who want the answer as a whole.
    pub async fn complete(&self, model: &str, request: Generate) -> Result<Completion, Error> {
        self.generate(model, request).await?.complete().await
    }

    /// Turns texts into vectors.
    pub async fn embed(&self, model: &str, request: Embed) -> Result<Embeddings, Error> {
        check::embed(&request)?;
        self.embed_on(&self.find(model).await?, request).await
    }

    /// [`Inference::embed`] for a model that was found otherwise.
    pub async fn embed_on(&self, model: &Model, request: Embed) -> Result<Embeddings, Error> {
        check::embed(&request)?;
        let expected = request.inputs.len();
        let fits = |info: &ModelInfo| check::can_embed(&model.name, info);
        let whole = self.submit(model, Work::Embed(request), fits).await?.whole().await?;
        let vectors = vectors(whole.events);
        if vectors.len() != expected {
            let (name, count) = (&model.name, vectors.len());
            return Err(Error::internal(format!("model {name} made {count} vectors of {expected} texts")));
        }
        Ok(Embeddings { vectors, usage: whole.done.usage })
    }

    /// How many tokens the prompt of a request has. Nothing is written.
    pub async fn count(&self, model: &str, request: Generate) -> Result<u32, Error> {
        check::generate(&request)?;
        let model = self.find(model).await?;
        let chat = matches!(request.input, Input::Chat(_));
        let mut needs = check::needs(&request);
        needs.push((Ability::Count, "counts of tokens"));
        let fits = |info: &ModelInfo| check::can_generate(&model.name, info, chat, &needs);
        let whole = self.submit(&model, Work::Count(request), fits).await?.whole().await?;
        Ok(whole.done.usage.prompt_tokens)
    }

    /// Says how well each document answers the query; greater is better.
    pub async fn rank(&self, model: &str, request: Rank) -> Result<Ranking, Error> {
        check::rank(&request)?;
        let model = self.find(model).await?;
        let expected = request.documents.len();
        let fits = |info: &ModelInfo| check::can(&model.name, info, Ability::Rank, "rankings");
        let whole = self.submit(&model, Work::Rank(request), fits).await?.whole().await?;
        let scores: Vec<f32> = vectors(whole.events).into_iter().flatten().collect();
        if scores.len() != expected {
            let (name, count) = (&model.name, scores.len());
            return Err(Error::internal(format!("model {name} gave {count} scores to {expected} documents")));
        }
        Ok(Ranking { scores, usage: whole.done.usage })
    }

    /// Says what texts are: for each a line of JSON, `[{"label": text, "score": number}, ...]`, the likeliest first.
    pub async fn classify_on(&self, model: &Model, request: Classify) -> Result<String, Error> {
        check::classify(&request)?;
        let fits = |info: &ModelInfo| check::can(&model.name, info, Ability::Classify, "classification");
        let whole = self.submit(model, Work::Classify(request), fits).await?.whole().await?;
        Ok(texts(whole.events))
    }

    /// Computes with tensors; the outputs are JSON, written as the inputs are.
    pub async fn tensors_on(&self, model: &Model, request: Tensors) -> Result<String, Error> {
        let fits = |info: &ModelInfo| check::can(&model.name, info, Ability::Tensors, "tensors as they are");
        let whole = self.submit(model, Work::Tensors(request), fits).await?.whole().await?;
        Ok(texts(whole.events))
    }

    /// The tokens of a text.
    pub async fn tokenize(&self, model: &str, request: Tokenize) -> Result<Vec<u32>, Error> {
        let whole = self.cut(model, Work::Tokenize(request)).await?;
        let tokens = |event| match event {
            Event::Tokens(tokens) => tokens,
            _ => Vec::new(),
        };
        Ok(whole.into_iter().flat_map(tokens).collect())
    }

    /// The text of tokens.
    pub async fn detokenize(&self, model: &str, request: Detokenize) -> Result<String, Error> {
        Ok(texts(self.cut(model, Work::Detokenize(request)).await?))
    }

    async fn cut(&self, model: &str, work: Work) -> Result<VecDeque<Event>, Error> {
        let model = self.find(model).await?;
        let fits =
            |info: &ModelInfo| check::can(&model.name, info, Ability::Tokenize, "tokens without an answer");
        Ok(self.submit(&model, work, fits).await?.whole().await?.events)
    }

    /// Loads a model, so that a request need not wait for it. `progress` takes shares from 0 to 1; it is not called
    /// where the model is loaded already.
    pub async fn load(&self, model: &str, progress: impl FnMut(f32)) -> Result<ModelInfo, Error> {
        self.load_on(&self.find(model).await?, progress).await
    }

    /// [`Inference::load`] for a model that was found otherwise.
    pub async fn load_on(&self, model: &Model, progress: impl FnMut(f32)) -> Result<ModelInfo, Error> {
        let slot = self.slot(model);
        let worker = slot.worker(model, &self.shared.pool, &self.terms, progress).await?;
        Ok(worker.info.clone())
    }

    /// Unloads a model and returns when its memory is free; false: it was not loaded. Without `force` this waits until
    /// it is idle; with it, its requests end in an error.
    pub async fn unload(&self, model: &str, force: bool) -> Result<bool, Error> {
        let slot = self.shared.pool.slot(&self.find(model).await?);
        Ok(slot.unload(force).await)
    }

    /// Keeps a model loaded whatever happens, once it is, or lets it be unloaded again.
    pub async fn pin(&self, model: &str, pinned: bool) -> Result<(), Error> {
        self.shared.pool.slot(&self.find(model).await?).pin(pinned);
        Ok(())
    }

    /// What is known about a model.
    pub async fn status(&self, model: &str) -> Result<Status, Error> {
        let model = self.find(model).await?;
        Ok(self.shared.pool.slot(&model).status(self.shared.pool.estimate(&model)))
    }

    /// The models that are loaded now, by name.
    #[must_use]
    pub fn loaded(&self) -> Vec<Loaded> {
        let mut loaded: Vec<_> = self.shared.pool.slots().iter().filter_map(|slot| slot.loaded()).collect();
        loaded.sort_by(|a, b| a.name.cmp(&b.name));
        loaded
    }

    /// What there is to count, since the start.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let Pool { memory, .. } = &*self.shared.pool;
        let models = self.shared.pool.slots().into_iter();
        Figures {
            models: models.map(|slot| (slot.name.clone(), slot.figures())).collect(),
            memory_budget: memory.budget(),
            memory_used: memory.used(),
        }
    }

    /// Takes no more work, lets what there is end by itself for as long as `drain`, ends what is left, and returns
    /// when no worker process remains.
    pub async fn shutdown(&self, drain: Duration) {
        let Launcher { tasks, closing, .. } = &self.shared.pool.launcher;
        tasks.close();
        let slots = self.shared.pool.slots();
        let drained = timeout(drain, join_all(slots.iter().map(|slot| slot.line.drained()))).await;
        if drained.is_err() {
            tracing::warn!(
                ?drain,
                "requests are cut off, since they took longer to end than a shutdown waits"
            );
        }
        closing.cancel();
        tasks.wait().await;
    }

    /// Looking for files takes system calls, which do not belong on the runtime's threads.
    async fn find(&self, name: &str) -> Result<Model, Error> {
        let (models, wanted) = (self.shared.pool.models.clone(), name.to_owned());
        match tokio::task::spawn_blocking(move || models.find(&wanted)).await {
            Ok(found) => found.map_err(not_found),
            Err(error) => Err(Error::internal(format!("looking for model {name} failed: {error}"))),
        }
    }

    /// The slot of a model, which stays loaded for as long as the terms say.
    fn slot(&self, model: &Model) -> Arc<Slot> {
        let slot = self.shared.pool.slot(model);
        if let Some(keep_alive) = self.terms.keep_alive {
            slot.keep(keep_alive);
        }
        slot
    }

    async fn submit(
        &self,
        model: &Model,
        work: Work,
        fits: impl Fn(&ModelInfo) -> Result<(), Error>,
    ) -> Result<Ticket, Error> {
        let slot = self.slot(model);
        let span = trace::span(&model.name, &work, &self.terms);
        let account = slot.counters.account(&self.terms.tenant, span);
        let submitted = self.submit_to(&slot, model, work, fits, &account).await;
        submitted.inspect_err(|error| account.failed(error))
    }

    /// A seat, the model, the seat's turn, the worker; from there on the worker's events count.
    async fn submit_to(
        &self,
        slot: &Arc<Slot>,
        model: &Model,
        work: Work,
        fits: impl Fn(&ModelInfo) -> Result<(), Error>,
        account: &Arc<Account>,
    ) -> Result<Ticket, Error> {
        let Shared { pool, next_id } = &*self.shared;
        let seat: Seat = slot.line.enter(&self.terms, account)?;
        let id = next_id.fetch_add(1, Ordering::Relaxed);
        let mut frame = wire::submit(id, work)?;
        fits(&slot.worker(model, pool, &self.terms, |_| {}).await?.info)?;
        let mut place = seat.turn(&self.terms).await?;
        loop {
            // Usually the same one as before; while the request waited, it may have ended.
            let worker = slot.worker(model, pool, &self.terms, |_| {}).await?;
            fits(&worker.info)?;
            match worker.submit(id, frame, place) {
                Ok(ticket) => {
                    let request_id = self.terms.request_id.as_deref();
                    tracing::debug!(
                        request_id,
                        model = model.name,
                        pid = worker.pid,
                        number = id,
                        "request at the worker"
                    );
                    return Ok(ticket);
                }
                // It ended in between; asking again starts another one, or says why not.
                Err(back) => (frame, place) = back,
            }
        }
    }
}

fn texts(events: impl IntoIterator<Item = Event>) -> String {
    let text = |event| match event {
        Event::Text(text) => text,
        _ => String::new(),
    };
    events.into_iter().map(text).collect()
}

fn vectors(events: impl IntoIterator<Item = Event>) -> Vec<Vec<f32>> {
    let vector = |event| match event {
        Event::Embedding(vector) => Some(vector),
        _ => None,
    };
    events.into_iter().filter_map(vector).collect()
}

fn not_found(error: ModelsError) -> Error {
    let kind = match &error {
        ModelsError::NotFound { name, near } => {
            let hint = match near.as_slice() {
                [] => "`inferno models list` shows those that there are.".to_owned(),
                near => format!("Did you mean {}?", near.join(" or ")),
            };
            return Error::new(ErrorKind::NotFound, format!("no model is named {name:?}")).hint(hint);
        }
        ModelsError::NoModel { .. } => ErrorKind::NotFound,
        ModelsError::InvalidName { .. } => ErrorKind::Invalid,
        // A file that is broken is no fault of who asks for the model.
        ModelsError::Unusable { .. } | ModelsError::Directory { .. } => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}
