//! Runs plugins: WebAssembly components that get nothing but what their manifest asks for and their user granted.
//!
//! This is the only crate that names the engine. The way of a plugin through it:
//!
//! 1. [`Package`]: a manifest ([`Manifest`], read strictly) and a component, with a digest over both;
//! 2. [`Grants`]: what the user gave to that digest; the effect is the overlap of ask and grant;
//! 3. [`Sandbox::load`]: the component is compiled (or found in the cache), checked against what this host lends, and
//!    prepared; every misfit is an error here that says what was expected and what was found;
//! 4. [`Plugin::handle`], [`Plugin::command`] and the calls of the other roles: each gets a fresh instance from a pool,
//!    its own [`Limits`], and is gone afterwards. A [`Step`] and a [`FilterCall`] are one instance for a whole run or
//!    exchange;
//! 5. [`Registry`]: the loaded plugins by name, for servers and for one another.
//!
//! Nothing is trusted on the way: not the manifest, not the component, not its calls into the host.

mod ask;
mod call;
mod capability;
mod chain;
pub mod contract;
mod data;
mod effect;
mod engine;
mod error;
mod exposition;
mod folders;
mod glob;
mod grant;
mod lent;
mod limits;
mod link;
mod manifest;
mod meter;
mod metrics;
mod package;
mod plugin;
mod registry;
mod returned;
mod role;
mod secrets;
mod session;
mod setup;
mod site;
mod state;
mod stdio;
mod strict;
mod tape;
mod units;
mod workdir;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use inferno_inference::Inference;
use inferno_store::Store;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};

pub use ask::{Access, Capabilities, FileUse, ModelUse, WorkdirUse};
pub use capability::bindings::inferno::host::work::{Item, Outcome, Sample, Verdict};
pub use capability::http::{Names, Network, SystemNames};
pub use error::{BodyError, Error, ErrorKind, Reason};
pub use exposition::{Exposition, FigureKind, labels};
pub use glob::Glob;
pub use grant::{Granted, Grants, Source};
pub use limits::{Limit, LimitRow, Limits, Lowered};
pub use manifest::{About, BareRole, CommandRole, FilterRole, HttpRole, Manifest, OnError, Roles, Why};
pub use metrics::Metrics;
pub use package::{Origin, Package};
pub use plugin::Plugin;
pub use registry::{PluginSets, Registry};
pub use role::bindings::catalog::exports::inferno::plugin::catalog::{Artifact, Entry, Page};
pub use role::bindings::converter::exports::inferno::plugin::converter::Route;
pub use role::bindings::filter::exports::inferno::plugin::filter::{
    Refusal, RequestAction, RequestHead, ResponseAction, ResponseHead,
};
pub use role::command::{CommandRun, Streams};
pub use role::filter::FilterCall;
pub use role::http::{Body, Conversation};
pub use role::step::Step;
pub use secrets::Secrets;
pub use setup::{Budget, Own, Setup};
pub use site::{Site, Sites};
pub use state::Caller;
pub use tape::{Head as TapeHead, Recording, Tape};
pub use units::{Size, Span};
pub use writer::Writer;

use data::Data;
use effect::Effect;
use engine::Engine;
use folders::Folder;
use plugin::Inner;
use role::Played;
use state::{Shared, State};

/// How plugins are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder in which the folder for compiled components is made.
    pub cache_dir: PathBuf,
    /// What one call over HTTP may use at most; so too a batch of a step, a question to a judge or a catalog, and each
    /// of the questions to a filter.
    pub limits: Limits,
    /// What one run of a command, and one conversion, may use at most.
    pub command_limits: Limits,
    /// How many calls of all plugins together may be at work at once.
    pub calls: u32,
    /// For tenants that have a set of plugins, those in it: no other works for them, nor on their behalf.
    pub sets: PluginSets,
    /// The folder in which plugins that were granted `data` have folders of their own; none: no plugin has any.
    pub data_dir: Option<PathBuf>,
    /// Files and folders of the host's own, such as its configuration, whether they are there or not. A command is lent
    /// no folder that holds one of them, is one or lies in one.
    pub reserved: Vec<PathBuf>,
}

impl Config {
    /// The defaults, with this folder for caches.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            limits: Limits::default(),
            command_limits: Limits::for_commands(),
            calls: 1024,
            sets: PluginSets::new(),
            data_dir: None,
            reserved: Vec::new(),
        }
    }
}

