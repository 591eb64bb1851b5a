//! One model file: the one load that all wait for, the pause after crashes, and when the model is unloaded.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, SystemTime},
};

use inferno_backend::{Error, ErrorKind};
use inferno_models::Model;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    KeepAlive, Loaded, ModelFigures, State as Shown, Status, Terms,
    figures::Counters,
    line::Line,
    lock, machine,
    memory::Short,
    pool::Pool,
    supervisor::shutting_down,
    worker::{Worker, unloaded},
};

/// The longest pause between two attempts with a model that fails.
const LONGEST: Duration = Duration::from_secs(30);

/// When a load is worth asking about again, at least and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);

/// Everything about one model file, whatever names it has.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) line: Arc<Line>,
    pub(crate) counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Now,
    /// Size and time of the file that `now` is about: a file that was replaced is another model.
    file: Option<(u64, SystemTime)>,
    /// Failures since something last went well.
    failures: u32,
    /// What went wrong last, and until when nothing is tried because of it.
    pause: Option<(Instant, Error)>,
    keep_alive: KeepAlive,
    pinned: bool,
}

#[derive(Debug)]
enum Now {
    Idle,
    Loading(Loading),
    Ready(Arc<Worker>),
}

#[derive(Clone, Debug)]
struct Loading {
    news: watch::Receiver<Load>,
    began: Instant,
    stop: CancellationToken,
}

/// How far a load is.
#[derive(Debug)]
pub(crate) enum Load {
    /// Other models are in the way.
    Room(Short),
    Share(f32),
    Over(Result<Arc<Worker>, Error>),
}

/// How to come by a worker.
enum Way {
    Ready(Arc<Worker>),
    Wait(Loading),
}

/// When a model is to be unloaded.
enum Expiry {
    At(Instant),
    /// It has requests.
    Busy,
    Never,
    /// Another worker has taken the place of this one.
    Replaced,
}

impl Slot {
    pub(crate) fn new(model: &Model, pool: &Pool) -> Self {
        let config = &pool.launcher.config;
        let is_pinned = |name: &String| *name == model.name || model.aliases.contains(name);
        let state = State {
            now: Now::Idle,
            file: None,
            failures: 0,
            pause: None,
            keep_alive: config.keep_alive,
            pinned: config.pinned.iter().any(is_pinned),
        };
        Self {
            name: model.name.clone(),
            line: Arc::new(Line::new(&model.name, config, Arc::clone(&pool.memory.changed))),
            counters: Arc::default(),
            state: Mutex::new(state),
        }
    }

    /// The model's worker; it is started if there is none, and all who ask meanwhile wait for the same start.
    pub(crate) async fn worker(
        self: &Arc<Self>,
        model: &Model,
        pool: &Arc<Pool>,
        terms: &Terms,
        mut progress: impl FnMut(f32),
    ) -> Result<Arc<Worker>, Error> {
        let mut loading = match self.way(model, pool)? {
            Way::Ready(worker) => return Ok(worker),
            Way::Wait(loading) => loading,
        };
        let patience = terms.wait_for_load.map(|patience| Instant::now() + patience);
        let until = terms.deadline.into_iter().chain(patience).min();
        loop {
            match &*loading.news.borrow_and_update() {
                Load::Room(_) => progress(0.0),
                Load::Share(share) => progress(*share),
                Load::Over(outcome) => return outcome.clone(),
            }
            let changed = match until {
                Some(until) => timeout_at(until, loading.news.changed()).await,
                None => Ok(loading.news.changed().await),
            };
            match changed {
                Ok(Ok(())) => {}
                // The task that loads tells its outcome, unless the runtime takes it down.
                Ok(Err(_)) => return Err(shutting_down(&self.name)),
                Err(_) => return Err(self.still_loading(&loading, until == terms.deadline)),
            }
        }
    }

    fn still_loading(&self, loading: &Loading, deadline: bool) -> Error {
        let (name, news) = (&self.name, loading.news.borrow());
        let share = match &*news {
            Load::Room(short) => return short.told(name).retry_after(SOON),
            Load::Share(share) => share.clamp(0.0, 1.0),
            Load::Over(_) => 1.0,
        };
        let (kind, deadline) = match deadline {
            true => (ErrorKind::Timeout, ", and the deadline of the request has passed"),
            false => (ErrorKind::Unavailable, ""),
        };
        // As long again for the rest as for what is done.
        let left = loading.began.elapsed().mul_f32((1.0 - share) / share.max(0.01));
        Error::new(kind, format!("model {name} is being loaded: {:.0} % are done{deadline}", share * 100.0))
            .retry_after(left.clamp(SOON, LATE))
    }

