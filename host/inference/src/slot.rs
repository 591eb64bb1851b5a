//! One model file: its bounded queue, the one load that all wait for, and the pause after crashes.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use inferno_backend::{Error, ErrorKind};
use inferno_models::Model;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use crate::{
    Config,
    inference::Loaded,
    lock,
    requests::Place,
    supervisor::shutting_down,
    worker::{Launcher, Worker},
};

/// When a full queue is worth another try.
const FULL: Duration = Duration::from_secs(1);

/// The longest pause between two attempts with a model that fails.
const LONGEST: Duration = Duration::from_secs(30);

/// Everything about one model file, whatever names it has.
#[derive(Debug)]
pub(crate) struct Slot {
    name: String,
    limit: usize,
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Now,
    /// Size and time of the file that `now` is about: a file that was replaced is another model.
    file: Option<(u64, SystemTime)>,
    /// Workers that were started.
    starts: u32,
    /// Failures since something last went well.
    failures: u32,
    /// What went wrong last, and until when nothing is tried because of it.
    pause: Option<(Instant, Error)>,
}

#[derive(Debug)]
enum Now {
    Idle,
    Loading(watch::Receiver<Load>),
    Ready(Arc<Worker>),
}

/// How far a load is.
#[derive(Debug)]
enum Load {
    Share(f32),
    Over(Result<Arc<Worker>, Error>),
}

/// How to come by a worker.
enum Way {
    Ready(Arc<Worker>),
    Wait(watch::Receiver<Load>),
}

impl Slot {
    pub(crate) fn new(model: &Model, config: &Config) -> Self {
        let limit = (config.sequences as usize).saturating_add(config.queue).min(Semaphore::MAX_PERMITS);
        let state = State { now: Now::Idle, file: None, starts: 0, failures: 0, pause: None };
        Self {
            name: model.name.clone(),
            limit,
            places: Arc::new(Semaphore::new(limit)),
            state: Mutex::new(state),
        }
    }

    /// Takes one of the model's places.
    pub(crate) fn enter(&self) -> Result<Place, Error> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let (name, limit) = (&self.name, self.limit);
            Error::new(
                ErrorKind::Exhausted,
                format!("model {name} has {limit} requests already, and no place for more"),
            )
            .hint("Try again later, or raise the queue's length or the number of sequences.")
            .retry_after(FULL)
        })
    }

    /// Waits until the model has no request any more.
    pub(crate) async fn drained(&self) {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        // It is never closed, so this ends with all places, which go back at once.
        drop(self.places.acquire_many(all).await);
    }

    /// The model's worker; it is started if there is none, and all who ask meanwhile wait for the same start.
    pub(crate) async fn worker(
        self: &Arc<Self>,
        model: &Model,
        launcher: &Arc<Launcher>,
        mut progress: impl FnMut(f32),
    ) -> Result<Arc<Worker>, Error> {
        let mut load = match self.way(model, launcher)? {
            Way::Ready(worker) => return Ok(worker),
            Way::Wait(load) => load,
        };
        loop {
            let share = match &*load.borrow_and_update() {
                Load::Share(share) => *share,
                Load::Over(outcome) => return outcome.clone(),
            };
            progress(share);
            if load.changed().await.is_err() {
                // The task that loads tells its outcome, unless the runtime takes it down.
                return Err(shutting_down(&self.name));
            }
        }
    }

    fn way(self: &Arc<Self>, model: &Model, launcher: &Arc<Launcher>) -> Result<Way, Error> {
        let mut state = lock(&self.state);
        if launcher.tasks.is_closed() {
            return Err(shutting_down(&self.name));
        }
        let file = Some((model.size, model.modified));
        if state.file != file {
            // The old worker goes on with its requests, which hold it, and ends with the last one.
            *state = State { now: Now::Idle, file, starts: state.starts, failures: 0, pause: None };
        }
        match &state.now {
            Now::Loading(load) => return Ok(Way::Wait(load.clone())),
            Now::Ready(worker) => match worker.closed() {
                None => return Ok(Way::Ready(Arc::clone(worker))),
                Some(closed) => {
                    state.failures = if worker.served() { 1 } else { state.failures + 1 };
                    state.pause = Some((closed.since + pause(state.failures), closed.error));
                    state.now = Now::Idle;
                }
            },
            Now::Idle => {}
        }
        if let Some((until, error)) = &state.pause {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(error.clone().retry_after(left));
            }
        }
        let load = self.start(model, launcher);
        state.now = Now::Loading(load.clone());
        state.starts += 1;
        Ok(Way::Wait(load))
    }

    /// Loads in a task of its own: who asked may leave, the others and the process still need it.
    fn start(self: &Arc<Self>, model: &Model, launcher: &Arc<Launcher>) -> watch::Receiver<Load> {
        let (sender, receiver) = watch::channel(Load::Share(0.0));
        let (slot, model, launcher) = (Arc::clone(self), model.clone(), Arc::clone(launcher));
        let tasks = launcher.tasks.clone();
        tasks.spawn(async move {
            let progress = |share| drop(sender.send_replace(Load::Share(share)));
            let outcome = Worker::start(&model, &launcher, progress).await.map(Arc::new);
            slot.settle(&model, &outcome);
            sender.send_replace(Load::Over(outcome));
        });
        receiver
    }

    fn settle(&self, model: &Model, outcome: &Result<Arc<Worker>, Error>) {
        let mut state = lock(&self.state);
        if state.file != Some((model.size, model.modified)) {
            return;
        }
        match outcome {
            Ok(worker) => state.now = Now::Ready(Arc::clone(worker)),
            Err(error) => {
                state.now = Now::Idle;
                state.failures += 1;
                state.pause = Some((Instant::now() + pause(state.failures), error.clone()));
            }
        }
    }

    /// For people; nothing while no worker holds the model.
    pub(crate) fn loaded(&self) -> Option<Loaded> {
        let state = lock(&self.state);
        let Now::Ready(worker) = &state.now else { return None };
        if worker.closed().is_some() {
            return None;
        }
        let requests = worker.load();
        let active = requests.min(worker.info.sequences as usize);
        Some(Loaded {
            name: self.name.clone(),
            info: worker.info.clone(),
            pid: worker.pid,
            active,
            queued: requests - active,
            restarts: state.starts.saturating_sub(1),
        })
    }
}

/// How long nothing is tried after so many failures in a row: the first one may be an accident.
fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => Duration::from_secs(1 << (more - 2).min(5)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        let seconds: Vec<u64> = (0..9).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(u32::MAX), LONGEST);
    }
}
