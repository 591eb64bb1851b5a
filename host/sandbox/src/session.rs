//! An instance that is called more than once, such as a step that sees every batch of a run.
//!
//! Each call has the limits of a call for itself: computing, host calls and time. Memory is the instance's own and
//! lasts. After a call that was ended from outside, or in which the plugin crashed, there is no instance any more.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;
use wasmtime::Store;

use crate::call::{Call, Held, Terms};
use crate::capability::bindings::inferno::host::types;
use crate::chain::Payer;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::meter::{Meter, Reached};
use crate::plugin::Plugin;
use crate::returned::Returned;
use crate::state::{Caller, State, Surroundings};

/// A component that was found to play a role, ready to be made an instance.
pub(crate) trait Ready: Clone + Send + Sync + 'static {
    /// The instance's exports.
    type Guest: Send + Sync + 'static;

    fn instantiate<'a>(&'a self, store: &'a mut Store<State>)
    -> BoxFuture<'a, wasmtime::Result<Self::Guest>>;
}

/// On whose behalf, and at whose expense, an instance runs.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) caller: Caller,
    /// The call of another plugin that put this one to work; none: the host itself did.
    pub(crate) payer: Option<Payer>,
}

impl From<Caller> for Order {
    fn from(caller: Caller) -> Self {
        Self { caller, payer: None }
    }
}

/// What a role's function gives back: its result, or an error of the plugin's own.
pub(crate) type Told<R> = Result<R, types::Error>;

pub(crate) struct Session<G> {
    plugin: Plugin,
    role: &'static str,
    limits: Arc<Limits>,
    meter: Arc<Meter>,
    live: Option<Live<G>>,
}

/// In the order in which they go: the instance, then the room that it took.
pub(crate) struct Live<G> {
    pub(crate) guest: G,
    pub(crate) store: Store<State>,
    _held: Option<Held>,
}

impl<G: Send + Sync + 'static> Session<G> {
    /// Makes an instance.
    pub(crate) async fn open<P: Ready<Guest = G>>(
        plugin: &Plugin,
        role: &'static str,
        ready: &P,
        order: Order,
        limits: &Arc<Limits>,
        around: &Surroundings<'_>,
    ) -> Result<Self, Error> {
        let (mut store, mut terms) = plugin.begin(order, limits, around)?;
        let held = terms.held.take();
        let meter = terms.meter.clone();
        let ready = ready.clone();
        let (sender, receiver) = oneshot::channel();
        Call::new(&plugin.inner.engine, terms, async move {
            let guest = ready.instantiate(&mut store).await?;
            // The receiver is read below, after this future has ended.
            let _ = sender.send(Live { guest, store, _held: held });
            Ok(())
        })
        .await?;
        let live = receiver.await.map_err(|_| lost())?;
        Ok(Self { plugin: plugin.clone(), role, limits: limits.clone(), meter, live: Some(live) })
    }

    /// Calls a function of the role. An error that the plugin gave back ends nothing.
    pub(crate) async fn call<R: Returned + Send + 'static>(
        &mut self,
        work: impl for<'a> FnOnce(&'a mut Live<G>) -> BoxFuture<'a, wasmtime::Result<Told<R>>> + Send + 'static,
    ) -> Result<R, Error> {
        let Some(live) = self.live.take() else { return Err(self.over()) };
        self.meter.renew();
        let terms = Terms {
            plugin: self.plugin.name().to_owned(),
            limits: self.limits.clone(),
            meter: self.meter.clone(),
            account: live.store.data().account(),
            held: None,
        };
        let (sender, receiver) = oneshot::channel();
        Call::new(&self.plugin.inner.engine, terms, async move {
            let mut live = live;
            let told = work(&mut live).await?;
            let _ = sender.send((live, told));
            Ok(())
        })
        .await?;
        let (live, told) = receiver.await.map_err(|_| lost())?;
        if let Ok(told) = &told {
            let counted = self.meter.give_back(told.bytes());
            counted.map_err(|Reached(limit)| limit.reached(self.plugin.name(), &self.limits))?;
        }
        self.live = Some(live);
        told.map_err(|error| Error::told(self.plugin.name(), error))
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What came back is not what the role promises.
    pub(crate) fn breach(&self, what: impl std::fmt::Display) -> Error {
        Error::new(
            ErrorKind::Contract,
            format!("plugin \"{}\" does not keep to its role {}: {what}", self.plugin.name(), self.role),
        )
        .with_hint("this is a fault of the plugin; `inferno plugin test` checks it against its role")
    }

    fn over(&self) -> Error {
        Error::new(
            ErrorKind::Trap,
            format!(
                "the {} of plugin \"{}\" was called again after it had failed",
                self.role,
                self.plugin.name()
            ),
        )
        .with_hint("begin a new one")
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Host, "a call of a plugin ended without a result")
}
