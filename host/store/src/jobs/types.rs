//! The words in which jobs are spoken of.

use std::{fmt, str::FromStr, time::Duration};

use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Serialize, Serializer};

/// What a job does, for whom, and how it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// For whom.
    pub tenant: String,
    /// The verb of the command line that it runs.
    pub verb: String,
    /// The verb's arguments.
    pub args: Vec<String>,
    /// The folder that it works in, where it may have one.
    pub workdir: Option<String>,
    /// The highest first.
    pub priority: i32,
    /// What becomes of failures.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
}

impl Task {
    /// A task of the usual urgency.
    pub fn new(tenant: impl Into<String>, verb: impl Into<String>, args: Vec<String>) -> Self {
        Self {
            tenant: tenant.into(),
            verb: verb.into(),
            args,
            workdir: None,
            priority: 0,
            retry: Retry::default(),
            timeout: None,
        }
    }
}

/// How often a job is tried, and how long it waits in between: twice as long after each failure, less up to a half
/// by chance, so that jobs that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// All attempts, the first included; at least 1.
    pub attempts: u32,
    /// The wait after the first failure.
    pub backoff: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, backoff: Duration::from_secs(10), cap: Duration::from_secs(600) }
    }
}

/// A job to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// What it does.
    pub task: Task,
    /// Who wants it.
    pub by: Submitter,
    /// The ids of jobs that must have succeeded before.
    pub after: Vec<String>,
    /// Not earlier than this, in milliseconds since 1970.
    pub not_before: Option<u64>,
    /// Submitting with the same key again submits nothing.
    pub key: Option<String>,
    /// How many jobs of this submitter for this tenant may be unfinished, this one included.
    pub most: Option<u32>,
}

impl NewJob {
    /// A job that may run at once.
    pub fn new(task: Task, by: Submitter) -> Self {
        Self { task, by, after: Vec::new(), not_before: None, key: None, most: None }
    }
}

/// Who wants a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// A person at this machine.
    User,
    /// The plugin of this name.
    Plugin(String),
    /// The schedule with this id.
    Schedule(String),
}

impl fmt::Display for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Plugin(name) => write!(f, "plugin:{name}"),
            Self::Schedule(id) => write!(f, "schedule:{id}"),
        }
    }
}

impl Serialize for Submitter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromSql for Submitter {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        match text.split_once(':') {
            None if text == "user" => Ok(Self::User),
            Some(("plugin", name)) => Ok(Self::Plugin(name.to_owned())),
            Some(("schedule", id)) => Ok(Self::Schedule(id.to_owned())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for Submitter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

/// Where a job is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its time and its turn.
    Queued,
    /// It waits for other jobs.
    Blocked,
    /// It waits until somebody lets it go on.
    Paused,
    /// It is at work.
    Running,
    /// It is done.
    Succeeded,
    /// It failed, and trying again was not wanted or is of no use.
    Failed,
    /// Somebody did not want it any more, or a job that it was to follow did not succeed.
    Cancelled,
    /// It failed as often as it was to be tried.
    Dead,
}

impl JobState {
    /// All of them, in the order of a job's way.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Blocked,
        Self::Paused,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Dead,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Blocked => "blocked",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }

    /// Nothing more happens by itself.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Dead)
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|state| state.as_str()).collect();
            format!("there is no state `{word}`; there are {}", words.join(", "))
        })
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromSql for JobState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|_| FromSqlError::InvalidType)
    }
}

/// A job as it is now. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Unique; those of later jobs sort behind.
    pub id: String,
    /// For whom it is.
    pub tenant: String,
    /// The verb of the command line that it runs.
    pub verb: String,
    /// The verb's arguments.
    pub args: Vec<String>,
    /// The folder that it works in.
    pub workdir: Option<String>,
    /// Who wanted it.
    pub submitter: Submitter,
    /// Submitting with the same key again submits nothing.
    pub key: Option<String>,
    /// The highest first.
    pub priority: i32,
    /// Where it is on its way.
    pub state: JobState,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it is tried at most.
    pub max_attempts: u32,
    /// How often it was begun: attempts, and those that were given back.
    pub runs: u32,
    /// How long one attempt may take.
    pub timeout_ms: Option<u64>,
    /// It does not begin earlier.
    pub not_before: u64,
    /// The jobs that must have succeeded before.
    pub after: Vec<String>,
    /// Who runs it.
    pub owner: Option<String>,
    /// Until when its runner must have been heard of.
    pub lease_until: Option<u64>,
    /// It is to be stopped.
    pub cancel_asked: bool,
    /// What its last run ended with.
    pub exit_code: Option<u8>,
    /// Why it failed, or waits after a failure.
    pub error: Option<String>,
    /// When it was submitted.
    pub created: u64,
    /// When it was begun for the last time.
    pub started: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
}

