//! Runs plugins: WebAssembly components that get nothing but what their manifest asks for and their user granted.
//!
//! This is the only crate that names the engine. The way of a plugin through it:
//!
//! 1. [`Package`]: a manifest ([`Manifest`], read strictly) and a component, with a digest over both;
//! 2. [`Grants`]: what the user gave to that digest; the effect is the overlap of ask and grant;
//! 3. [`Sandbox::load`]: the component is compiled (or found in the cache), checked against what this host lends, and
//!    prepared; every misfit is an error here that says what was expected and what was found;
//! 4. [`Plugin::handle`] and [`Plugin::command`]: each call gets a fresh instance from a pool, its own [`Limits`], and
//!    is gone afterwards.
//!
//! Nothing is trusted on the way: not the manifest, not the component, not its calls into the host.

mod call;
mod capability;
mod effect;
mod engine;
mod error;
mod glob;
mod grant;
mod limits;
mod link;
mod manifest;
mod meter;
mod package;
mod plugin;
mod role;
mod state;
mod stdio;
mod strict;
mod units;

use std::path::PathBuf;
use std::sync::Arc;

use inferno_inference::Inference;
use inferno_store::Store;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};

pub use error::{BodyError, Error, ErrorKind};
pub use glob::Glob;
pub use grant::{Capabilities, Granted, Grants, ModelUse, Source};
pub use limits::{Limit, Limits, Lowered};
pub use manifest::{About, CommandRole, HttpRole, Manifest, Roles};
pub use package::{Origin, Package};
pub use plugin::Plugin;
pub use role::http::Body;
pub use state::Caller;
pub use units::{Size, Span};

use effect::Effect;
use engine::Engine;
use plugin::Inner;
use state::{Shared, State};

/// How plugins are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder in which the folder for compiled components is made.
    pub cache_dir: PathBuf,
    /// What one call over HTTP may use at most.
    pub limits: Limits,
    /// What one run of a command may use at most.
    pub command_limits: Limits,
    /// How many calls of all plugins together may be at work at once.
    pub calls: u32,
}

impl Config {
    /// The defaults, with this folder for caches.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            limits: Limits::default(),
            command_limits: Limits::for_commands(),
            calls: 128,
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
}

/// Where plugins run.
pub struct Sandbox {
    engine: Arc<Engine>,
    linker: Linker<State>,
    services: Services,
    config: Config,
}

impl Sandbox {
    /// Starts the engine.
    pub fn new(config: Config, services: Services) -> Result<Self, Error> {
        let engine = Arc::new(Engine::new(&config)?);
        let linker = link::linker(&engine.wasm)?;
        Ok(Self { engine, linker, services, config })
    }

    /// Makes a plugin ready for calls. `settings` is what the user set for it.
    ///
    /// Compiling a component that is not in the cache takes from a fraction of a second to some seconds, and blocks.
    pub fn load(
        &self,
        package: Package,
        grants: &Grants,
        settings: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Plugin, Error> {
        let manifest = package.manifest().clone();
        let name = manifest.plugin.name.clone();
        let roles = &manifest.roles;
        let http_limits = match roles.http {
            Some(_) => manifest.limits.under(&self.config.limits, &name)?,
            None => self.config.limits.clone(),
        };
        let command_limits = match roles.command {
            Some(_) => manifest.limits.under(&self.config.command_limits, &name)?,
            None => self.config.command_limits.clone(),
        };
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
        let http = match roles.http {
            Some(_) => Some(role::http::service(&name, &component, &instance)?),
            None => None,
        };
        let command = match roles.command {
            Some(_) => Some(role::command::Command::new(&name, &component, &instance)?),
            None => None,
        };
        let asked = manifest.asks.clone();
        let granted = grants.granted(&package);
        let effect = Effect { plugin: name, digest: package.digest().to_owned(), asked, granted };
        let calls = http_limits.concurrent_calls.min(Semaphore::MAX_PERMITS as u64);
        Ok(Plugin {
            inner: Arc::new(Inner {
                engine: self.engine.clone(),
                origin: package.origin().clone(),
                shared: Arc::new(Shared { effect, settings, services: self.services.clone() }),
                http,
                command,
                http_limits: Arc::new(http_limits),
                command_limits: Arc::new(command_limits),
                calls: Arc::new(Semaphore::new(usize::try_from(calls).unwrap_or(Semaphore::MAX_PERMITS))),
                manifest,
            }),
        })
    }
}
