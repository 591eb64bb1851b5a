//! All models together: which of them are loaded, and which must go so that another one fits.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex},
};

use inferno_backend::{Error, LoadOptions};
use inferno_models::{Format, Model, Models};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, lock,
    memory::{self, Memory, Reservation, Short},
    prompt_cache::InUse,
    slot::{Load, Slot},
    wire,
    worker::{Launcher, Start, Worker, stopped},
};

/// The models of one [`crate::Inference`].
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) models: Models,
    pub(crate) launcher: Launcher,
    pub(crate) memory: Arc<Memory>,
    /// By the file, so that all names of a model share one worker.
    slots: Mutex<HashMap<PathBuf, Arc<Slot>>>,
}

impl Pool {
    pub(crate) fn new(models: Models, config: Config) -> Self {
        let memory = Arc::new(Memory::new(config.memory_budget));
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let launcher = Launcher { config, tasks, closing };
        Self { models, launcher, memory, slots: Mutex::default() }
    }

    pub(crate) fn slot(&self, model: &Model) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        match slots.get(&model.path) {
            Some(slot) => Arc::clone(slot),
            None => {
                let slot = Arc::new(Slot::new(model, self));
                slots.insert(model.path.clone(), Arc::clone(&slot));
                slot
            }
        }
    }

    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        lock(&self.slots).values().cloned().collect()
    }

    /// What a model will take, as far as its header tells.
    pub(crate) fn estimate(&self, model: &Model) -> u64 {
        memory::estimate(model, &self.launcher.config)
    }

    /// Sets memory aside for a model. Idle models make room, the one first that was used least lately; where that is
    /// not enough, this waits until it is, or nobody wants the model any more.
    pub(crate) async fn room(
        &self,
        model: &Model,
        news: &watch::Sender<Load>,
        stop: &CancellationToken,
    ) -> Result<Reservation, Error> {
        let needed = self.estimate(model);
        let patience = Instant::now() + self.launcher.config.load_timeout;
        loop {
            let mut changed = pin!(self.memory.changed.notified());
            // Before looking, so that nothing that changes meanwhile is missed.
            changed.as_mut().enable();
            let short = match self.memory.take(needed) {
                Ok(memory) => return Ok(memory),
                Err(short) => short,
            };
            if short.never() {
                return Err(short.told(&model.name));
            }
            self.make_room(short);
            news.send_replace(Load::Room(short));
            tokio::select! {
                changed = timeout_at(patience, changed) => if changed.is_err() {
                    return Err(short.told(&model.name).retry_after(self.launcher.config.load_timeout));
                },
                () = stop.cancelled() => return Err(stopped(&model.name, &self.launcher)),
                // Who wanted it has left.
                () = news.closed() => return Err(stopped(&model.name, &self.launcher)),
            }
        }
    }

    /// Unloads idle models, if that is enough.
    fn make_room(&self, short: Short) {
        let slots = self.slots();
        let mut idle: Vec<_> = slots.iter().filter_map(|slot| Some((slot.idle()?, slot))).collect();
        idle.sort_by_key(|((used, _), _)| *used);
        let enough = idle.iter().map(|((_, bytes), _)| bytes).sum::<u64>() >= short.missing;
        let mut missing = if enough { short.missing } else { 0 };
        for ((_, bytes), slot) in idle {
            if missing == 0 {
                return;
            }
            if let Some(worker) = slot.unload_idle() {
                tracing::info!(
                    model = slot.name,
                    pid = worker.pid,
                    "unloaded to make room for another model"
                );
                missing = missing.saturating_sub(bytes);
            }
        }
    }

    /// Starts a worker and has it load a model.
    pub(crate) async fn start(
        &self,
        model: &Model,
        memory: Reservation,
        stop: &CancellationToken,
        news: &watch::Sender<Load>,
    ) -> Result<Worker, Error> {
        let Config { context, sequences, threads, threads_batch, .. } = self.launcher.config;
        let (adapters, state) = self.files_of(model).await?;
        let options = LoadOptions {
            context,
            sequences,
            threads,
            threads_batch,
            adapters,
            projector: model.projector.as_ref().map(|projector| projector.path.clone()),
            files: other_files(model),
            state_dir: state.as_ref().map(|state| state.dir.clone()),
            extra: state.as_ref().map(InUse::options).unwrap_or_default(),
            ..LoadOptions::new(&model.path)
        };
        let start = Start { model, load: wire::load(model, options)?, memory, stop };
        let progress = |share| drop(news.send_replace(Load::Share(share)));
        let started = Worker::start(start, &self.launcher, progress).await;
        if let Some(state) = state {
            let gone = started.as_ref().map(|worker| worker.gone.clone()).ok();
            self.launcher.tasks.spawn(async move {
                if let Some(gone) = gone {
                    gone.cancelled().await;
                }
                // It packs and removes files.
                tokio::task::spawn_blocking(|| state.leave()).await.ok();
            });
        }
        started
    }

    /// The adapters that fit a model, and where its worker may keep what it computed.
    async fn files_of(&self, model: &Model) -> Result<(BTreeMap<String, PathBuf>, Option<InUse>), Error> {
        if model.format != Format::Gguf {
            return Ok((BTreeMap::new(), None));
        }
        let (models, cache) = (self.models.clone(), self.launcher.config.prompt_cache.clone());
        let model = model.clone();
        let found = tokio::task::spawn_blocking(move || {
            let listing = models.list().unwrap_or_default();
            let fitting = listing.adapters.into_iter().filter(|adapter| adapter.fits(&model));
            let adapters = fitting.map(|adapter| (adapter.name, adapter.path)).collect();
            let state = cache.and_then(|cache| {
                let entered = model.digest().map_err(|error| error.to_string());
                let entered =
                    entered.and_then(|digest| cache.enter(&digest).map_err(|error| error.to_string()));
                let name = &model.name;
                entered.inspect_err(|error| tracing::warn!(model = name, error, "it keeps no prompts")).ok()
            });
            (adapters, state)
        });
        found
            .await
            .map_err(|error| Error::internal(format!("looking for the files of a model failed: {error}")))
    }
}

/// Files of a model that its backend does not find by a rule of its own, as it does with the parts of a split one.
fn other_files(model: &Model) -> Vec<PathBuf> {
    if model.format != Format::Onnx {
        return Vec::new();
    }
    model.files().iter().skip(1).cloned().collect()
}