/// One time that a job was begun. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobRun {
    /// Which time, from 1.
    pub run: u32,
    /// Which attempt it was.
    pub attempt: u32,
    /// Who ran it.
    pub owner: String,
    /// When it began.
    pub started: u64,
    /// When it ended.
    pub ended: Option<u64>,
    /// `succeeded`, `failed`, `cancelled`, `lost` (its runner was not heard of any more) or `released` (its runner was
    /// told to end).
    pub outcome: Option<String>,
    /// What it ended with.
    pub exit_code: Option<u8>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The right to run a job, until its time is over or it is renewed. Whoever's right was passed on can change nothing
/// any more.
#[derive(Clone, PartialEq, Eq)]
pub struct Lease {
    pub(crate) number: i64,
    pub(crate) token: String,
    pub(crate) run: u32,
}

impl Lease {
    /// Which run of the job it is for, from 1.
    pub fn run(&self) -> u32 {
        self.run
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("run", &self.run).finish_non_exhaustive()
    }
}

/// What a runner hears when it says that it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Go on.
    Held,
    /// Go on no longer: the job is to be cancelled.
    Cancel,
    /// The job is somebody else's now.
    Lost,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It did what it should.
    Succeeded,
    /// It ended with this code, or without one, for this reason.
    Failed {
        /// The exit code, where it had one.
        exit_code: Option<u8>,
        /// For people.
        error: String,
        /// Whether trying again may help.
        retry: bool,
    },
    /// It was stopped because somebody asked for that.
    Cancelled,
    /// It was stopped because its runner ends. It goes back into the queue, as if it had not been tried.
    Released,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those in one of these states; none: in any.
    pub states: Vec<JobState>,
    /// Only those for this tenant.
    pub tenant: Option<String>,
    /// Only those that this one wanted.
    pub submitter: Option<Submitter>,
    /// Only those of this verb.
    pub verb: Option<String>,
    /// Only those that came before the one with this id: the next page.
    pub before: Option<String>,
    /// At most so many; at most 1000 in any case. 0: as many as may be.
    pub limit: u32,
}

/// A time table that makes jobs. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Unique.
    pub id: String,
    /// For whom its jobs are.
    pub tenant: String,
    /// When, as a cron expression.
    pub cron: String,
    /// Whose clock that is.
    pub time_zone: String,
    /// The verb of the command line that its jobs run.
    pub verb: String,
    /// The verb's arguments.
    pub args: Vec<String>,
    /// The folder that its jobs work in.
    pub workdir: Option<String>,
    /// The highest first.
    pub priority: i32,
    /// How often a job is tried at most.
    pub max_attempts: u32,
    /// How long one attempt may take.
    pub timeout_ms: Option<u64>,
    /// How many jobs it makes at most.
    pub max_runs: Option<u32>,
    /// How many it has made.
    pub runs: u32,
    /// Whether it makes jobs.
    pub enabled: bool,
    /// When it makes the next one.
    pub next_run: Option<u64>,
    /// When it made the last one.
    pub last_run: Option<u64>,
    /// The last one.
    pub last_job: Option<String>,
    /// When it was made.
    pub created: u64,
}

/// A schedule to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// What its jobs do.
    pub task: Task,
    /// When, as a cron expression of five fields, or `@daily` and the like.
    pub cron: String,
    /// A time zone by its name, such as `Europe/Berlin`; absent: that of this machine.
    pub time_zone: Option<String>,
    /// How many jobs it makes at most.
    pub max_runs: Option<u32>,
}
