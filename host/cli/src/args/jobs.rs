//! What can be typed after `inferno batch-queue`.

use clap::{Args, Subcommand};
use inferno_sandbox::Span;
use inferno_store::JobState;

use super::Json;

#[derive(Debug, Subcommand)]
pub(crate) enum BatchQueue {
    /// Make a schedule, which puts a job into the queue whenever its time comes
    #[command(long_about = CREATE)]
    Create(Create),
    /// Put a job into the queue
    #[command(long_about = SUBMIT)]
    Submit(Submit),
    /// List the jobs, the newest first, or the schedules
    List(List),
    /// Show all that is known about a job or a schedule
    Show {
        /// The id of a job or a schedule
        id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Print what a job printed
    Logs(Logs),
    /// Cancel jobs; those that run are stopped
    Cancel(Ids),
    /// Try jobs again that failed or were cancelled, as if for the first time
    Retry(Ids),
    /// Let jobs or schedules wait until they are resumed; without an id the whole queue
    Pause(MaybeIds),
    /// Let jobs or schedules go on that were paused; without an id the whole queue
    Resume(MaybeIds),
    /// Let no more jobs begin, and return when the last one that runs has ended
    Drain {
        /// Give up after this long
        #[arg(long, value_name = "TIME")]
        timeout: Option<Span>,
    },
    /// Print jobs with all their runs as JSON, one on each line
    Export(Filter),
    /// Remove schedules, or jobs that have ended
    Remove(Ids),
    /// Run jobs, as `inferno serve` does
    #[command(long_about = WORK)]
    Work {
        /// Return when no job is due
        #[arg(long)]
        once: bool,
    },
}

const CREATE: &str = "Make a schedule, which puts a job into the queue whenever its time comes.

The expression has five fields: minute, hour, day of the month, month, day of the week; `@hourly`, `@daily` and the like \
will do, too. Where clocks are moved, a time that is skipped is made up for right afterwards, and one that comes twice \
counts once. Times at which nothing ran jobs count as one when something does again.";

const SUBMIT: &str = "Put a job into the queue.

A job is a command of a plugin, such as `pipeline run x.toml`. It is run in this folder by `inferno serve` or `inferno \
batch-queue work`, whichever finds the time first, while nobody else asks for models. The id of the job is printed.";

const WORK: &str = "Run jobs, as `inferno serve` does.

Waits for jobs until Ctrl-C; with --once it returns when none is due. Jobs that run then are stopped and go back into the \
queue, and another process goes on with them.";

/// What a job or each job of a schedule is, and how it is tried.
#[derive(Debug, Args)]
pub(crate) struct Task {
    /// For whom [default: local]
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// How urgent it is; the highest first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) priority: i32,
    /// How often it is tried again after a failure
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..1000))]
    pub(crate) retries: u32,
    /// How long it waits after the first failure; twice as long after each further one
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) backoff: Span,
    /// How long one attempt may take [default: as long as it takes]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,
    /// The command of a plugin, with its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// When, as a cron expression
    #[arg(long, value_name = "CRON")]
    pub(crate) schedule: String,
    /// Whose clock that is, such as Europe/Berlin [default: that of this machine]
    #[arg(long, value_name = "NAME")]
    pub(crate) time_zone: Option<String>,
    /// How many jobs it makes at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_runs: Option<u32>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) task: Task,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// Only after this job has succeeded; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) after: Vec<String>,
    /// Not earlier: a time such as 2030-01-31T02:00, or how long from now, such as 90m
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<String>,
    /// Submit nothing if a job was submitted with this key before
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) task: Task,
}

/// Which jobs.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those in this state; may be repeated
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<JobState>,
    /// Only those of this tenant
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Only those of this command
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Only those that came before this one: the next page
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// List the schedules instead
    #[arg(long, conflicts_with_all = ["state", "tenant", "command", "before", "limit"])]
    pub(crate) schedules: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The id of a job
    pub(crate) id: String,
    /// Of which run [default: the last one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) run: Option<u32>,
    /// Go on until the job has ended
    #[arg(long, short = 'f', conflicts_with = "run")]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ids {
    /// Ids from `inferno batch-queue list`
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MaybeIds {
    /// Ids from `inferno batch-queue list`
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
}
