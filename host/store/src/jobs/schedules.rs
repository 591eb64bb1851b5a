//! Time tables that make jobs.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::{
    NewSchedule, Schedule, Submitter, Task,
    cron::{self, Timetable},
    rows::{self, change, millis},
    submit::{check_task, insert, new_id},
};
use crate::{Store, StoreError};

impl Store {
    /// Makes a schedule. Blocks.
    pub fn create_schedule(&self, new: &NewSchedule) -> Result<Schedule, StoreError> {
        check_task(&new.task)?;
        if new.max_runs == Some(0) {
            return Err(StoreError::invalid("the number of runs", "0", "it must be at least 1"));
        }
        let zone = new.time_zone.clone().unwrap_or_else(cron::own_zone);
        let now = (self.inner.clock)();
        let Some(next) = Timetable::parse(&new.cron, &zone)?.after(now) else {
            return Err(StoreError::invalid("the schedule", &new.cron, "there is no such time any more"));
        };
        let id = new_id("sched", now)?;
        let task = &new.task;
        self.inner.database.write("make a schedule", |transaction| {
            let parameters = named_params! {
                ":id": id, ":tenant": task.tenant, ":cron": new.cron, ":zone": zone, ":verb": task.verb,
                ":args": rows::json(&task.args), ":workdir": task.workdir, ":priority": task.priority,
                ":attempts": task.retry.attempts, ":backoff": millis(task.retry.backoff),
                ":cap": millis(task.retry.cap), ":timeout": task.timeout.map(millis), ":max_runs": new.max_runs,
                ":next": next, ":now": now,
            };
            let sql = "INSERT INTO schedules (id, tenant, cron, time_zone, verb, args, workdir, priority, max_attempts,
                    backoff, backoff_cap, timeout, max_runs, next_run, created)
                VALUES (:id, :tenant, :cron, :zone, :verb, :args, :workdir, :priority, :attempts,
                    :backoff, :cap, :timeout, :max_runs, :next, :now)";
            change(transaction, "make a schedule", sql, parameters)?;
            find(transaction, &id)
        })
    }

    /// All schedules, the oldest first. Blocks.
    pub fn schedules(&self) -> Result<Vec<Schedule>, StoreError> {
        self.inner.database.read("list schedules", |transaction| {
            let sql = format!("{} ORDER BY number", rows::SCHEDULE);
            transaction.prepare_cached(&sql)?.query_map([], rows::schedule)?.collect()
        })
    }

    /// The schedule with this id. Blocks.
    pub fn schedule(&self, id: &str) -> Result<Schedule, StoreError> {
        let found = self.inner.database.read("read a schedule", |transaction| look(transaction, id))?;
        found.ok_or_else(|| StoreError::NoSuchJob { id: id.to_owned() })
    }

    /// Lets a schedule make no jobs, or lets it make them again, from the next time on. Blocks.
    pub fn enable_schedule(&self, id: &str, enabled: bool) -> Result<Schedule, StoreError> {
        let now = (self.inner.clock)();
        self.inner.database.write("change a schedule", |transaction| {
            let Schedule { cron, time_zone, max_runs, runs, .. } = find(transaction, id)?;
            let spent = max_runs.is_some_and(|most| runs >= most);
            let next = if spent { None } else { Timetable::parse(&cron, &time_zone)?.after(now) };
            if enabled && next.is_none() {
                let why = if spent { "it has made all its jobs" } else { "there is no such time any more" };
                return Err(StoreError::invalid("the schedule", id, why));
            }
            let parameters = named_params! { ":id": id, ":enabled": enabled, ":next": next };
            let sql = "UPDATE schedules SET enabled = :enabled, next_run = :next WHERE id = :id";
            change(transaction, "change a schedule", sql, parameters)?;
            find(transaction, id)
        })
    }

    /// Removes a schedule; the jobs that it made stay. Blocks.
    pub fn remove_schedule(&self, id: &str) -> Result<Schedule, StoreError> {
        self.inner.database.write("remove a schedule", |transaction| {
            let schedule = find(transaction, id)?;
            let sql = "DELETE FROM schedules WHERE id = :id";
            change(transaction, "remove a schedule", sql, named_params! { ":id": id })?;
            Ok(schedule)
        })
    }
}

fn look(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Schedule>> {
    let sql = format!("{} WHERE id = ?1", rows::SCHEDULE);
    transaction.prepare_cached(&sql)?.query_row([id], rows::schedule).optional()
}

fn find(transaction: &Transaction<'_>, id: &str) -> Result<Schedule, StoreError> {
    let found = look(transaction, id).map_err(StoreError::failed("read a schedule"))?;
    found.ok_or_else(|| StoreError::NoSuchJob { id: id.to_owned() })
}

/// A schedule whose time has come.
struct Due {
    number: i64,
    id: String,
    cron: String,
    time_zone: String,
    task: Task,
    /// It is the last job that the schedule makes.
    last: bool,
}

impl Due {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            id: row.get("id")?,
            cron: row.get("cron")?,
            time_zone: row.get("time_zone")?,
            task: rows::task(row)?,
            last: row.get("last")?,
        })
    }
}

/// Makes a job of each schedule that is due. Times that were missed meanwhile count as one. A schedule moves on in the
/// transaction that makes its job, so that whoever looks next finds nothing to do.
pub(super) fn fire(transaction: &Transaction<'_>, now: i64) -> Result<(), StoreError> {
    let sql = "SELECT *, coalesce(runs + 1 >= max_runs, 0) AS last FROM schedules
        WHERE enabled AND next_run <= :now ORDER BY next_run, number";
    let due: Vec<Due> = transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(named_params! { ":now": now }, Due::read)?.collect())
        .map_err(StoreError::failed("look for schedules that are due"))?;
    for due in due {
        let job = new_id("job", now)?;
        insert(transaction, &job, now, now, &due.task, &Submitter::Schedule(due.id), None)?;
        // A time zone that is known no more ends the schedule rather than the queue.
        let next = match Timetable::parse(&due.cron, &due.time_zone) {
            Ok(table) if !due.last => table.after(now),
            _ => None,
        };
        let parameters = named_params! { ":number": due.number, ":now": now, ":next": next, ":job": job };
        let sql = "UPDATE schedules SET runs = runs + 1, last_run = :now, last_job = :job, next_run = :next,
                enabled = :next IS NOT NULL
            WHERE number = :number";
        change(transaction, "move a schedule on", sql, parameters)?;
    }
    Ok(())
}
