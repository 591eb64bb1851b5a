//! Taking jobs out of the queue, and what becomes of them.
//!
//! A runner holds a job by a lease that it renews. If it is not heard of in time, another one takes the job; what the
//! first one still says then is not listened to, since it does not know the new lease.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::{
    Beat, Job, JobEnd, Lease,
    rows::{self, change, millis},
    schedules,
};
use crate::{Store, StoreError, random_hex};

/// A job that waits for nothing but a runner.
const READY: &str = "state = 'queued' AND NOT paused AND not_before <= :now AND NOT EXISTS (
    SELECT 1 FROM job_dependencies JOIN jobs AS earlier ON earlier.number = after
        WHERE job = jobs.number AND earlier.state <> 'succeeded')";

impl Store {
    /// Takes the most urgent job that is due, for as long as `lease` says; none if there is none, or the queue is
    /// paused. Schedules that are due make their jobs first. Blocks.
    pub fn claim_job(&self, owner: &str, lease: Duration) -> Result<Option<(Job, Lease)>, StoreError> {
        let now = (self.inner.clock)();
        // Most looks find nothing, and must not keep others from writing.
        if !self.inner.database.read("look for jobs", |transaction| something_is_due(transaction, now))? {
            return Ok(None);
        }
        let token = random_hex::<16>()?;
        self.inner.database.write("take a job", |transaction| {
            take_back(transaction, now)?;
            if paused(transaction).map_err(StoreError::failed("look for jobs"))? {
                return Ok(None);
            }
            schedules::fire(transaction, now)?;
            let Some((number, run)) = first_ready(transaction, now)? else { return Ok(None) };
            let parameters = named_params! {
                ":number": number, ":lease": token, ":until": now.saturating_add(millis(lease)), ":owner": owner,
                ":now": now,
            };
            let sql = "UPDATE jobs SET state = 'running', attempts = attempts + 1, runs = runs + 1, lease = :lease,
                    lease_until = :until, owner = :owner, started = :now, exit_code = NULL, error = NULL
                WHERE number = :number";
            change(transaction, "take a job", sql, parameters)?;
            let parameters = named_params! { ":number": number, ":owner": owner, ":now": now };
            let sql = "INSERT INTO job_runs (job, run, attempt, owner, started)
                SELECT number, runs, attempts, :owner, :now FROM jobs WHERE number = :number";
            change(transaction, "take a job", sql, parameters)?;
            let lease = Lease { number, token: token.clone(), run };
            Ok(Some((rows::by_number(transaction, number)?, lease)))
        })
    }

    /// Takes jobs from runners that were not heard of in time, as taking the next job does. Blocks.
    pub fn take_back_jobs(&self) -> Result<(), StoreError> {
        let now = (self.inner.clock)();
        self.inner.database.write("take back jobs", |transaction| take_back(transaction, now))
    }

    /// Tells that a job is still run, for as long as `lease` says from now on. Blocks.
    pub fn renew_job(&self, held: &Lease, lease: Duration) -> Result<Beat, StoreError> {
        let now = (self.inner.clock)();
        let until = now.saturating_add(millis(lease));
        self.inner.database.write("renew a lease", |transaction| {
            let parameters =
                named_params! { ":number": held.number, ":lease": held.token, ":until": until };
            let cancel: Option<bool> = transaction
                .prepare_cached(
                    "UPDATE jobs SET lease_until = :until
                        WHERE number = :number AND state = 'running' AND lease = :lease RETURNING cancel_asked",
                )
                .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
                .map_err(StoreError::failed("renew a lease"))?;
            Ok(match cancel {
                None => Beat::Lost,
                Some(true) => Beat::Cancel,
                Some(false) => Beat::Held,
            })
        })
    }