    fn way(self: &Arc<Self>, model: &Model, pool: &Arc<Pool>) -> Result<Way, Error> {
        let mut state = lock(&self.state);
        if pool.launcher.tasks.is_closed() {
            return Err(shutting_down(&self.name));
        }
        let file = Some((model.size, model.modified));
        if state.file != file {
            // The old worker goes on with its requests, which hold it, and ends with the last one.
            (state.now, state.file, state.failures, state.pause) = (Now::Idle, file, 0, None);
        }
        match &state.now {
            Now::Loading(loading) => return Ok(Way::Wait(loading.clone())),
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
        let loading = self.start(model, pool);
        state.now = Now::Loading(loading.clone());
        Ok(Way::Wait(loading))
    }

    /// Loads in a task of its own: who asked may leave, the others and the process still need it.
    fn start(self: &Arc<Self>, model: &Model, pool: &Arc<Pool>) -> Loading {
        let (sender, news) = watch::channel(Load::Share(0.0));
        let (began, stop) = (Instant::now(), pool.launcher.closing.child_token());
        let loading = Loading { news, began, stop: stop.clone() };
        let (slot, model, pool) = (Arc::clone(self), model.clone(), Arc::clone(pool));
        let tasks = pool.launcher.tasks.clone();
        tasks.spawn(async move {
            let outcome = match pool.room(&model, &sender, &stop).await {
                Ok(memory) => {
                    slot.counters.starts.fetch_add(1, Relaxed);
                    let began = Instant::now();
                    let outcome = pool.start(&model, memory, &stop, &sender).await.map(Arc::new);
                    slot.counters.load.observe(began.elapsed());
                    slot.settle(&model, &outcome, stop.is_cancelled());
                    outcome
                }
                Err(error) => {
                    slot.settle(&model, &Err(error.clone()), true);
                    Err(error)
                }
            };
            if let Ok(worker) = &outcome {
                slot.line.set_capacity(worker.info.sequences as usize);
                pool.launcher.tasks.spawn(expire(
                    Arc::downgrade(&slot),
                    Arc::downgrade(worker),
                    worker.retired.clone(),
                ));
            }
            sender.send_replace(Load::Over(outcome));
        });
        loading
    }

    /// `forgiven`: an error is not the model's fault.
    fn settle(&self, model: &Model, outcome: &Result<Arc<Worker>, Error>, forgiven: bool) {
        let mut state = lock(&self.state);
        if state.file != Some((model.size, model.modified)) {
            return;
        }
        match outcome {
            Ok(worker) => {
                self.line.touch();
                state.now = Now::Ready(Arc::clone(worker));
            }
            Err(_) if forgiven => state.now = Now::Idle,
            Err(error) => {
                state.now = Now::Idle;
                state.failures += 1;
                state.pause = Some((Instant::now() + pause(state.failures), error.clone()));
            }
        }
    }

    /// From now on.
    pub(crate) fn keep(&self, keep_alive: KeepAlive) {
        lock(&self.state).keep_alive = keep_alive;
        self.line.left.notify_one();
    }

    /// From now on.
    pub(crate) fn pin(&self, pinned: bool) {
        lock(&self.state).pinned = pinned;
        self.line.left.notify_one();
    }

    fn expiry(&self, worker: &Weak<Worker>) -> Expiry {
        let state = lock(&self.state);
        match (&state.now, state.keep_alive) {
            (Now::Ready(current), _) if !std::ptr::eq(Arc::as_ptr(current), worker.as_ptr()) => {
                Expiry::Replaced
            }
            (Now::Idle | Now::Loading(_), _) => Expiry::Replaced,
            (Now::Ready(_), KeepAlive::Forever) => Expiry::Never,
            (Now::Ready(_), KeepAlive::For(_)) if state.pinned => Expiry::Never,
            (Now::Ready(_), KeepAlive::For(time)) => {
                // In this order: whoever leaves now either is seen to have left, or sees that this is wanted.
                self.line.watched.store(true, SeqCst);
                if !self.line.is_idle() {
                    return Expiry::Busy;
                }
                self.line.watched.store(false, SeqCst);
                self.line.used().checked_add(time).map_or(Expiry::Never, Expiry::At)
            }
        }
    }

    /// What would be won by unloading it, and since when nobody asked for it; nothing where it must stay.
    pub(crate) fn idle(&self) -> Option<(Instant, u64)> {
        let state = lock(&self.state);
        match &state.now {
            Now::Ready(worker) if !state.pinned && self.line.is_idle() => {
                Some((self.line.used(), worker.memory.bytes()))
            }
            _ => None,
        }
    }

    /// Unloads the model if nobody asks it for anything. Whoever has a seat is seen here, and whoever takes one later
    /// finds no worker and starts another.
    pub(crate) fn unload_idle(&self) -> Option<Arc<Worker>> {
        let mut state = lock(&self.state);
        if !self.line.is_idle() {
            return None;
        }
        state.take()
    }

    /// Unloads the model whatever it does.
    fn unload_now(&self) -> Option<Arc<Worker>> {
        let worker = lock(&self.state).take()?;
        worker.stop(unloaded(&self.name));
        Some(worker)
    }

    /// Unloads the model and waits until its process is gone; false: it was not loaded.
    pub(crate) async fn unload(&self, force: bool) -> bool {
        let worker = loop {
            self.load_over(force).await;
            if force {
                break self.unload_now();
            }
            self.line.drained().await;
            let mut state = lock(&self.state);
            // Somebody may have come meanwhile.
            if self.line.is_idle() && !matches!(state.now, Now::Loading(_)) {
                break state.take();
            }
        };
        let Some(gone) = worker.map(|worker| worker.gone.clone()) else { return false };
        gone.cancelled().await;
        true
    }

    /// Waits for a load to end, if there is one.
    async fn load_over(&self, give_up: bool) {
        let loading = match &lock(&self.state).now {
            Now::Loading(loading) => Some(loading.clone()),
            Now::Idle | Now::Ready(_) => None,
        };
        if let Some(mut loading) = loading {
            if give_up {
                loading.stop.cancel();
            }
            loading.news.wait_for(|load| matches!(load, Load::Over(_))).await.ok();
        }
    }

    /// What is known about it.
    pub(crate) fn status(&self, estimated: u64) -> Status {
        let (active, queued) = self.line.counts();
        let restarts = self.counters.restarts();
        let state = lock(&self.state);
        let (pinned, name) = (state.pinned, self.name.clone());
        Status { name, state: state.shown(), active, queued, estimated, pinned, restarts }
    }

    /// What there is to count.
    pub(crate) fn figures(&self) -> ModelFigures {
        let (active, queued) = self.line.counts();
        let memory = match &lock(&self.state).now {
            Now::Ready(worker) if worker.closed().is_none() => Some(worker.memory.bytes()),
            _ => None,
        };
        ModelFigures { active, queued, memory, ..self.counters.figures() }
    }

    /// For people; nothing while no worker holds the model.
    pub(crate) fn loaded(&self) -> Option<Loaded> {
        let state = lock(&self.state);
        let Now::Ready(worker) = &state.now else { return None };
        if worker.closed().is_some() {
            return None;
        }
        let (active, queued) = self.line.counts();
        let (used, now) = (self.line.used(), Instant::now());
        let last_used = SystemTime::now() - now.saturating_duration_since(used);
        let expires = match state.keep_alive {
            KeepAlive::For(time) if !state.pinned => last_used.checked_add(time),
            KeepAlive::For(_) | KeepAlive::Forever => None,
        };
        Some(Loaded {
            name: self.name.clone(),
            info: worker.info.clone(),
            pid: worker.pid,
            active,
            queued,
            restarts: self.counters.restarts(),
            since: worker.since,
            last_used,
            expires,
            pinned: state.pinned,
            memory: worker.memory.bytes(),
            estimated: worker.estimated,
            resident: machine::resident(worker.pid),
        })
    }
}

impl State {
    fn shown(&self) -> Shown {
        let failed = |error: &Error| Shown::Failed { error: error.clone() };
        match &self.now {
            Now::Loading(loading) => Shown::Loading {
                progress: match &*loading.news.borrow() {
                    Load::Room(_) => 0.0,
                    Load::Share(share) => *share,
                    Load::Over(_) => 1.0,
                },
            },
            Now::Ready(worker) => match worker.closed() {
                None => Shown::Ready,
                Some(closed) => failed(&closed.error),
            },
            Now::Idle => match &self.pause {
                Some((until, error)) => {
                    let left = until.saturating_duration_since(Instant::now());
                    failed(&if left.is_zero() { error.clone() } else { error.clone().retry_after(left) })
                }
                None => Shown::Unloaded,
            },
        }
    }

