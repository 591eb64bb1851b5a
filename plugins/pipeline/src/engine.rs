//! Runs a pipeline: pulls batches from sources, pushes each through the graph to the sinks, and makes checkpoints.
//!
//! One batch is on its way at a time, and one for each plugin that works beside. Before a checkpoint those are waited for,
//! so that every checkpoint is whole; and memory is what a few batches need, however many records there are.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::checkpoint::{self, Checkpoint, Counts, Phase, SourceState, StepState};
use crate::dead::DeadLetters;
use crate::disk::Disk;
use crate::error::Error;
use crate::host::Host;
use crate::journal::Journal;
use crate::models::Models;
use crate::node::{Progress, Pull, Pulled, Room};
use crate::plan::{Made, Plan, Work};
use crate::record::Record;
use crate::session::Tools;

mod deliver;
mod turns;

#[cfg(test)]
pub(crate) mod faults;
#[cfg(test)]
mod tests;

use turns::Turns;

/// How a run is to be.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) room: Room,
    /// The longest time between two checkpoints.
    pub(crate) checkpoint: Duration,
    /// How many records are taken from the sources, if not all.
    pub(crate) limit: Option<u64>,
    /// Where the state is.
    pub(crate) state: PathBuf,
    /// Where the dead letters go.
    pub(crate) dead: PathBuf,
}

/// How much is read at most between two checkpoints, since steps hold what is new in their memory until then.
const BYTES_BETWEEN: usize = 32 << 20;
/// How long to wait where no source has anything.
const IDLE: Duration = Duration::from_millis(200);

/// Who wants to know how far a run is.
pub(crate) trait Observer {
    /// Called after each batch; how far it is can be asked for.
    fn tick(&mut self, report: &dyn Fn() -> Report);
}

/// Nobody does.
pub(crate) struct Unwatched;

impl Observer for Unwatched {
    fn tick(&mut self, _: &dyn Fn() -> Report) {}
}

/// How far a run is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// By node, in the order of the file.
    pub(crate) counts: Vec<(String, Counts)>,
    /// Of all sources together.
    pub(crate) progress: Progress,
    /// How many records were read.
    pub(crate) records: u64,
    /// Calls of models in this run: those that were made, and those that were answered before.
    pub(crate) calls: (u64, u64),
}

/// A node of a run.
struct Running {
    made: Made,
    /// Who takes from it, and as which of their inputs.
    to: Vec<(usize, usize)>,
    counts: Counts,
    /// A source has no more; a step has given what it kept.
    ended: bool,
    /// How many batches of what it kept have gone on.
    finished: u64,
    journal: Option<Journal>,
    /// The inputs of the batches that the step works on beside this.
    begun: VecDeque<usize>,
}

/// A run under way.
pub(crate) struct Run {
    nodes: Vec<Running>,
    order: Vec<usize>,
    turns: Turns,
    settings: Settings,
    disk: Rc<dyn Disk>,
    host: Rc<dyn Host>,
    models: Rc<Models>,
    checkpoint: Checkpoint,
    dead: DeadLetters,
    last: Instant,
    /// Bytes read since the last checkpoint.
    bytes: usize,
    /// Records that may still be taken.
    left: Option<u64>,
    /// Sees what each node hands on.
    pub(crate) trace: Option<Trace>,
}

/// Sees what each node hands on.
pub(crate) type Trace = Box<dyn FnMut(&str, &[Record])>;

