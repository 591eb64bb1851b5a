//! `inferno:host/plugins`: other plugins at work. Each runs in a sandbox of its own, with its own grants and limits, for
//! the tenant of the one that calls it, which pays for what it uses. Needs the `plugins` grant for its name.

mod conversion;

use serde_json::json;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

use super::bindings::inferno::host::plugins;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use super::bindings::inferno::host::work::{Item, Outcome, Sample, Verdict};
use crate::ask::Need;
use crate::error;
use crate::limits::Limit;
use crate::plugin::Plugin;
use crate::session::Order;
use crate::state::{Host, State};
use crate::tape::{Turn, taped};

/// Another plugin's step at the service of this one; without `open`, one that has been finished or stands on a tape.
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Step {
    open: Option<crate::role::step::Step>,
    working: Option<Working>,
    /// The call that opened it, on a tape.
    number: u64,
}

impl Step {
    /// Takes it for work, unless it has some.
    fn idle(&mut self) -> Result<crate::role::step::Step, Error> {
        self.open.take().ok_or_else(|| if self.working.is_some() { untaken() } else { finished() })
    }
}

/// A batch under way; the task ends with this.
type Working = wasmtime_wasi::runtime::AbortOnDropJoinHandle<(
    crate::role::step::Step,
    Result<Vec<Outcome>, error::Error>,
)>;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    plugins::add_to_linker::<_, Host>(linker, |state| state)
}

impl State {
    /// Another plugin, and the terms on which it works for this one.
    fn hire(&self, call: &str, name: &str) -> Result<(Plugin, Order), Error> {
        self.allow(call, Need::Plugin(name))?;
        let absent = || Error {
            kind: ErrorKind::NotFound,
            message: format!("no plugin named {name:?} is at hand"),
            hint: Some("`inferno plugin list` shows those that are".to_owned()),
            retry_after_ms: None,
        };
        let plugin = self.shared.directory.get(name).ok_or_else(absent)?;
        if !self.has(name) {
            let (caller, tenant) = (&self.actor.plugin, &self.actor.caller.tenant);
            self.shared.refuse(
                &self.actor,
                &format!(
                    "plugin \"{caller}\" called {call} for \"{name}\", which is not among the plugins of tenant {tenant}"
                ),
                &format!("to let it, add \"{name}\" to the `plugins` of [tenants.{tenant}] in your configuration"),
            );
            return Err(absent());
        }
        Ok((plugin, Order { caller: self.actor.caller.clone(), payer: Some(self.payer()) }))
    }

    /// Whether a plugin is there for the tenant on whose behalf this call runs. To the guest one that is not looks as if
    /// nobody had it.
    fn has(&self, plugin: &str) -> bool {
        self.shared.directory.is_for(&self.actor.caller.tenant, plugin)
    }

    /// Runs the work of another plugin in a task of its own: the engine takes no call inside a call on one thread. The
    /// task ends with the future. What the work has cost ends this call if it was too much.
    async fn apart<R: Send + 'static>(
        &mut self,
        work: impl Future<Output = R> + Send + 'static,
    ) -> Result<R> {
        let result = wasmtime_wasi::runtime::spawn(work).await;
        self.meter.check_charged()?;
        Ok(result)
    }
}

impl plugins::Host for State {
    fn playing(&mut self, role: String) -> Result<Result<Vec<String>, Error>> {
        let slot = taped!(self.tape, "inferno:host/plugins.playing", json!({ "role": role }));
        let playing = self.shared.directory.playing(&role);
        let names = playing.iter().map(Plugin::name);
        slot.done(Ok(names
            .filter(|name| self.shared.effect.permits(Need::Plugin(name)) && self.has(name))
            .map(str::to_owned)
            .collect()))
    }

    async fn open_step(&mut self, plugin: String, config: String) -> Result<Result<Resource<Step>, Error>> {
        let call = "inferno:host/plugins.open-step";
        let slot = match self.tape.begin(call, || json!({ "plugin": plugin, "config": config }))? {
            Turn::Live(slot) => slot,
            Turn::Told(told) => {
                let number = told.number();
                return match told.result()? {
                    Ok(()) => Ok(Ok(self.table.push(Step { open: None, working: None, number })?)),
                    Err(error) => Ok(Err(error)),
                };
            }
        };
        let (plugin, order) = match self.hire(call, &plugin) {
            Ok(hired) => hired,
            Err(error) => {
                slot.keep(&Err::<(), _>(&error))?;
                return Ok(Err(error));
            }
        };
        let number = slot.number();
        match self.apart(async move { plugin.open_step_for(order, config).await }).await? {
            Ok(step) => {
                slot.keep(&Ok::<_, Error>(()))?;
                Ok(Ok(self.table.push(Step { open: Some(step), working: None, number })?))
            }
            Err(error) => {
                let error = Error::from(error);
                slot.keep(&Err::<(), _>(&error))?;
                Ok(Err(error))
            }
        }
    }