    /// Tells what came of a run, and returns the job as it is then; none if it was taken over meanwhile, when this
    /// changes nothing. Blocks.
    pub fn end_job(&self, held: &Lease, end: &JobEnd) -> Result<Option<Job>, StoreError> {
        let now = (self.inner.clock)();
        self.inner.database.write("end a job", |transaction| {
            let parameters = named_params! { ":number": held.number, ":lease": held.token };
            let held = transaction
                .prepare_cached(&format!(
                    "{HELD} WHERE number = :number AND state = 'running' AND lease = :lease"
                ))
                .and_then(|mut statement| statement.query_row(parameters, Held::read).optional())
                .map_err(StoreError::failed("end a job"))?;
            let Some(held) = held else { return Ok(None) };
            held.end(transaction, now, end)?;
            Ok(Some(rows::by_number(transaction, held.number)?))
        })
    }
}

fn something_is_due(transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND lease_until <= :now)
            OR (NOT (SELECT paused FROM job_queue)
                AND (EXISTS (SELECT 1 FROM schedules WHERE enabled AND next_run <= :now)
                    OR EXISTS (SELECT 1 FROM jobs WHERE {READY})))"
    );
    transaction.prepare_cached(&sql)?.query_row(named_params! { ":now": now }, |row| row.get(0))
}

pub(super) fn paused(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    transaction.prepare_cached("SELECT paused FROM job_queue")?.query_row([], |row| row.get(0))
}

/// The job whose turn it is, and which run it will be.
fn first_ready(transaction: &Transaction<'_>, now: i64) -> Result<Option<(i64, u32)>, StoreError> {
    let sql = format!(
        "SELECT number, runs + 1 FROM jobs WHERE {READY} ORDER BY priority DESC, not_before, number LIMIT 1"
    );
    transaction
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_row(named_params! { ":now": now }, |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(StoreError::failed("look for a job"))
}

/// Takes jobs from runners that were not heard of in time.
fn take_back(transaction: &Transaction<'_>, now: i64) -> Result<(), StoreError> {
    let expired: Vec<Held> = transaction
        .prepare_cached(&format!("{HELD} WHERE state = 'running' AND lease_until <= :now"))
        .and_then(|mut statement| statement.query_map(named_params! { ":now": now }, Held::read)?.collect())
        .map_err(StoreError::failed("look for lost jobs"))?;
    for held in expired {
        let why = format!("its runner ({}) was not heard of any more", held.owner);
        held.fail(
            transaction,
            now,
            &Failed { outcome: "lost", exit_code: None, error: &why, retry: Some(0) },
        )?;
    }
    Ok(())
}

/// What [`Held`] is read from.
const HELD: &str = "SELECT number, runs, attempts, max_attempts, backoff, backoff_cap, cancel_asked, coalesce(owner, '') FROM jobs";

/// A job that is being run.
struct Held {
    number: i64,
    run: u32,
    attempts: u32,
    max_attempts: u32,
    backoff: i64,
    backoff_cap: i64,
    cancel_asked: bool,
    owner: String,
}

struct Failed<'a> {
    outcome: &'static str,
    exit_code: Option<u8>,
    error: &'a str,
    /// After how many milliseconds to try again, where that may help.
    retry: Option<i64>,
}

