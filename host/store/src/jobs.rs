//! The queue of jobs: what is to be done later, by whichever process finds the time, and what became of it.
//!
//! A job runs a verb. It waits for its time, for other jobs and for its turn (by priority, then by time), is taken by a
//! runner for as long as a lease says, and ends; a failure is tried again after a while, until its attempts are spent.
//! All of it is in the one file, so every process sees the same queue, and a runner that is killed loses nothing but
//! its lease.

mod control;
mod cron;
mod rows;
mod run;
mod schedules;
mod submit;
#[cfg(test)]
mod tests;
mod types;

pub use submit::Submitted;
pub use types::{
    Beat, Job, JobEnd, JobFilter, JobRun, JobState, Lease, NewJob, NewSchedule, Retry, Schedule, Submitter,
    Task,
};
