//! Work for later: runs of this plugin's own command, as the same tenant. Needs the `jobs` grant.
//!
//! The job is in the host's queue, on disk: it outlives the call and the process, is tried again after failures, and is
//! run by whichever process finds the time, such as the same server, while nobody else asks for models.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use inferno_sdk::jobs::{self, Plan, State};
//!
//! let job = jobs::submit(Plan::new(["batch", "work", "b-1"]).key("b-1").attempts(5))?;
//! let id = job.id();
//! // ... in another call:
//! let job = jobs::get(&id)?;
//! if job.state()? == State::Failed {
//!     let why = job.failure()?;
//! }
//! # Ok(())
//! # }
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Error;
use crate::bindings::inferno::host::jobs as wit;

/// Puts a job into the queue; it is on the disk when this returns.
///
/// Where too many of the plugin's jobs have not ended yet it fails with
/// [`ErrorKind::Exhausted`](crate::ErrorKind::Exhausted).
pub fn submit(plan: Plan) -> Result<Job, Error> {
    Ok(Job(wit::submit(plan.0)?))
}

/// The job with this id, if this plugin submitted it for the tenant of this call.
pub fn get(id: &str) -> Result<Job, Error> {
    Ok(Job(wit::get(id)?))
}

/// This plugin's jobs for the tenant of this call, the newest first; at most 100, those that came before the one with
/// the id `before`.
pub fn all(before: Option<&str>) -> Result<Vec<Job>, Error> {
    Ok(wit::all(before)?.into_iter().map(Job).collect())
}

/// A job to be.
#[derive(Debug)]
pub struct Plan(wit::Plan);

impl Plan {
    /// A run of the plugin's command with these arguments. It is lent no folder of the user's.
    pub fn new<T: Into<String>>(arguments: impl IntoIterator<Item = T>) -> Self {
        let arguments: Vec<String> = arguments.into_iter().map(Into::into).collect();
        Self(wit::Plan::new(&arguments))
    }

    /// The highest first; 0 unless said.
    #[must_use]
    pub fn priority(self, value: i32) -> Self {
        self.0.priority(value);
        self
    }

    /// How often it is tried, the first time included; 3 unless said.
    #[must_use]
    pub fn attempts(self, count: u32) -> Self {
        self.0.attempts(count);
        self
    }

    /// How long it waits after the first failure, and twice as long after each further one; 10 seconds unless said.
    #[must_use]
    pub fn backoff(self, wait: Duration) -> Self {
        self.0.backoff(millis(wait));
        self
    }

    /// It does not begin earlier.
    #[must_use]
    pub fn not_before(self, time: SystemTime) -> Self {
        self.0.not_before(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()));
        self
    }

    /// How long one attempt may take; as long as it takes unless said.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.0.timeout(millis(limit));
        self
    }

    /// Submitting again with the same key and arguments submits nothing and gives the job that is there.
    #[must_use]
    pub fn key(self, text: &str) -> Self {
        self.0.key(text);
        self
    }
}

/// A job of this plugin. It does not end with the value.
#[derive(Debug)]
pub struct Job(wit::Job);

impl Job {
    /// What [`get`] finds it by.
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// Where it is now.
    pub fn state(&self) -> Result<State, Error> {
        Ok(self.0.state()?.into())
    }

    /// How often it was tried.
    pub fn attempts(&self) -> Result<u32, Error> {
        Ok(self.0.attempts()?)
    }

    /// Why it failed, or waits for its next attempt.
    pub fn failure(&self) -> Result<Option<String>, Error> {
        Ok(self.0.failure()?)
    }

    /// Ends it; one that is at work is stopped a little later.
    pub fn cancel(&self) -> Result<(), Error> {
        Ok(self.0.cancel()?)
    }
}

/// Where a job is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for its time and its turn.
    Queued,
    /// It is at work.
    Running,
    /// It is done.
    Succeeded,
    /// It failed and is not tried again.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
    /// One that this version of the interface has no word for.
    Other(String),
}

impl From<wit::State> for State {
    fn from(state: wit::State) -> Self {
        match state {
            wit::State::Queued => Self::Queued,
            wit::State::Running => Self::Running,
            wit::State::Succeeded => Self::Succeeded,
            wit::State::Failed => Self::Failed,
            wit::State::Cancelled => Self::Cancelled,
            wit::State::Other(word) => Self::Other(word),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