impl Held {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            run: row.get(1)?,
            attempts: row.get(2)?,
            max_attempts: row.get(3)?,
            backoff: row.get(4)?,
            backoff_cap: row.get(5)?,
            cancel_asked: row.get(6)?,
            owner: row.get(7)?,
        })
    }

    fn end(&self, transaction: &Transaction<'_>, now: i64, end: &JobEnd) -> Result<(), StoreError> {
        match end {
            JobEnd::Succeeded => {
                self.run_ended(transaction, now, "succeeded", Some(0), None)?;
                finish(transaction, now, self.number, "succeeded", Some(0), None)
            }
            JobEnd::Failed { exit_code, error, retry } => {
                let retry = if *retry { Some(self.wait()?) } else { None };
                self.fail(
                    transaction,
                    now,
                    &Failed { outcome: "failed", exit_code: *exit_code, error, retry },
                )
            }
            JobEnd::Cancelled => {
                self.run_ended(transaction, now, "cancelled", None, None)?;
                finish(transaction, now, self.number, "cancelled", None, None)
            }
            JobEnd::Released => {
                self.run_ended(transaction, now, "released", None, None)?;
                if self.cancel_asked {
                    return finish(transaction, now, self.number, "cancelled", None, None);
                }
                self.requeue(transaction, now, self.attempts.saturating_sub(1), None, None)
            }
        }
    }

    fn fail(&self, transaction: &Transaction<'_>, now: i64, failed: &Failed<'_>) -> Result<(), StoreError> {
        let Failed { outcome, exit_code, error, retry } = *failed;
        self.run_ended(transaction, now, outcome, exit_code, Some(error))?;
        if self.cancel_asked {
            return finish(transaction, now, self.number, "cancelled", exit_code, None);
        }
        match retry {
            Some(wait) if self.attempts < self.max_attempts => {
                let due = now.saturating_add(wait);
                self.requeue(transaction, due, self.attempts, exit_code, Some(error))
            }
            Some(_) if self.max_attempts > 1 => {
                let error = format!("it failed {} times, at last: {error}", self.attempts);
                finish(transaction, now, self.number, "dead", exit_code, Some(&error))
            }
            _ => finish(transaction, now, self.number, "failed", exit_code, Some(error)),
        }
    }

    /// Milliseconds before the next attempt.
    fn wait(&self) -> Result<i64, StoreError> {
        let doublings = self.attempts.saturating_sub(1).min(62);
        let longest = self.backoff.saturating_mul(1 << doublings).min(self.backoff_cap).max(0);
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(StoreError::failed("get random numbers from the system"))?;
        let spread = u64::try_from(longest / 2).unwrap_or(0) + 1;
        let less = i64::try_from(u64::from_le_bytes(random) % spread).unwrap_or(0);
        Ok(longest - less)
    }

    fn requeue(
        &self,
        transaction: &Transaction<'_>,
        due: i64,
        attempts: u32,
        exit_code: Option<u8>,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let parameters = named_params! {
            ":number": self.number, ":due": due, ":attempts": attempts, ":exit_code": exit_code, ":error": error,
        };
        let sql = "UPDATE jobs SET state = 'queued', attempts = :attempts, not_before = :due, lease = NULL,
                lease_until = NULL, owner = NULL, exit_code = :exit_code, error = :error
            WHERE number = :number";
        change(transaction, "put a job back into the queue", sql, parameters).map(drop)
    }

    fn run_ended(
        &self,
        transaction: &Transaction<'_>,
        now: i64,
        outcome: &str,
        exit_code: Option<u8>,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let parameters = named_params! {
            ":job": self.number, ":run": self.run, ":now": now, ":outcome": outcome, ":exit_code": exit_code,
            ":error": error,
        };
        let sql =
            "UPDATE job_runs SET ended = :now, outcome = :outcome, exit_code = :exit_code, error = :error
            WHERE job = :job AND run = :run";
        change(transaction, "write down how a run ended", sql, parameters).map(drop)
    }
}

/// Ends a job; if it did not succeed, those that were to follow it are cancelled, and those that were to follow them.
pub(super) fn finish(
    transaction: &Transaction<'_>,
    now: i64,
    number: i64,
    state: &str,
    exit_code: Option<u8>,
    error: Option<&str>,
) -> Result<(), StoreError> {
    let parameters = named_params! {
        ":number": number, ":state": state, ":now": now, ":exit_code": exit_code, ":error": error,
    };
    let sql = "UPDATE jobs SET state = :state, ended = :now, lease = NULL, lease_until = NULL, owner = NULL, paused = 0,
            cancel_asked = 0, exit_code = :exit_code, error = :error
        WHERE number = :number";
    change(transaction, "end a job", sql, parameters)?;
    if state == "succeeded" {
        return Ok(());
    }
    let sql = "WITH RECURSIVE followers (number) AS (
            SELECT job FROM job_dependencies WHERE after = :number
            UNION SELECT job FROM job_dependencies JOIN followers ON after = followers.number)
        UPDATE jobs SET state = 'cancelled', ended = :now, paused = 0,
            error = 'it was to follow ' || (SELECT id || ', which ' || CASE state
                WHEN 'cancelled' THEN 'was cancelled' ELSE 'failed' END FROM jobs WHERE number = :number)
        WHERE number IN followers AND state = 'queued'";
    let parameters = named_params! { ":number": number, ":now": now };
    change(transaction, "cancel the jobs that were to follow", sql, parameters).map(drop)
}
