//! Works on a batch that was ordered over HTTP: the job that the queue of the host runs.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::engine::{self, Answers, Stop, Watch};
use super::ids::Ids;
use super::input::{self, Problem, Rules};
use super::record::{Order, Record, State, Status};
use super::results::Results;
use crate::disk::{self, Folder};
use crate::files::{self, Shelf};

/// How often what became of it is written down, and whether to stop is looked at.
const BEAT: Duration = Duration::from_secs(1);
/// How many requests a batch may have.
const MAX_REQUESTS: usize = 50_000;
/// What is said of requests for which there was no time, as OpenAI says it.
const EXPIRED: (&str, &str) =
    ("batch_expired", "This request could not be executed before the completion window expired.");

/// A batch at work.
struct Worker<'a> {
    folder: &'a Folder,
    record: Record,
    order: Order,
    state: State,
}

/// Works on a batch until it is over. An error leaves it to be gone on with.
pub(crate) async fn work(
    folder: &Folder,
    (record, order): (Record, Order),
    parallel: usize,
    model: Option<String>,
    answers: &impl Answers,
) -> io::Result<()> {
    let state = record.state()?;
    if state.status.is_over() {
        return record.remove_results(None);
    }
    let mut worker = Worker { folder, record, order, state };
    worker.take_over()?;
    let input = Shelf::of(folder).content(&worker.order.input_file_id);
    let rules = Rules { endpoint: Some(worker.order.endpoint.clone()), model, most: MAX_REQUESTS };
    let Some(mut ids) = worker.validate(&input, &rules)? else { return Ok(()) };
    let (good, bad) = worker.record.results(worker.state.run);
    let mut results = Results::open(&good, Some(&bad), &mut ids)?;
    let mut watch = Looking::new(&mut worker);
    let ended = engine::work(&input, &rules, parallel, (&mut ids, &mut results), answers, &mut watch).await?;
    if ended == Some(Stop::Expired) {
        engine::give_up(&input, (&ids, &mut results), EXPIRED)?;
    }
    worker.finish(&mut results, ended)
}

/// Says that a batch has failed, for a reason that its input has no part in.
pub(crate) fn fail(record: &Record, mut state: State, problem: Problem) -> io::Result<State> {
    state.run += 1;
    state.status = Status::Failed;
    state.failed_at = Some(seconds());
    state.errors = vec![problem];
    record.write(&state)?;
    Ok(state)
}

