//! How jobs and schedules stand in the database.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, ToSql, Transaction, types::FromSqlError};

use super::{Job, JobRun, Schedule, Task};
use crate::StoreError;

/// What [`job`] reads.
pub(super) const JOB: &str = "SELECT id, tenant, verb, args, workdir, submitter, key, priority, seen_state, attempts,
    max_attempts, runs, timeout, not_before, owner, lease_until, cancel_asked, exit_code, error, created, started, ended,
    (SELECT json_group_array(earlier.id) FROM job_dependencies JOIN jobs AS earlier ON earlier.number = after
        WHERE job = seen_jobs.number) AS after
    FROM seen_jobs";

/// What [`run`] reads.
pub(super) const RUN: &str =
    "SELECT run, attempt, owner, started, ended, outcome, exit_code, error FROM job_runs";

/// What [`schedule`] reads.
pub(super) const SCHEDULE: &str =
    "SELECT id, tenant, cron, time_zone, verb, args, workdir, priority, max_attempts, timeout,
    max_runs, runs, enabled, next_run, last_run, last_job, created FROM schedules";

pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get("id")?,
        tenant: row.get("tenant")?,
        verb: row.get("verb")?,
        args: words(row, "args")?,
        workdir: row.get("workdir")?,
        submitter: row.get("submitter")?,
        key: row.get("key")?,
        priority: row.get("priority")?,
        state: row.get("seen_state")?,
        attempts: row.get("attempts")?,
        max_attempts: row.get("max_attempts")?,
        runs: row.get("runs")?,
        timeout_ms: number(row, "timeout")?,
        not_before: number(row, "not_before")?.unwrap_or(0),
        after: words(row, "after")?,
        owner: row.get("owner")?,
        lease_until: number(row, "lease_until")?,
        cancel_asked: row.get("cancel_asked")?,
        exit_code: row.get("exit_code")?,
        error: row.get("error")?,
        created: number(row, "created")?.unwrap_or(0),
        started: number(row, "started")?,
        ended: number(row, "ended")?,
    })
}

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<JobRun> {
    Ok(JobRun {
        run: row.get("run")?,
        attempt: row.get("attempt")?,
        owner: row.get("owner")?,
        started: number(row, "started")?.unwrap_or(0),
        ended: number(row, "ended")?,
        outcome: row.get("outcome")?,
        exit_code: row.get("exit_code")?,
        error: row.get("error")?,
    })
}

pub(super) fn schedule(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    Ok(Schedule {
        id: row.get("id")?,
        tenant: row.get("tenant")?,
        cron: row.get("cron")?,
        time_zone: row.get("time_zone")?,
        verb: row.get("verb")?,
        args: words(row, "args")?,
        workdir: row.get("workdir")?,
        priority: row.get("priority")?,
        max_attempts: row.get("max_attempts")?,
        timeout_ms: number(row, "timeout")?,
        max_runs: row.get("max_runs")?,
        runs: row.get("runs")?,
        enabled: row.get("enabled")?,
        next_run: number(row, "next_run")?,
        last_run: number(row, "last_run")?,
        last_job: row.get("last_job")?,
        created: number(row, "created")?.unwrap_or(0),
    })
}

/// What a schedule's jobs do.
pub(super) fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    let duration = |name: &str| Ok::<_, rusqlite::Error>(number(row, name)?.map(Duration::from_millis));
    Ok(Task {
        tenant: row.get("tenant")?,
        verb: row.get("verb")?,
        args: words(row, "args")?,
        workdir: row.get("workdir")?,
        priority: row.get("priority")?,
        retry: super::Retry {
            attempts: row.get("max_attempts")?,
            backoff: duration("backoff")?.unwrap_or_default(),
            cap: duration("backoff_cap")?.unwrap_or_default(),
        },
        timeout: duration("timeout")?,
    })
}

/// The job with this id, if there is one.
pub(super) fn find(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Job>> {
    transaction.prepare_cached(&format!("{JOB} WHERE id = ?1"))?.query_row([id], job).optional()
}

/// The job of this number, which is there.
pub(super) fn by_number(transaction: &Transaction<'_>, at: i64) -> Result<Job, StoreError> {
    transaction
        .prepare_cached(&format!("{JOB} WHERE number = ?1"))
        .and_then(|mut statement| statement.query_row([at], job))
        .map_err(StoreError::failed("read a job"))
}

/// Runs one statement that changes something, and says how many rows it changed.
pub(super) fn change(
    transaction: &Transaction<'_>,
    doing: &str,
    sql: &str,
    parameters: &[(&str, &dyn ToSql)],
) -> Result<usize, StoreError> {
    transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(parameters))
        .map_err(StoreError::failed(doing))
}

/// As SQLite keeps it.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// As a JSON list.
pub(super) fn json(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}

fn words(row: &Row<'_>, name: &str) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(name)?;
    serde_json::from_str(&text).map_err(|error| FromSqlError::other(error).into())
}

fn number(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(name)?;
    Ok(value.map(|value| u64::try_from(value).unwrap_or(0)))
}
