//! A plugin that has been loaded: checked, linked and ready for calls.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::ask::Capabilities;
use crate::call::Terms;
use crate::data::DATA;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::grant::Granted;
use crate::limits::{Limit, Limits};
use crate::manifest::Manifest;
use crate::meter::Meter;
use crate::package::Origin;
use crate::role::Played;
use crate::session::Order;
use crate::state::{Shared, State, Surroundings};
use crate::tape::Tape;
use crate::workdir::WORKDIR;

/// A loaded plugin. Clones are one: they share its allowance of calls.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) inner: Arc<Inner>,
    /// On which the host calls of its runs are.
    pub(crate) tape: Tape,
}

pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) manifest: Manifest,
    pub(crate) origin: Origin,
    /// What holds for tenants that are not among `tenants`.
    pub(crate) shared: Arc<Shared>,
    /// Those for whom something of their own was granted or set.
    pub(crate) tenants: HashMap<String, Arc<Shared>>,
    pub(crate) roles: Played,
    /// Those of all roles but commands and conversions.
    pub(crate) limits: Arc<Limits>,
    pub(crate) command_limits: Arc<Limits>,
    /// One permit for each call that may be at work.
    pub(crate) calls: Arc<Semaphore>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.manifest.plugin.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.inner.manifest.plugin.version
    }

    /// What it says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// What its grant is bound to: `sha256:` and a hash over manifest and component.
    pub fn digest(&self) -> &str {
        &self.inner.shared.effect.digest
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// The roles that it plays.
    pub fn roles(&self) -> Vec<&'static str> {
        self.inner.manifest.roles.names()
    }

    /// What it asks for.
    pub fn asked(&self) -> &Capabilities {
        &self.inner.shared.effect.asked
    }

    /// What it was granted for all tenants, and by whom. It may do what it asked for and was granted.
    pub fn granted(&self) -> &Granted {
        &self.inner.shared.effect.granted
    }

    /// What it was granted for one tenant.
    pub fn granted_to(&self, tenant: &str) -> &Granted {
        &self.shared_for(tenant).effect.granted
    }

    /// The names under which it sees folders when it plays this role.
    pub(crate) fn folders(&self, role: &str) -> Vec<String> {
        let effect = &self.inner.shared.effect;
        let granted = effect.folders().map(|(path, ..)| path);
        let data = effect.data().then_some(DATA);
        let workdir = effect.workdir().filter(|_| role == "command").map(|_| WORKDIR);
        granted.chain(data).chain(workdir).map(str::to_owned).collect()
    }

    /// The same plugin with this tape: all its runs go onto it, or come from it. One run for one tape is what makes
    /// sense.
    #[must_use]
    pub fn taped(&self, tape: &Tape) -> Self {
        Self { inner: self.inner.clone(), tape: tape.clone() }
    }

    fn shared_for(&self, tenant: &str) -> &Arc<Shared> {
        self.inner.tenants.get(tenant).unwrap_or(&self.inner.shared)
    }

    /// The limits of a call, other than of a command or a conversion.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The paths under which it answers; none if it does not play that role.
    pub fn http_mounts(&self) -> Vec<String> {
        self.inner.manifest.roles.http.as_ref().map(|http| http.mounts.clone()).unwrap_or_default()
    }

    /// Single paths that it answers as well, and nothing below them.
    pub fn http_exact(&self) -> Vec<String> {
        let http = self.inner.manifest.roles.http.as_ref();
        http.and_then(|http| http.exact.clone()).unwrap_or_default()
    }

    /// The paths at which it talks over WebSockets.
    pub fn websockets(&self) -> Vec<String> {
        let http = self.inner.manifest.roles.http.as_ref();
        http.and_then(|http| http.websockets.clone()).unwrap_or_default()
    }

    /// How the host is to word its own refusals under these mounts: a text in which `$message` and `$kind` stand for
    /// JSON strings and `$status` for a number.
    pub fn error_body(&self) -> Option<&str> {
        self.inner.manifest.roles.http.as_ref()?.error_body.as_deref()
    }

    pub(crate) fn plays_no(&self, role: &str) -> Error {
        Error::new(
            ErrorKind::Role,
            format!(
                "plugin \"{}\" does not play the role {role}; its plugin.toml names {}",
                self.name(),
                self.roles().join(", ")
            ),
        )
    }

    /// Makes room for a call and a fresh store for it.
    pub(crate) fn begin(
        &self,
        order: Order,
        limits: &Arc<Limits>,
        around: &Surroundings<'_>,
    ) -> Result<(wasmtime::Store<State>, Terms), Error> {
        let Inner { engine, calls, .. } = &*self.inner;
        let shared = self.shared_for(&order.caller.tenant);
        let Ok(own) = calls.clone().try_acquire_owned() else {
            return Err(Limit::ConcurrentCalls.reached(self.name(), limits));
        };
        let Ok(pooled) = engine.slots.clone().try_acquire_owned() else {
            return Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "plugin \"{}\" cannot be called now: all places for calls of plugins are taken",
                    self.name()
                ),
            )
            .with_hint("try again later, or raise the number of calls that the host runs at once"));
        };
        let chain = match &order.payer {
            Some(payer) => payer.extended(self.name())?,
            None => Arc::new([self.name().to_owned()]),
        };
        let meter = Arc::new(Meter::new(limits, order.payer.map(|payer| payer.meter)));
        let tape = self.tape.clone();
        let state =
            State::new(shared.clone(), order.caller, chain, limits.clone(), meter.clone(), around, tape)?;
        let (store, ticking) = engine.store(state);
        let terms = Terms {
            account: store.data().account(),
            plugin: self.name().to_owned(),
            limits: limits.clone(),
            meter,
            held: Some(([own, pooled], ticking)),
        };
        Ok((store, terms))
    }
}
