//! Putting jobs into the queue.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::{
    Job, JobState, NewJob, Submitter, Task,
    rows::{self, change, millis},
};
use crate::{Store, StoreError, keys::check_name, random_hex};

/// Bytes of all arguments together, at most.
const MAX_ARGS: u64 = 256 * 1024;
const MAX_KEY: usize = 256;
/// More attempts than this are no plan.
const MAX_ATTEMPTS: u32 = 1000;
const MAX_AFTER: usize = 1000;

/// What came of submitting a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub job: Job,
    /// It is new; otherwise it was submitted before, with the same key.
    pub fresh: bool,
}

impl Store {
    /// Puts a job into the queue; it is on the disk when the call returns. Blocks.
    pub fn submit_job(&self, job: &NewJob) -> Result<Submitted, StoreError> {
        check_task(&job.task)?;
        check_key(job.key.as_deref())?;
        if job.after.len() > MAX_AFTER {
            let why = format!("a job can wait for at most {MAX_AFTER} others");
            return Err(StoreError::invalid("the list of jobs to wait for", "", why));
        }
        let now = (self.inner.clock)();
        let id = new_id("job", now)?;
        self.inner.database.write("submit a job", |transaction| {
            if let Some(known) = with_same_key(transaction, job)? {
                return Ok(Submitted { job: known, fresh: false });
            }
            check_room(transaction, job)?;
            let due = job.not_before.map_or(now, |due| i64::try_from(due).unwrap_or(i64::MAX));
            let number = insert(transaction, &id, now, due, &job.task, &job.by, job.key.as_deref())?;
            for after in &job.after {
                depend(transaction, number, after)?;
            }
            Ok(Submitted { job: rows::by_number(transaction, number)?, fresh: true })
        })
    }
}

/// An id that sorts by when it was made.
pub(super) fn new_id(kind: &str, now: i64) -> Result<String, StoreError> {
    Ok(format!("{kind}_{now:012x}{}", random_hex::<5>()?))
}

pub(super) fn check_task(task: &Task) -> Result<(), StoreError> {
    check_name("the name of a tenant", &task.tenant)?;
    if task.verb.is_empty() || task.verb.len() > 200 || task.verb.starts_with('-') {
        return Err(StoreError::invalid("the command", &task.verb, "it must begin with the name of a verb"));
    }
    let size: u64 = task.args.iter().map(|arg| arg.len() as u64 + 1).sum();
    if size > MAX_ARGS {
        let what = "the list of arguments".to_owned();
        return Err(StoreError::TooLarge { what, size, limit: MAX_ARGS });
    }
    if !(1..=MAX_ATTEMPTS).contains(&task.retry.attempts) {
        let why = format!("a job is tried once at least and {MAX_ATTEMPTS} times at most");
        return Err(StoreError::invalid("the number of attempts", &task.retry.attempts.to_string(), why));
    }
    if task.timeout.is_some_and(|timeout| timeout.as_millis() == 0) {
        return Err(StoreError::invalid("the time limit", "0", "it must be at least one millisecond"));
    }
    Ok(())
}

fn check_key(key: Option<&str>) -> Result<(), StoreError> {
    match key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => {
            Err(StoreError::invalid("the key", key, format!("it must have 1 to {MAX_KEY} bytes")))
        }
        _ => Ok(()),
    }
}

fn with_same_key(transaction: &Transaction<'_>, job: &NewJob) -> Result<Option<Job>, StoreError> {
    let Some(key) = &job.key else { return Ok(None) };
    let sql = format!("{} WHERE tenant = :tenant AND submitter = :submitter AND key = :key", rows::JOB);
    let parameters = named_params! { ":tenant": job.task.tenant, ":submitter": job.by, ":key": key };
    let known = transaction
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row(parameters, rows::job).optional())
        .map_err(StoreError::failed("look for a job with the same key"))?;
    match known {
        Some(known) if known.verb != job.task.verb || known.args != job.task.args => {
            let why = format!("the job {} has it, and runs something else", known.id);
            Err(StoreError::invalid("the key", key, why))
        }
        known => Ok(known),
    }
}

fn check_room(transaction: &Transaction<'_>, job: &NewJob) -> Result<(), StoreError> {
    let Some(most) = job.most else { return Ok(()) };
    let sql = "SELECT count(*) FROM jobs WHERE tenant = :tenant AND submitter = :submitter AND ended IS NULL";
    let parameters = named_params! { ":tenant": job.task.tenant, ":submitter": job.by };
    let unfinished: i64 = transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)))
        .map_err(StoreError::failed("count jobs"))?;
    if unfinished < i64::from(most) {
        return Ok(());
    }
    Err(StoreError::QueueFull { submitter: job.by.to_string(), tenant: job.task.tenant.clone(), limit: most })
}

/// Writes a job down and returns its number.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    id: &str,
    now: i64,
    due: i64,
    task: &Task,
    by: &Submitter,
    key: Option<&str>,
) -> Result<i64, StoreError> {
    let parameters = named_params! {
        ":id": id, ":tenant": task.tenant, ":verb": task.verb, ":args": rows::json(&task.args),
        ":workdir": task.workdir, ":submitter": by, ":key": key, ":priority": task.priority,
        ":attempts": task.retry.attempts, ":backoff": millis(task.retry.backoff),
        ":cap": millis(task.retry.cap), ":timeout": task.timeout.map(millis), ":due": due, ":now": now,
    };
    let sql =
        "INSERT INTO jobs (id, tenant, verb, args, workdir, submitter, key, priority, state, max_attempts,
            backoff, backoff_cap, timeout, not_before, created)
        VALUES (:id, :tenant, :verb, :args, :workdir, :submitter, :key, :priority, 'queued', :attempts,
            :backoff, :cap, :timeout, :due, :now)";
    change(transaction, "submit a job", sql, parameters)?;
    Ok(transaction.last_insert_rowid())
}

/// Lets a job wait for another one.
fn depend(transaction: &Transaction<'_>, number: i64, after: &str) -> Result<(), StoreError> {
    let found: Option<(i64, JobState)> = transaction
        .prepare_cached("SELECT number, seen_state FROM seen_jobs WHERE id = ?1")
        .and_then(|mut statement| {
            statement.query_row([after], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(StoreError::failed("look for the job to wait for"))?;
    let (earlier, state) = found.ok_or_else(|| StoreError::NoSuchJob { id: after.to_owned() })?;
    if state.has_ended() && state != JobState::Succeeded {
        return Err(StoreError::JobState { id: after.to_owned(), state, doing: "be waited for" });
    }
    let parameters = named_params! { ":job": number, ":after": earlier };
    let sql = "INSERT INTO job_dependencies (job, after) VALUES (:job, :after) ON CONFLICT DO NOTHING";
    change(transaction, "let a job wait for another", sql, parameters).map(drop)
}