    async fn judge(
        &mut self,
        plugin: String,
        config: String,
        samples: Vec<Sample>,
    ) -> Result<Result<Vec<Verdict>, Error>> {
        let call = "inferno:host/plugins.judge";
        let told = || json!({ "plugin": plugin, "config": config, "samples": samples });
        let slot = taped!(self.tape, call, told());
        let (plugin, order) = match self.hire(call, &plugin) {
            Ok(hired) => hired,
            Err(error) => return slot.done(Err(error)),
        };
        let judged = self.apart(async move { plugin.judge_for(order, config, samples).await }).await?;
        slot.done(judged.map_err(Error::from))
    }

    async fn routes(&mut self, plugin: String) -> Result<Result<Vec<(String, String)>, Error>> {
        self.routes_of(plugin).await
    }
}

impl plugins::HostStep for State {
    async fn process(
        &mut self,
        step: Resource<Step>,
        batch: Vec<Item>,
    ) -> Result<Result<Vec<Outcome>, Error>> {
        let number = self.table.get(&step)?.number;
        let told = || json!({ "step": number, "batch": batch });
        let slot = taped!(self.tape, "inferno:host/plugins.step.process", told());
        let mut open = match self.table.get_mut(&step)?.idle() {
            Ok(open) => open,
            Err(error) => return slot.done(Err(error)),
        };
        let (open, outcomes) = self
            .apart(async move {
                let outcomes = open.process(batch).await;
                (open, outcomes)
            })
            .await?;
        self.table.get_mut(&step)?.open = Some(open);
        slot.done(outcomes.map_err(Error::from))
    }

    fn submit(&mut self, step: Resource<Step>, batch: Vec<Item>) -> Result<Result<(), Error>> {
        let number = self.table.get(&step)?.number;
        let told = || json!({ "step": number, "batch": batch });
        let slot = taped!(self.tape, "inferno:host/plugins.step.submit", told());
        let step = self.table.get_mut(&step)?;
        let mut open = match step.idle() {
            Ok(open) => open,
            Err(error) => return slot.done(Err(error)),
        };
        step.working = Some(wasmtime_wasi::runtime::spawn(async move {
            let outcomes = open.process(batch).await;
            (open, outcomes)
        }));
        slot.done(Ok(()))
    }

    async fn take(&mut self, step: Resource<Step>) -> Result<Result<Vec<Outcome>, Error>> {
        let number = self.table.get(&step)?.number;
        let slot = taped!(self.tape, "inferno:host/plugins.step.take", json!({ "step": number }));
        let Some(working) = self.table.get_mut(&step)?.working.take() else {
            return slot.done(Err(unsubmitted()));
        };
        let (open, outcomes) = working.await;
        self.meter.check_charged()?;
        self.table.get_mut(&step)?.open = Some(open);
        slot.done(outcomes.map_err(Error::from))
    }

    async fn finish(&mut self, step: Resource<Step>) -> Result<Result<Vec<Item>, Error>> {
        let number = self.table.get(&step)?.number;
        let slot = taped!(self.tape, "inferno:host/plugins.step.finish", json!({ "step": number }));
        let open = match self.table.get_mut(&step)?.idle() {
            Ok(open) => open,
            Err(error) => return slot.done(Err(error)),
        };
        slot.done(self.apart(open.finish()).await?.map_err(Error::from))
    }

    fn drop(&mut self, step: Resource<Step>) -> Result<()> {
        self.table.delete(step)?;
        Ok(())
    }
}

fn untaken() -> Error {
    Error {
        kind: ErrorKind::Invalid,
        message: "the step has a batch already".to_owned(),
        hint: Some("take what came of it first".to_owned()),
        retry_after_ms: None,
    }
}

fn unsubmitted() -> Error {
    Error {
        kind: ErrorKind::Invalid,
        message: "the step has no batch".to_owned(),
        hint: Some("submit one first".to_owned()),
        retry_after_ms: None,
    }
}

fn finished() -> Error {
    Error {
        kind: ErrorKind::Invalid,
        message: "the step has been finished".to_owned(),
        hint: Some("open another one".to_owned()),
        retry_after_ms: None,
    }
}

/// How a failure around another plugin looks to the one that called it.
impl From<error::Error> for Error {
    fn from(error: error::Error) -> Self {
        use error::ErrorKind as From;
        let kind = match error.kind() {
            From::Refused(reason) => reason.into(),
            From::Role | From::Chain => ErrorKind::Invalid,
            From::Busy | From::Limit(Limit::ConcurrentCalls) => ErrorKind::Exhausted,
            From::Limit(Limit::Wall) => ErrorKind::Timeout,
            _ => ErrorKind::Internal,
        };
        Self {
            kind,
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            retry_after_ms: error.retry_after_ms(),
        }
    }
}