    fn take(&mut self) -> Option<Arc<Worker>> {
        match std::mem::replace(&mut self.now, Now::Idle) {
            Now::Ready(worker) => {
                worker.memory.leaving();
                // What was wrong with others before says nothing about the next one.
                (self.failures, self.pause) = (0, None);
                Some(worker)
            }
            other => {
                self.now = other;
                None
            }
        }
    }
}

/// Unloads a model that nobody has asked for anything for as long as it is kept alive.
async fn expire(slot: Weak<Slot>, worker: Weak<Worker>, retired: CancellationToken) {
    loop {
        let Some(slot) = slot.upgrade() else { return };
        let line = Arc::clone(&slot.line);
        let wake = match slot.expiry(&worker) {
            // The news may have been for the one that took its place.
            Expiry::Replaced => return line.left.notify_one(),
            Expiry::At(instant) if instant <= Instant::now() => {
                if let Some(worker) = slot.unload_idle() {
                    tracing::debug!(model = slot.name, pid = worker.pid, "nobody asks for the model");
                    return;
                }
                continue;
            }
            Expiry::At(instant) => Some(instant),
            Expiry::Busy | Expiry::Never => None,
        };
        // Only while it sleeps: nobody else may be left who needs it.
        drop(slot);
        tokio::select! {
            () = line.left.notified() => {}
            () = retired.cancelled() => return,
            () = async { match wake { Some(instant) => sleep_until(instant).await, None => std::future::pending().await } } => {}
        }
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
