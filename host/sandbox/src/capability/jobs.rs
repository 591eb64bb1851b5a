//! `inferno:host/jobs`: runs of the plugin's own command for later, as the same tenant. Needs the `jobs` grant. They are
//! in the store, where whoever runs jobs finds them; a plugin sees no others than those that it submitted itself.

use std::time::Duration;

use inferno_store::{Job as Stored, JobFilter, JobState, NewJob, Store, StoreError, Submitter, Task};
use serde::Serialize;
use serde_json::json;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

use super::bindings::inferno::host::jobs::{self, State as Seen};
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::state::{Caller, Host, State};
use crate::tape::taped;

/// How many jobs one call lists.
const MAX_JOBS: u32 = 100;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    jobs::add_to_linker::<_, Host>(linker, |state| state)
}

/// A job that a plugin is putting together.
#[derive(Serialize)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Plan {
    arguments: Vec<String>,
    priority: Option<i32>,
    attempts: Option<u32>,
    backoff_ms: Option<u64>,
    not_before_ms: Option<u64>,
    timeout_ms: Option<u64>,
    key: Option<String>,
    /// Bytes that the plugin has put in, as [`State::hold`] counts them.
    #[serde(skip)]
    held: usize,
}

impl Plan {
    fn into_job(self, plugin: &str, tenant: &str, most: u32) -> NewJob {
        let mut task = Task::new(tenant, plugin, self.arguments);
        task.priority = self.priority.unwrap_or(task.priority);
        task.retry.attempts = self.attempts.unwrap_or(task.retry.attempts);
        task.retry.backoff = self.backoff_ms.map_or(task.retry.backoff, Duration::from_millis);
        task.timeout = self.timeout_ms.map(Duration::from_millis);
        let by = Submitter::Plugin(plugin.to_owned());
        NewJob { not_before: self.not_before_ms, key: self.key, most: Some(most), ..NewJob::new(task, by) }
    }
}

/// A job of the plugin.
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Job {
    id: String,
}

/// Whose jobs a call may see.
struct Own {
    tenant: String,
    submitter: Submitter,
}

impl Own {
    /// The job with this id, if it is one of them.
    fn find(&self, store: &Store, id: &str) -> Result<Stored, StoreError> {
        let job = store.job(id)?;
        let own = job.tenant == self.tenant && job.submitter == self.submitter;
        if own { Ok(job) } else { Err(StoreError::NoSuchJob { id: id.to_owned() }) }
    }
}

impl State {
    /// Checks the grant and works on the queue, on a thread that may block.
    async fn with_jobs<R: Send + 'static>(
        &mut self,
        call: &str,
        work: impl FnOnce(&Store, &Own) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, Error> {
        self.allow(call, Need::Jobs)?;
        let store = self.shared.services.store.clone();
        let own = Own {
            tenant: self.actor.caller.tenant.clone(),
            submitter: Submitter::Plugin(self.actor.plugin.clone()),
        };
        match tokio::task::spawn_blocking(move || work(&store, &own)).await {
            Ok(result) => result.map_err(worded),
            Err(error) => Err(super::internal(format!("the store failed: {error}"))),
        }
    }

    /// Takes a plan out of the plugin's hands.
    fn take_plan(&mut self, plan: Resource<Plan>) -> Result<Plan> {
        let plan = self.table.delete(plan)?;
        self.release(plan.held);
        Ok(plan)
    }

    fn change_plan(
        &mut self,
        plan: &Resource<Plan>,
        bytes: usize,
        change: impl FnOnce(&mut Plan),
    ) -> Result<()> {
        self.hold(bytes)?;
        let plan = self.table.get_mut(plan)?;
        plan.held += bytes;
        change(plan);
        Ok(())
    }

    /// One look at a job, or one change of it.
    async fn about<R: Serialize + serde::de::DeserializeOwned + Send + 'static>(
        &mut self,
        call: &'static str,
        job: Resource<Job>,
        work: impl FnOnce(&Store, Stored) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<Result<R, Error>> {
        let id = self.table.get(&job)?.id.clone();
        let slot = taped!(self.tape, call, json!({ "job": id }));
        slot.done(self.with_jobs(call, move |store, own| work(store, own.find(store, &id)?)).await)
    }
}

fn worded(error: StoreError) -> Error {
    let (kind, message, hint) = match &error {
        StoreError::Invalid { .. } | StoreError::TooLarge { .. } | StoreError::JobState { .. } => {
            (ErrorKind::Invalid, error.to_string(), None)
        }
        StoreError::NoSuchJob { id } => {
            (ErrorKind::NotFound, format!("the plugin has no job {id:?} for this tenant"), None)
        }
        StoreError::QueueFull { .. } => {
            let hint = "the user raises it as `jobs.per_plugin` in the configuration";
            (ErrorKind::Exhausted, error.to_string(), Some(hint.to_owned()))
        }
        _ => (ErrorKind::Internal, error.to_string(), None),
    };
    Error { kind, message, hint, retry_after_ms: None }
}

fn seen(state: JobState) -> Seen {
    match state {
        JobState::Queued | JobState::Blocked | JobState::Paused => Seen::Queued,
        JobState::Running => Seen::Running,
        JobState::Succeeded => Seen::Succeeded,
        JobState::Failed | JobState::Dead => Seen::Failed,
        JobState::Cancelled => Seen::Cancelled,
    }
}

