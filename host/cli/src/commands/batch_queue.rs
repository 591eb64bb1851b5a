//! `inferno batch-queue ...`: jobs for later, and who runs them.

mod logs;
mod view;
mod work;

use std::time::{Duration, Instant};

use inferno_store::{
    DEFAULT_TENANT, Job, JobFilter, JobState, NewJob, NewSchedule, Retry, Store, StoreError, Submitter, Task,
};
use serde_json::json;

use crate::args::jobs::{self as args, BatchQueue};
use crate::failure::{Failure, Outcome};
use crate::plugins::Installation;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::{host, jobs, times, verbs};

/// How often it is looked whether a job has ended.
const LOOK: Duration = Duration::from_millis(200);
/// Jobs that are read at a time.
const PAGE: u32 = 1000;
/// What ids of schedules begin with.
const SCHEDULE: &str = "sched_";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid { .. } => Self::usage(error),
            error => Self::new(error),
        }
    }
}

pub(crate) fn batch_queue(settings: &Settings, verb: BatchQueue, printer: Printer) -> Outcome {
    let store = host::store(settings)?;
    match verb {
        BatchQueue::Create(create) => self::create(settings, &store, create, printer),
        BatchQueue::Submit(submit) => self::submit(settings, &store, submit, printer),
        BatchQueue::List(list) => self::list(&store, &list, printer),
        BatchQueue::Show { id, json } => show(&store, &id, json.json, printer),
        BatchQueue::Logs(asked) => logs::logs(settings, &store, &asked, printer),
        BatchQueue::Cancel(ids) => each(&ids.ids, printer, |id| cancel(&store, id)),
        BatchQueue::Retry(ids) => each(&ids.ids, printer, |id| Ok(told(&store.retry_job(id)?))),
        BatchQueue::Pause(ids) => pause(&store, &ids.ids, true, printer),
        BatchQueue::Resume(ids) => pause(&store, &ids.ids, false, printer),
        BatchQueue::Drain { timeout } => drain(&store, timeout.map(|timeout| timeout.0), printer),
        BatchQueue::Export(filter) => export(&store, &filter, printer),
        BatchQueue::Remove(ids) => each(&ids.ids, printer, |id| remove(settings, &store, id)),
        BatchQueue::Work { once } => work::work(settings, store, once, printer),
    }
}

fn create(settings: &Settings, store: &Store, create: args::Create, printer: Printer) -> Outcome {
    let args::Create { schedule, time_zone, max_runs, json, task } = create;
    let task = self::task(settings, task)?;
    let schedule = store.create_schedule(&NewSchedule { task, cron: schedule, time_zone, max_runs })?;
    if json.json {
        printer.json(&schedule)?;
    } else {
        printer.line(&schedule.id)?;
        if let Some(next) = schedule.next_run.filter(|_| printer.interactive) {
            printer.note(format_args!("It makes its first job at {}.", times::shown(next)));
        }
    }
    Ok(0)
}

fn submit(settings: &Settings, store: &Store, submit: args::Submit, printer: Printer) -> Outcome {
    let args::Submit { after, not_before, key, json, task } = submit;
    let not_before = not_before.as_deref().map(times::parse).transpose().map_err(Failure::usage)?;
    let task = self::task(settings, task)?;
    let submitted =
        store.submit_job(&NewJob { after, not_before, key, ..NewJob::new(task, Submitter::User) })?;
    if json.json {
        printer.json(&submitted.job)?;
    } else {
        printer.line(&submitted.job.id)?;
    }
    if !submitted.fresh {
        printer.note("This job was submitted before, with the same key.");
    }
    Ok(0)
}

/// What was typed as a task; its verb must be one, since nobody may be there when the job is run.
fn task(settings: &Settings, typed: args::Task) -> Result<Task, Failure> {
    let args::Task { tenant, priority, retries, backoff, timeout, command } = typed;
    let mut words = command.into_iter();
    let verb = words.next().unwrap_or_default();
    verbs::find(&Installation::read(settings)?, &verb)?;
    let workdir = std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
    let workdir = workdir.into_os_string().into_string().map_err(|folder| {
        Failure::new(format!("the working directory {folder:?} has a name that is not valid UTF-8"))
    })?;
    Ok(Task {
        workdir: Some(workdir),
        priority,
        retry: Retry { attempts: retries + 1, backoff: backoff.0, ..Retry::default() },
        timeout: timeout.map(|timeout| timeout.0),
        ..Task::new(tenant.as_deref().unwrap_or(DEFAULT_TENANT), verb, words.collect())
    })
}