impl Run {
    /// Gets ready to run from the beginning, or from a checkpoint.
    pub(crate) fn start(
        plan: Plan,
        settings: Settings,
        from: Option<Checkpoint>,
        tools: &Tools,
    ) -> Result<Self, Error> {
        let Tools { disk, host } = tools.clone();
        let mut turns = Turns::new(&plan)?;
        let checkpoint = match from {
            Some(checkpoint) => checkpoint,
            None => {
                checkpoint::forget(&settings.state, disk.as_ref())?;
                let digests = plan.nodes.iter().map(|made| (made.name.clone(), made.digest.clone()));
                Checkpoint::new(digests.collect(), settings.limit, now())
            }
        };
        turns.next = checkpoint.turn;
        let dead = DeadLetters::start(disk.clone(), settings.dead.clone(), checkpoint.dead)?;
        let mut nodes: Vec<_> = plan.nodes.into_iter().map(Running::new).collect();
        for at in 0..nodes.len() {
            for (input, from) in nodes[at].made.from.clone().into_iter().enumerate() {
                nodes[from].to.push((at, input));
            }
        }
        for node in &mut nodes {
            node.start(&checkpoint, &settings.state, &disk)?;
        }
        let taken: u64 = nodes.iter().filter(|node| node.is_source()).map(|node| node.counts.taken).sum();
        let left = settings.limit.map(|limit| limit.saturating_sub(taken));
        let (order, models, last) = (plan.order, plan.models, Instant::now());
        let bytes = 0;
        let mut run = Self {
            nodes,
            order,
            turns,
            settings,
            disk,
            host,
            models,
            checkpoint,
            dead,
            last,
            bytes,
            left,
            trace: None,
        };
        if run.checkpoint.sinks.is_empty() {
            // What the sinks have begun is part of the run from here on.
            run.save(Phase::Running)?;
        }
        Ok(run)
    }

    /// Runs to the end.
    pub(crate) fn go(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        if self.checkpoint.phase == Phase::Running {
            while self.advance()? {
                observer.tick(&|| self.report());
                if self.is_time() {
                    self.save(Phase::Running)?;
                }
            }
            self.save(Phase::Written)?;
        }
        for node in &mut self.nodes {
            if let Work::Sink(sink) = &mut node.made.work {
                sink.publish()?;
            }
        }
        self.checkpoint.phase = Phase::Done;
        self.checkpoint.written = now();
        self.checkpoint.write(&self.settings.state, self.disk.as_ref())?;
        observer.tick(&|| self.report());
        Ok(())
    }

    /// Takes a batch from a source, or from what a step kept, through the graph. False: there is no more.
    fn advance(&mut self) -> Result<bool, Error> {
        if self.finish_steps()? {
            return Ok(true);
        }
        let mut idle = false;
        for at in self.turns.next(|at| self.nodes[at].ended) {
            if self.left == Some(0) {
                self.nodes[at].ended = true;
                return Ok(true);
            }
            match self.pull(at)? {
                Pull::Batch(batch) => {
                    self.take(at, batch)?;
                    return Ok(true);
                }
                Pull::Idle => idle = true,
                Pull::End => {
                    self.nodes[at].ended = true;
                    return Ok(true);
                }
            }
        }
        if idle {
            self.save(Phase::Running)?;
            self.host.sleep(IDLE);
        }
        Ok(idle)
    }

    fn pull(&mut self, at: usize) -> Result<Pull, Error> {
        let most = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
        let room = Room { records: self.settings.room.records.min(most), ..self.settings.room };
        match &mut self.nodes[at].made.work {
            Work::Source(source) => source.pull(room),
            _ => Ok(Pull::End),
        }
    }

    fn take(&mut self, at: usize, batch: Vec<Pulled>) -> Result<(), Error> {
        let count = batch.len() as u64;
        self.nodes[at].counts.taken += count;
        self.left = self.left.map(|left| left.saturating_sub(count));
        let mut records = Vec::with_capacity(batch.len());
        for pulled in batch {
            match pulled {
                Pulled::Record(record) => records.push(record),
                Pulled::Bad { record, why } => self.lose(at, record, &why, deliver::Cause::Record)?,
            }
        }
        self.bytes += records.iter().map(Record::size).sum::<usize>();
        self.pass_on(at, records)
    }