/// What plugins can reach through the host, if they were granted it.
#[derive(Clone)]
pub struct Services {
    /// Models.
    pub inference: Inference,
    /// Durable state.
    pub store: Store,
    /// What the user keeps secret.
    pub secrets: Secrets,
    /// Where figures about plugins go.
    pub metrics: Metrics,
    /// The way to other machines.
    pub network: Network,
    /// How many jobs of one plugin for one tenant may be unfinished.
    pub jobs_per_plugin: u32,
}

impl Services {
    /// With no secrets, figures of its own, and the network of this machine.
    pub fn new(inference: Inference, store: Store) -> Self {
        Self {
            inference,
            store,
            secrets: Secrets::default(),
            metrics: Metrics::default(),
            network: Network::default(),
            jobs_per_plugin: 1000,
        }
    }
}

/// Where plugins run.
pub struct Sandbox {
    engine: Arc<Engine>,
    linker: Linker<State>,
    services: Services,
    registry: Registry,
    config: Config,
}

impl Sandbox {
    /// Starts the engine.
    pub fn new(config: Config, services: Services) -> Result<Self, Error> {
        let engine = Arc::new(Engine::new(&config)?);
        let linker = link::linker(&engine.wasm)?;
        let registry = Registry::new(config.sets.clone());
        Ok(Self { engine, linker, services, registry, config })
    }

    /// The plugins that plugins of this sandbox can reach, as far as they were granted it. Loading one does not put it
    /// there.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Figures about plugins, and those that they report.
    pub fn metrics(&self) -> &Metrics {
        &self.services.metrics
    }

    /// Makes a plugin ready for calls. `setup` is what the user set for it; settings alone will do.
    ///
    /// Compiling a component that is not in the cache takes from a fraction of a second to some seconds, and blocks.
    pub fn load(&self, package: Package, grants: &Grants, setup: impl Into<Setup>) -> Result<Plugin, Error> {
        let manifest = package.manifest().clone();
        let name = manifest.plugin.name.clone();
        // A manifest lowers the caps of the roles that it plays.
        let lowered = |caps: &Limits, plays: bool| match plays {
            true => manifest.limits.under(caps, &name),
            false => Ok(caps.clone()),
        };
        let long = ["command", "converter"];
        let roles = manifest.roles.names();
        let limits = lowered(&self.config.limits, roles.iter().any(|role| !long.contains(role)))?;
        let command_limits =
            lowered(&self.config.command_limits, roles.iter().any(|role| long.contains(role)))?;
        let component = Component::from_binary(&self.engine.wasm, package.wasm()).map_err(|error| {
            Error::new(
                ErrorKind::Compile,
                format!("plugin \"{name}\" is not a component that can run: {error:#}"),
            )
            .with_hint(
                "a plugin is a WebAssembly component, such as cargo builds for the target wasm32-wasip2",
            )
        })?;
        let instance = link::fit(&self.linker, &component, &name)?;
        let roles = Played::find(&manifest, &component, &instance)?;
        let setup = setup.into();
        let reserved: Arc<[PathBuf]> = self.config.reserved.clone().into();
        let shared = |tenant: Option<&str>| {
            let granted = match tenant {
                Some(tenant) => grants.granted_to(&package, tenant),
                None => grants.granted(&package),
            };
            let (plugin, digest) = (name.clone(), package.digest().to_owned());
            let effect = Effect { plugin, digest, asked: manifest.asks.clone(), granted };
            effect.tell_missing_folders();
            let Own { settings, quota } = setup.of(tenant);
            Arc::new(Shared {
                folders: Folder::all(&effect),
                data: Data::of(&effect, self.config.data_dir.as_deref()),
                reserved: reserved.clone(),
                effect,
                settings,
                quota,
                services: self.services.clone(),
                directory: self.registry.directory(),
            })
        };
        // Others have what stands for all.
        let special = grants.tenants(&package).into_iter().chain(setup.tenants.keys().cloned());
        let tenants = special.map(|tenant| (tenant.clone(), shared(Some(&tenant)))).collect();
        // All roles share the places; the caps of those that it does not play are not lowered.
        let calls =
            limits.concurrent_calls.min(command_limits.concurrent_calls).min(Semaphore::MAX_PERMITS as u64);
        Ok(Plugin {
            tape: Tape::default(),
            inner: Arc::new(Inner {
                engine: self.engine.clone(),
                origin: package.origin().clone(),
                shared: shared(None),
                tenants,
                roles,
                limits: Arc::new(limits),
                command_limits: Arc::new(command_limits),
                calls: Arc::new(Semaphore::new(usize::try_from(calls).unwrap_or(Semaphore::MAX_PERMITS))),
                manifest,
            }),
        })
    }
}
