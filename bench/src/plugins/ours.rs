//! The side that is measured: plugins in the sandbox, reached as the server reaches them.

use std::path::Path;

use anyhow::Result;
use inferno_inference::{Inference, WorkerCommand};
use inferno_sandbox::{Caller, Config, Grants, Package, Plugin, Sandbox, Services};
use inferno_store::Store;

/// What the host lends. The measured plugins ask for nothing, so no model is ever loaded.
pub(crate) fn services() -> Result<Services> {
    let models = inferno_models::Models::new(inferno_models::Config {
        dirs: Vec::new(),
        hf_cache: None,
        foreign: Vec::new(),
        builtin: None,
    });
    let worker = WorkerCommand { program: std::env::current_exe()?, args: Vec::new() };
    let inference = Inference::new(models, inferno_inference::Config::new(worker));
    Ok(Services::new(inference, Store::in_memory()?))
}

/// The defaults, for so many calls at once.
pub(crate) fn config(cache: &Path, calls: u32) -> Config {
    let mut config = Config::new(cache);
    config.calls = calls;
    config.limits.concurrent_calls = u64::from(calls);
    config
}

/// A plugin from its folder.
pub(crate) fn load(sandbox: &Sandbox, folder: &Path) -> Result<Plugin> {
    Ok(sandbox.load(Package::open(folder)?, &Grants::default(), serde_json::Map::new())?)
}

/// Who calls.
pub(crate) fn caller() -> Caller {
    Caller { tenant: "local".to_owned(), request_id: "bench".to_owned(), background: false }
}