    /// Has a step whose inputs have all ended give a batch of what it kept. False: there is no such step.
    fn finish_steps(&mut self) -> Result<bool, Error> {
        for place in 0..self.order.len() {
            let at = self.order[place];
            let over = |node: &Running| node.made.from.iter().all(|from| self.nodes[*from].ended);
            if self.nodes[at].ended || !over(&self.nodes[at]) {
                continue;
            }
            if self.end_one(at)? {
                return Ok(true);
            }
            let Work::Step(step) = &mut self.nodes[at].made.work else { continue };
            let kept = step.finish()?;
            if kept.is_empty() {
                self.nodes[at].ended = true;
                continue;
            }
            self.nodes[at].finished += 1;
            self.bytes += kept.iter().map(Record::size).sum::<usize>();
            self.pass_on(at, kept)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn is_time(&self) -> bool {
        self.last.elapsed() >= self.settings.checkpoint || self.bytes >= BYTES_BETWEEN
    }

    /// Makes all that was done durable.
    fn save(&mut self, phase: Phase) -> Result<(), Error> {
        for place in 0..self.order.len() {
            while self.end_one(self.order[place])? {}
        }
        let next = &mut self.checkpoint;
        for node in &mut self.nodes {
            node.commit(next)?;
        }
        next.turn = self.turns.next;
        next.dead = self.dead.commit()?;
        self.models.sync()?;
        next.phase = phase;
        next.written = now();
        next.write(&self.settings.state, self.disk.as_ref())?;
        for journal in self.nodes.iter_mut().filter_map(|node| node.journal.as_mut()) {
            journal.tidy()?;
        }
        self.last = Instant::now();
        self.bytes = 0;
        Ok(())
    }

    /// How many records the sources gave.
    fn taken(&self) -> u64 {
        self.nodes.iter().filter(|node| node.is_source()).map(|node| node.counts.taken).sum()
    }

    /// How far it is.
    pub(crate) fn report(&self) -> Report {
        let counts = self.nodes.iter().map(|node| (node.made.name.clone(), node.counts)).collect();
        let progress = self.nodes.iter().filter_map(Running::progress);
        let sum = progress.reduce(|a, b| Progress {
            done: a.done + b.done,
            total: a.total.zip(b.total).map(|(a, b)| a + b),
        });
        Report {
            counts,
            progress: sum.unwrap_or_default(),
            records: self.taken(),
            calls: self.models.calls(),
        }
    }
}

impl Running {
    fn new(made: Made) -> Self {
        Self {
            made,
            to: Vec::new(),
            counts: Counts::default(),
            ended: false,
            finished: 0,
            journal: None,
            begun: VecDeque::new(),
        }
    }

    fn is_source(&self) -> bool {
        matches!(self.made.work, Work::Source(_))
    }

    fn progress(&self) -> Option<Progress> {
        match &self.made.work {
            Work::Source(source) => Some(source.progress()),
            _ => None,
        }
    }

    fn start(
        &mut self,
        from: &Checkpoint,
        state: &std::path::Path,
        disk: &Rc<dyn Disk>,
    ) -> Result<(), Error> {
        let name = &self.made.name;
        self.counts = from.counts.get(name).copied().unwrap_or_default();
        // Once everything is written there is nothing to go back to: files may be in their place already.
        let running = from.phase == Phase::Running;
        match &mut self.made.work {
            Work::Source(source) => {
                let SourceState { position, ended } = from.sources.get(name).cloned().unwrap_or_default();
                self.ended = ended;
                if running && !ended {
                    source.start(position.as_ref())?;
                }
            }
            Work::Step(step) if running => {
                let StepState { finished, ended, memory } = from.steps.get(name).cloned().unwrap_or_default();
                (self.finished, self.ended) = (finished, ended);
                let restore = |piece: &[u8]| step.restore(piece);
                self.journal = Some(Journal::open(disk.clone(), state.join(name), memory, restore)?);
                for _ in 0..finished {
                    step.finish()?;
                }
            }
            Work::Step(_) => self.ended = true,
            Work::Sink(sink) if running => sink.start(from.sinks.get(name))?,
            Work::Sink(_) => {}
        }
        Ok(())
    }

    fn commit(&mut self, into: &mut Checkpoint) -> Result<(), Error> {
        let name = self.made.name.clone();
        into.counts.insert(name.clone(), self.counts);
        match &mut self.made.work {
            Work::Source(source) => {
                let kept = into.sources.get(&name).filter(|kept| kept.ended).cloned();
                let state = SourceState { position: Some(source.position()), ended: self.ended };
                into.sources.insert(name, kept.unwrap_or(state));
            }
            Work::Step(step) => {
                let Some(journal) = &mut self.journal else { return Ok(()) };
                journal.save(&step.save()?)?;
                let memory = journal.commit()?;
                into.steps.insert(name, StepState { finished: self.finished, ended: self.ended, memory });
            }
            Work::Sink(sink) => {
                into.sinks.insert(name, sink.commit()?);
            }
        }
        Ok(())
    }
}

/// Seconds since 1970 (UTC).
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The digests of a plan's nodes, by name.
pub(crate) fn digests(plan: &Plan) -> BTreeMap<String, String> {
    plan.nodes.iter().map(|made| (made.name.clone(), made.digest.clone())).collect()
}
