//! What people do with jobs: look at them, and change their way.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Transaction, named_params, types::Value};

use super::{
    Job, JobFilter, JobRun, JobState,
    rows::{self, change, millis},
    run,
};
use crate::{Store, StoreError};

/// Jobs in one answer, at most.
const MAX_PAGE: u32 = 1000;

impl Store {
    /// The job with this id. Blocks.
    pub fn job(&self, id: &str) -> Result<Job, StoreError> {
        let found = self.inner.database.read("read a job", |transaction| rows::find(transaction, id))?;
        found.ok_or_else(|| StoreError::NoSuchJob { id: id.to_owned() })
    }

    /// The jobs that fit, the newest first. Blocks.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        let mut sql = format!("{} WHERE TRUE", rows::JOB);
        let mut values: Vec<Value> = Vec::new();
        let mut equal = |condition: &str, value: Option<String>| {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value.into());
            }
        };
        equal(" AND tenant = ?", filter.tenant.clone());
        equal(" AND submitter = ?", filter.submitter.as_ref().map(ToString::to_string));
        equal(" AND verb = ?", filter.verb.clone());
        equal(" AND number < (SELECT number FROM jobs WHERE id = ?)", filter.before.clone());
        if !filter.states.is_empty() {
            let words: Vec<String> =
                filter.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
            sql.push_str(&format!(" AND seen_state IN ({})", words.join(", ")));
        }
        let limit = if filter.limit == 0 { MAX_PAGE } else { filter.limit.min(MAX_PAGE) };
        sql.push_str(&format!(" ORDER BY number DESC LIMIT {limit}"));
        self.inner.database.read("list jobs", |transaction| {
            let mut statement = transaction.prepare_cached(&sql)?;
            statement.query_map(rusqlite::params_from_iter(values), rows::job)?.collect()
        })
    }

    /// Each time that a job was begun, in order. Blocks.
    pub fn job_runs(&self, id: &str) -> Result<Vec<JobRun>, StoreError> {
        self.inner.database.read("list the runs of a job", |transaction| {
            let sql =
                format!("{} WHERE job = (SELECT number FROM jobs WHERE id = ?1) ORDER BY run", rows::RUN);
            transaction.prepare_cached(&sql)?.query_map([id], rows::run)?.collect()
        })
    }

    /// How many jobs are in each state; those in which none is are there as well. Blocks.
    pub fn job_counts(&self) -> Result<BTreeMap<JobState, u64>, StoreError> {
        let mut counts: BTreeMap<JobState, u64> = JobState::ALL.map(|state| (state, 0)).into();
        let found: Vec<(JobState, i64)> = self.inner.database.read("count jobs", |transaction| {
            let sql = "SELECT seen_state, count(*) FROM seen_jobs GROUP BY seen_state";
            transaction.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        counts.extend(found.into_iter().map(|(state, count)| (state, u64::try_from(count).unwrap_or(0))));
        Ok(counts)
    }

    /// Cancels a job: at once if it waits; one that is run is stopped by its runner a little later. Blocks.
    pub fn cancel_job(&self, id: &str) -> Result<Job, StoreError> {
        self.change_job(id, "be cancelled", |transaction, now, number, job| match job.state {
            JobState::Queued | JobState::Blocked | JobState::Paused => {
                run::finish(transaction, now, number, "cancelled", None, None).map(|()| true)
            }
            JobState::Running => set(transaction, number, "cancel_asked = 1"),
            _ => Ok(false),
        })
    }

    /// Tries a job once more that failed or was cancelled, as if for the first time; one that waits for its next
    /// attempt makes it at once. Blocks.
    pub fn retry_job(&self, id: &str) -> Result<Job, StoreError> {
        self.change_job(id, "be tried again", |transaction, now, number, job| match job.state {
            JobState::Queued => set(transaction, number, &format!("not_before = min(not_before, {now})")),
            JobState::Failed | JobState::Cancelled | JobState::Dead => {
                if let Some((id, state)) = failed_before(transaction, number)? {
                    return Err(StoreError::JobState { id, state, doing: "be waited for" });
                }
                let fresh = format!(
                    "state = 'queued', attempts = 0, not_before = {now}, ended = NULL, exit_code = NULL, error = NULL,
                        cancel_asked = 0"
                );
                set(transaction, number, &fresh)
            }
            _ => Ok(false),
        })
    }

    /// Lets a job that waits wait on until it is resumed. Blocks.
    pub fn pause_job(&self, id: &str) -> Result<Job, StoreError> {
        self.change_job(id, "be paused", |transaction, _, number, job| match job.state {
            JobState::Queued | JobState::Blocked | JobState::Paused => set(transaction, number, "paused = 1"),
            _ => Ok(false),
        })
    }

    /// Lets a job go on that was paused. Blocks.
    pub fn resume_job(&self, id: &str) -> Result<Job, StoreError> {
        self.change_job(id, "be resumed", |transaction, _, number, job| match job.state {
            JobState::Queued | JobState::Blocked | JobState::Paused => set(transaction, number, "paused = 0"),
            _ => Ok(false),
        })
    }

    /// Forgets a job that has ended. Blocks.
    pub fn remove_job(&self, id: &str) -> Result<(), StoreError> {
        self.inner.database.write("remove a job", |transaction| {
            let job = rows::find(transaction, id).map_err(StoreError::failed("read a job"))?;
            let job = job.ok_or_else(|| StoreError::NoSuchJob { id: id.to_owned() })?;
            if !job.state.has_ended() {
                let doing = "be removed before it has ended";
                return Err(StoreError::JobState { id: job.id, state: job.state, doing });
            }
            change(
                transaction,
                "remove a job",
                "DELETE FROM jobs WHERE id = :id",
                named_params! { ":id": id },
            )
            .map(drop)
        })
    }

    /// Forgets jobs that ended longer ago than this, and returns their ids. Blocks.
    pub fn prune_jobs(&self, age: Duration) -> Result<Vec<String>, StoreError> {
        let ended_before = (self.inner.clock)().saturating_sub(millis(age));
        self.inner.database.write("forget old jobs", |transaction| {
            transaction
                .prepare_cached("DELETE FROM jobs WHERE ended < ?1 RETURNING id")
                .and_then(|mut statement| statement.query_map([ended_before], |row| row.get(0))?.collect())
                .map_err(StoreError::failed("forget old jobs"))
        })
    }

    /// Stops that jobs are taken from the queue, or lets it go on; those that are run go on. Blocks.
    pub fn pause_jobs(&self, paused: bool) -> Result<(), StoreError> {
        self.inner.database.write("pause the queue", |transaction| {
            let parameters = named_params! { ":paused": paused };
            change(transaction, "pause the queue", "UPDATE job_queue SET paused = :paused", parameters)
                .map(drop)
        })
    }

    /// Whether nobody may take jobs from the queue. Blocks.
    pub fn jobs_paused(&self) -> Result<bool, StoreError> {
        self.inner.database.read("look at the queue", run::paused)
    }

    /// Changes a job that is there; `work` says whether its state lets it.
    fn change_job(
        &self,
        id: &str,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>, i64, i64, &Job) -> Result<bool, StoreError>,
    ) -> Result<Job, StoreError> {
        let now = (self.inner.clock)();
        self.inner.database.write("change a job", |transaction| {
            let job = rows::find(transaction, id).map_err(StoreError::failed("read a job"))?;
            let job = job.ok_or_else(|| StoreError::NoSuchJob { id: id.to_owned() })?;
            let number: i64 = transaction
                .query_row("SELECT number FROM jobs WHERE id = ?1", [id], |row| row.get(0))
                .map_err(StoreError::failed("read a job"))?;
            if !work(transaction, now, number, &job)? {
                return Err(StoreError::JobState { id: job.id, state: job.state, doing });
            }
            rows::by_number(transaction, number)
        })
    }
}

/// Sets columns of a job to values that are part of the program.
fn set(transaction: &Transaction<'_>, number: i64, what: &str) -> Result<bool, StoreError> {
    let sql = format!("UPDATE jobs SET {what} WHERE number = :number");
    change(transaction, "change a job", &sql, named_params! { ":number": number }).map(|_| true)
}

/// A job that had to succeed first and did not.
fn failed_before(
    transaction: &Transaction<'_>,
    number: i64,
) -> Result<Option<(String, JobState)>, StoreError> {
    let sql = "SELECT id, state FROM jobs JOIN job_dependencies ON after = number
        WHERE job = ?1 AND state IN ('failed', 'cancelled', 'dead') LIMIT 1";
    transaction
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement.query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?.next().transpose()
        })
        .map_err(StoreError::failed("look at the jobs to wait for"))
}