impl Worker<'_> {
    /// Goes on with what others have done. Should one of them still be at work, it finds itself replaced, and what it
    /// writes is not looked at any more.
    fn take_over(&mut self) -> io::Result<()> {
        let before = self.state.run;
        self.state.run += 1;
        for (from, to) in pairs(self.record.results(before), self.record.results(self.state.run)) {
            match fs::copy(&from, &to) {
                Ok(_) => File::open(&to)?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => disk::remove(&to)?,
                Err(error) => return Err(error),
            }
        }
        self.record.write(&self.state)?;
        self.record.remove_results(Some(self.state.run))
    }

    /// Checks the input; without anything if it is not as it has to be, or if there is no need to.
    fn validate(&mut self, input: &Path, rules: &Rules) -> io::Result<Option<Ids>> {
        let checked = match input::check(input, rules) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("The input file '{}' is gone.", self.order.input_file_id);
                Err(vec![Problem::new("file_not_found", message)])
            }
            checked => checked?,
        };
        match checked {
            Ok(ids) => {
                if self.state.status == Status::Validating {
                    self.state.status = Status::InProgress;
                    self.state.in_progress_at = Some(seconds());
                }
                self.state.counts.total = ids.len() as u64;
                self.record.write(&self.state)?;
                Ok(Some(ids))
            }
            Err(problems) => {
                self.state.status = Status::Failed;
                self.state.failed_at = Some(seconds());
                self.state.errors = problems;
                self.record.write(&self.state)?;
                self.record.remove_results(None)?;
                Ok(None)
            }
        }
    }

    /// Whether nobody has taken over.
    fn is_mine(&self) -> io::Result<()> {
        if self.record.state()?.run == self.state.run {
            return Ok(());
        }
        Err(io::Error::other(format!("somebody else works on {} now", self.order.id)))
    }

    /// Makes files of what was answered.
    fn finish(&mut self, results: &mut Results, ended: Option<Stop>) -> io::Result<()> {
        results.sync()?;
        self.is_mine()?;
        let state = &mut self.state;
        state.counts = results.counts();
        if state.status != Status::Finalizing {
            state.status = Status::Finalizing;
            state.finalizing_at = Some(seconds());
            // They are chosen once, so that whoever goes on after a crash makes the same files.
            state.output_file_id.get_or_insert_with(|| disk::new_id(files::PREFIX));
            state.error_file_id.get_or_insert_with(|| disk::new_id(files::PREFIX));
            self.record.write(&self.state)?;
        }
        let (good, bad) = self.record.results(self.state.run);
        let (good_size, bad_size) = results.sizes();
        let output = self.state.output_file_id.take();
        let errors = self.state.error_file_id.take();
        self.state.output_file_id = self.keep(output, &good, good_size, "output")?;
        self.state.error_file_id = self.keep(errors, &bad, bad_size, "error")?;
        let state = &mut self.state;
        match ended {
            // Whoever cancelled came too late.
            Some(Stop::Cancelled) if state.counts.done() == state.counts.total => {
                (state.status, state.completed_at) = (Status::Completed, Some(seconds()));
            }
            None => (state.status, state.completed_at) = (Status::Completed, Some(seconds())),
            Some(Stop::Expired) => (state.status, state.expired_at) = (Status::Expired, Some(seconds())),
            Some(Stop::Cancelled) => {
                (state.status, state.cancelled_at) = (Status::Cancelled, Some(seconds()))
            }
        }
        self.record.write(&self.state)?;
        self.record.remove_results(None)
    }

    /// Makes a file of what one run has written, unless that is nothing. What was written stays until the batch is over:
    /// a crash before that has somebody else make the same file from it.
    fn keep(&self, id: Option<String>, from: &Path, size: u64, what: &str) -> io::Result<Option<String>> {
        let Some(id) = id.filter(|_| size > 0) else { return Ok(None) };
        let draft = self.folder.draft()?;
        fs::copy(from, &draft)?;
        File::open(&draft)?.sync_all()?;
        let name = format!("{}_{what}.jsonl", self.order.id);
        let file = files::File::new(id.clone(), size, name, "batch_output", self.order.output_life);
        Shelf::of(self.folder).put(&draft, &file)?;
        Ok(Some(id))
    }
}

fn pairs<T>(from: (T, T), to: (T, T)) -> [(T, T); 2] {
    [(from.0, to.0), (from.1, to.1)]
}

fn seconds() -> u64 {
    crate::since_1970().as_secs()
}

/// Looks at whether to stop, and writes down how far it is.
struct Looking<'a, 'b> {
    worker: &'a mut Worker<'b>,
    looked: Option<Instant>,
    stop: Option<Stop>,
    told: Instant,
}

impl<'a, 'b> Looking<'a, 'b> {
    fn new(worker: &'a mut Worker<'b>) -> Self {
        Self { worker, looked: None, stop: None, told: Instant::now() }
    }
}

impl Watch for Looking<'_, '_> {
    fn stop(&mut self) -> io::Result<Option<Stop>> {
        if self.stop.is_none() && self.looked.is_none_or(|looked| looked.elapsed() >= BEAT / 4) {
            self.looked = Some(Instant::now());
            let Worker { record, order, .. } = &*self.worker;
            if record.cancelling_at()?.is_some() {
                self.stop = Some(Stop::Cancelled);
            } else if order.expires_at <= seconds() {
                self.stop = Some(Stop::Expired);
            }
        }
        Ok(self.stop)
    }

    fn progress(&mut self, results: &mut Results) -> io::Result<()> {
        if self.told.elapsed() < BEAT {
            return Ok(());
        }
        self.told = Instant::now();
        results.sync()?;
        self.worker.is_mine()?;
        self.worker.state.counts = results.counts();
        self.worker.record.write(&self.worker.state)
    }
}
