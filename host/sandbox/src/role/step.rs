//! The step role: works on the records of a pipeline, batch by batch.

use futures::FutureExt as _;

use super::bindings::step::{Playing, PlayingPre};
use crate::capability::bindings::inferno::host::work::{Item, Outcome};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::session::{Order, Session};
use crate::state::{Caller, State, Surroundings};

pub(crate) type Steps = PlayingPre<State>;

/// A step at work: one instance that sees every batch of a run. Dropping it ends it.
///
/// The limits of a call hold for each batch. After an error of kind [`Refused`](crate::ErrorKind::Refused), which is
/// the plugin's own, the step goes on; after any other it is over.
pub struct Step(Session<Playing>);

impl Plugin {
    /// Starts a step; `config` is JSON text.
    pub async fn open_step(&self, caller: Caller, config: &str) -> Result<Step, Error> {
        self.open_step_for(caller.into(), config.to_owned()).await
    }

    pub(crate) async fn open_step_for(&self, order: Order, config: String) -> Result<Step, Error> {
        let steps = self.inner.roles.step.as_ref().ok_or_else(|| self.plays_no("step"))?;
        let limits = &self.inner.limits;
        let mut session = Session::open(self, "step", steps, order, limits, &Surroundings::Service).await?;
        session
            .call(move |live| {
                async move { live.guest.inferno_plugin_step().call_open(&mut live.store, &config).await }
                    .boxed()
            })
            .await?;
        Ok(Step(session))
    }
}

impl Step {
    /// The plugin whose step it is, in the version that it began with.
    pub fn plugin(&self) -> &Plugin {
        self.0.plugin()
    }

    /// One outcome for each item, in order.
    pub async fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        let expected = batch.len();
        let outcomes = self
            .0
            .call(move |live| {
                async move { live.guest.inferno_plugin_step().call_process(&mut live.store, &batch).await }
                    .boxed()
            })
            .await?;
        if outcomes.len() == expected {
            return Ok(outcomes);
        }
        Err(self.0.breach(format_args!("it gave {} outcomes for {expected} items", outcomes.len())))
    }

    /// Ends the step and returns what it kept until now.
    pub async fn finish(mut self) -> Result<Vec<Item>, Error> {
        self.0
            .call(|live| {
                async move { live.guest.inferno_plugin_step().call_finish(&mut live.store).await }.boxed()
            })
            .await
    }
}
