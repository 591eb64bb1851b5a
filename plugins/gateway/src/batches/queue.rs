//! Who works on batches: the queue of the host, in which each has a job.

use std::time::Duration;

use inferno_sdk::Error;
use inferno_sdk::jobs::{self, Plan, State};

/// A job is tried again as long as its batch has time: what keeps it from its end may be a disk that is full, or a server
/// that was stopped.
const ATTEMPTS: u32 = 1000;
const BACKOFF: Duration = Duration::from_secs(1);

/// Where batches wait for somebody to work on them.
pub(crate) trait Queue {
    /// Sees to it that a batch has its job, and looks at that.
    fn ensure(&self, batch: &str) -> Result<Job, Error>;
}

/// The job of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// It waits, or is at work.
    Alive,
    /// Nothing more comes of it, and why.
    Over(String),
}

/// The queue of the host.
pub(crate) struct Lent;

impl Queue for Lent {
    fn ensure(&self, batch: &str) -> Result<Job, Error> {
        let plan = Plan::new(["work", batch]).key(batch).attempts(ATTEMPTS).backoff(BACKOFF);
        let job = jobs::submit(plan)?;
        Ok(match job.state()? {
            State::Queued | State::Running | State::Other(_) => Job::Alive,
            State::Succeeded => Job::Over("Its job ended without a result.".to_owned()),
            State::Failed => Job::Over(job.failure()?.unwrap_or_else(|| "Its job failed.".to_owned())),
            State::Cancelled => Job::Over("Its job was cancelled.".to_owned()),
        })
    }
}
