//! Carries out plans. A plan is cut into [jobs](job), each of which an instance of the converter does in a sandbox of its own
//! that sees what is read and what is written; several are under way at once. What is done is written down in a
//! [workshop](workshop) beside the result, so that a conversion that was stopped goes on where it was; the result has its name
//! only when it is whole.

pub(crate) mod job;
mod journal;
mod sum;
pub(crate) mod work;
mod workshop;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use inferno_sdk::Error;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::progress::Progress;
use job::{Cut, Job};
pub(crate) use sum::Sum;
use sum::Sums;
use work::Bench;
pub(crate) use workshop::{Lock, Manner, Target, Workshop};

/// What an instance is told to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Task {
    /// Rows to carry over.
    Cuts(Vec<Cut>),
    /// More of a file to sum up.
    Sum(Sum),
}

impl Task {
    /// Does it here. Returns the names of the files that it has written to.
    pub(crate) fn perform(&self, input: &Path, output: &Path) -> Result<Vec<String>, Error> {
        match self {
            Self::Cuts(cuts) => {
                let mut bench = Bench::new(input, output);
                cuts.iter().try_for_each(|cut| bench.cut(cut))?;
                let mut names: Vec<_> = cuts.iter().map(|cut| cut.output.clone()).collect();
                names.dedup();
                Ok(names)
            }
            Self::Sum(sum) => sum.perform(input, output).map(|name| vec![name]),
        }
    }
}

/// Who does the tasks.
pub(crate) trait Hands {
    /// Has one done, with what is read and what is written.
    fn perform(&self, task: Task, input: &Path, output: &Path) -> impl Future<Output = Result<(), Error>>;

    /// How many may be under way at once.
    fn many(&self) -> usize;
}

/// This very instance, one task after the other.
pub(crate) struct Here;

impl Hands for Here {
    async fn perform(&self, task: Task, input: &Path, output: &Path) -> Result<(), Error> {
        task.perform(input, output).map(drop)
    }

    fn many(&self) -> usize {
        1
    }
}

/// What came of a task.
enum Done {
    Job(usize, Result<(), Error>),
    Sum(usize, Result<(), Error>),
}

/// Does all jobs of a plan that are not done, and sums all files up. Returns the sums of the inputs and of the outputs.
pub(crate) async fn run(
    plan: &Plan,
    input: &Path,
    workshop: &mut Workshop,
    hands: &impl Hands,
    progress: &mut Progress,
) -> Result<(Vec<String>, Vec<String>), Error> {
    let jobs = job::jobs(plan);
    let output = workshop.output();
    let mut waiting: VecDeque<_> = (0..jobs.len()).filter(|number| !workshop.is_done(*number)).collect();
    let bytes_left = waiting.iter().filter_map(|number| jobs.get(*number)).map(|job| job.bytes).sum();
    progress.begin(jobs.iter().map(|job| job.bytes).sum(), bytes_left);
    let mut sums = Sums::new(plan, &output);
    let mut under_way = FuturesUnordered::new();
    let mut open: BTreeSet<usize> = waiting.iter().copied().collect();
    let mut failed = None;
    loop {
        while failed.is_none() && under_way.len() < hands.many() {
            let ready = ready(plan, &jobs, &open);
            let (number, task) = match sums.next(&ready) {
                Some((number, sum)) => (Ok(number), Task::Sum(sum)),
                None => match waiting.pop_front().and_then(|number| Some((number, jobs.get(number)?))) {
                    Some((number, job)) => (Err(number), Task::Cuts(job.cuts(plan))),
                    None => break,
                },
            };
            let output = &output;
            under_way.push(async move {
                let result = hands.perform(task, input, output).await;
                match number {
                    Ok(sum) => Done::Sum(sum, result),
                    Err(job) => Done::Job(job, result),
                }
            });
        }
        // After a failure those that are under way come to their end, so that nobody writes any more.
        match under_way.next().await {
            None => break,
            Some(Done::Job(number, Ok(()))) => {
                open.remove(&number);
                workshop.done(number)?;
                progress.done(jobs.get(number).map_or(0, |job| job.bytes));
            }
            Some(Done::Sum(number, Ok(()))) => progress.summed(sums.done(number)?),
            Some(Done::Job(_, Err(error)) | Done::Sum(_, Err(error))) => {
                let _first = failed.get_or_insert(error);
            }
        }
    }
    workshop.settle()?;
    failed.map_or_else(|| sums.all(), Err)
}

/// How many bytes of each output are as they will be, from the start on: jobs come in the order of the files.
fn ready(plan: &Plan, jobs: &[Job], open: &BTreeSet<usize>) -> Vec<u64> {
    let first = open.first().and_then(|number| jobs.get(*number)).and_then(|job| job.begins(plan));
    let bytes = plan.outputs.iter().map(|output| output.bytes).enumerate();
    bytes
        .map(|(output, bytes)| match first {
            Some((at, offset)) if at == output => offset,
            Some((at, _)) if at < output => 0,
            _ => bytes,
        })
        .collect()
}

#[cfg(test)]
mod tests;