fn list(store: &Store, list: &args::List, printer: Printer) -> Outcome {
    if list.schedules {
        let schedules = store.schedules()?;
        if list.json.json {
            printer.json(&schedules)?;
        } else if schedules.is_empty() {
            printer.note("There are no schedules; `inferno batch-queue create` makes one.");
        } else {
            let rows: Vec<Vec<String>> = schedules.iter().map(view::schedule_row).collect();
            printer.table(&view::SCHEDULES, &rows)?;
        }
        return Ok(0);
    }
    let jobs = store.jobs(&JobFilter { limit: list.limit, ..filter(&list.filter) })?;
    if list.json.json {
        printer.json(&jobs)?;
    } else if jobs.is_empty() {
        printer.note("There are no such jobs; `inferno batch-queue submit` makes one.");
    } else {
        let rows: Vec<Vec<String>> = jobs.iter().map(view::job_row).collect();
        printer.table(&view::JOBS, &rows)?;
        if jobs.len() == list.limit as usize {
            let last = jobs.last().map(|job| job.id.as_str()).unwrap_or_default();
            printer.note(format_args!("There may be more: --before {last}"));
        }
    }
    if store.jobs_paused()? {
        printer.note("The queue is paused: no job begins until `inferno batch-queue resume`.");
    }
    Ok(0)
}

fn filter(typed: &args::Filter) -> JobFilter {
    JobFilter {
        states: typed.state.clone(),
        tenant: typed.tenant.clone(),
        verb: typed.command.clone(),
        before: typed.before.clone(),
        ..JobFilter::default()
    }
}

fn show(store: &Store, id: &str, json: bool, printer: Printer) -> Outcome {
    if id.starts_with(SCHEDULE) {
        let schedule = store.schedule(id)?;
        if json {
            printer.json(&schedule)?
        } else {
            printer.facts(&view::schedule_facts(&schedule))?
        }
        return Ok(0);
    }
    let (job, runs) = (store.job(id)?, store.job_runs(id)?);
    if json {
        printer.json(&json!({ "job": job, "runs": runs }))?;
        return Ok(0);
    }
    printer.facts(&view::job_facts(&job))?;
    if !runs.is_empty() {
        printer.line("")?;
        printer.table(&view::RUNS, &runs.iter().map(view::run_row).collect::<Vec<_>>())?;
    }
    Ok(0)
}

/// Does something to each of them, and tells how each is afterwards.
fn each(ids: &[String], printer: Printer, work: impl Fn(&str) -> Result<String, Failure>) -> Outcome {
    for id in ids {
        printer.note(work(id)?);
    }
    Ok(0)
}

fn told(job: &Job) -> String {
    format!("{} is {}", job.id, job.state)
}

fn cancel(store: &Store, id: &str) -> Result<String, Failure> {
    let job = store.cancel_job(id)?;
    Ok(if job.state == JobState::Running { format!("{id} is being stopped") } else { told(&job) })
}

fn remove(settings: &Settings, store: &Store, id: &str) -> Result<String, Failure> {
    if id.starts_with(SCHEDULE) {
        store.remove_schedule(id)?;
    } else {
        store.remove_job(id)?;
        jobs::remove_logs(&settings.data_dir, id);
    }
    Ok(format!("removed {id}"))
}

fn pause(store: &Store, ids: &[String], pause: bool, printer: Printer) -> Outcome {
    if ids.is_empty() {
        store.pause_jobs(pause)?;
        printer.note(if pause { "the queue is paused: jobs that run go on" } else { "the queue goes on" });
    }
    each(ids, printer, |id| {
        if id.starts_with(SCHEDULE) {
            store.enable_schedule(id, !pause)?;
            return Ok(format!("{id} {}", if pause { "is paused" } else { "goes on" }));
        }
        Ok(told(&if pause { store.pause_job(id)? } else { store.resume_job(id)? }))
    })
}

fn drain(store: &Store, timeout: Option<Duration>, printer: Printer) -> Outcome {
    store.pause_jobs(true)?;
    let started = Instant::now();
    loop {
        store.take_back_jobs()?;
        let running = store.job_counts()?.get(&JobState::Running).copied().unwrap_or(0);
        if running == 0 {
            printer.note("no job runs; the queue is paused until `inferno batch-queue resume`");
            return Ok(0);
        }
        if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
            let jobs = if running == 1 { "job still runs" } else { "jobs still run" };
            return Err(Failure::new(format!("{running} {jobs}")).hint(
                "no others begin until `inferno batch-queue resume`; `inferno batch-queue cancel` stops them",
            ));
        }
        std::thread::sleep(LOOK);
    }
}

fn export(store: &Store, typed: &args::Filter, printer: Printer) -> Outcome {
    let mut filter = JobFilter { limit: PAGE, ..self::filter(typed) };
    loop {
        let jobs = store.jobs(&filter)?;
        for job in &jobs {
            printer.line(json!({ "job": job, "runs": store.job_runs(&job.id)? }))?;
        }
        match jobs.last() {
            Some(last) if jobs.len() == PAGE as usize => filter.before = Some(last.id.clone()),
            _ => return Ok(0),
        }
    }
}