/// What the plugin gets stands on the tape as ids.
impl State {
    async fn submitted(&mut self, plan: Resource<Plan>) -> Result<Result<String, Error>> {
        let call = "inferno:host/jobs.submit";
        let plan = self.take_plan(plan)?;
        let slot = taped!(self.tape, call, json!(plan));
        let Caller { tenant, .. } = &self.actor.caller;
        let job = plan.into_job(&self.actor.plugin, tenant, self.shared.services.jobs_per_plugin);
        let submit = move |store: &Store, _: &Own| Ok(store.submit_job(&job)?.job.id);
        slot.done(self.with_jobs(call, submit).await)
    }

    async fn found(&mut self, id: String) -> Result<Result<String, Error>> {
        let call = "inferno:host/jobs.get";
        let slot = taped!(self.tape, call, json!({ "id": id }));
        slot.done(self.with_jobs(call, move |store, own| Ok(own.find(store, &id)?.id)).await)
    }

    async fn listed(&mut self, before: Option<String>) -> Result<Result<Vec<String>, Error>> {
        let call = "inferno:host/jobs.all";
        let slot = taped!(self.tape, call, json!({ "before": before }));
        let list = move |store: &Store, own: &Own| {
            let filter = JobFilter {
                tenant: Some(own.tenant.clone()),
                submitter: Some(own.submitter.clone()),
                before,
                limit: MAX_JOBS,
                ..JobFilter::default()
            };
            Ok(store.jobs(&filter)?.into_iter().map(|job| job.id).collect())
        };
        slot.done(self.with_jobs(call, list).await)
    }
}

impl jobs::Host for State {
    async fn submit(&mut self, plan: Resource<Plan>) -> Result<Result<Resource<Job>, Error>> {
        match self.submitted(plan).await? {
            Ok(id) => Ok(Ok(self.table.push(Job { id })?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn get(&mut self, id: String) -> Result<Result<Resource<Job>, Error>> {
        match self.found(id).await? {
            Ok(id) => Ok(Ok(self.table.push(Job { id })?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn all(&mut self, before: Option<String>) -> Result<Result<Vec<Resource<Job>>, Error>> {
        let ids = match self.listed(before).await? {
            Ok(ids) => ids,
            Err(error) => return Ok(Err(error)),
        };
        let jobs = ids.into_iter().map(|id| Ok(self.table.push(Job { id })?)).collect::<Result<_>>()?;
        Ok(Ok(jobs))
    }
}

impl jobs::HostJob for State {
    fn id(&mut self, job: Resource<Job>) -> Result<String> {
        Ok(self.table.get(&job)?.id.clone())
    }

    async fn state(&mut self, job: Resource<Job>) -> Result<Result<Seen, Error>> {
        self.about("inferno:host/jobs.job.state", job, |_, job| Ok(seen(job.state))).await
    }

    async fn attempts(&mut self, job: Resource<Job>) -> Result<Result<u32, Error>> {
        self.about("inferno:host/jobs.job.attempts", job, |_, job| Ok(job.attempts)).await
    }

    async fn failure(&mut self, job: Resource<Job>) -> Result<Result<Option<String>, Error>> {
        self.about("inferno:host/jobs.job.failure", job, |_, job| Ok(job.error)).await
    }

    async fn cancel(&mut self, job: Resource<Job>) -> Result<Result<(), Error>> {
        let cancel = |store: &Store, job: Stored| store.cancel_job(&job.id).map(drop);
        self.about("inferno:host/jobs.job.cancel", job, cancel).await
    }

    fn drop(&mut self, job: Resource<Job>) -> Result<()> {
        self.table.delete(job)?;
        Ok(())
    }
}

impl jobs::HostPlan for State {
    fn new(&mut self, args: Vec<String>) -> Result<Resource<Plan>> {
        let held = args.iter().map(|argument| argument.len() + size_of::<String>()).sum();
        self.hold(held)?;
        let plan = Plan {
            arguments: args,
            priority: None,
            attempts: None,
            backoff_ms: None,
            not_before_ms: None,
            timeout_ms: None,
            key: None,
            held,
        };
        Ok(self.table.push(plan)?)
    }

    fn priority(&mut self, plan: Resource<Plan>, value: i32) -> Result<()> {
        self.change_plan(&plan, 0, |plan| plan.priority = Some(value))
    }

    fn attempts(&mut self, plan: Resource<Plan>, count: u32) -> Result<()> {
        self.change_plan(&plan, 0, |plan| plan.attempts = Some(count))
    }

    fn backoff(&mut self, plan: Resource<Plan>, wait_ms: u64) -> Result<()> {
        self.change_plan(&plan, 0, |plan| plan.backoff_ms = Some(wait_ms))
    }

    fn not_before(&mut self, plan: Resource<Plan>, time_ms: u64) -> Result<()> {
        self.change_plan(&plan, 0, |plan| plan.not_before_ms = Some(time_ms))
    }

    fn timeout(&mut self, plan: Resource<Plan>, limit_ms: u64) -> Result<()> {
        self.change_plan(&plan, 0, |plan| plan.timeout_ms = Some(limit_ms))
    }

    fn key(&mut self, plan: Resource<Plan>, text: String) -> Result<()> {
        self.change_plan(&plan, text.len(), |plan| plan.key = Some(text))
    }

    fn drop(&mut self, plan: Resource<Plan>) -> Result<()> {
        self.take_plan(plan).map(drop)
    }
}
