//! `inferno:host/loading`: what is in memory, and for how long. Needs the `model_control` grant, and lets only those
//! models be loaded and unloaded that the plugin may use.

use std::time::Duration;

use inferno_inference::{Inference, KeepAlive, Terms};
use serde_json::json;
use wasmtime::component::Linker;

use super::bindings::inferno::host::loading;
use super::bindings::inferno::host::types::Error;
use super::models;
use crate::ask::Need;
use crate::state::{Host, State};
use crate::tape::taped;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    loading::add_to_linker::<_, Host>(linker, |state| state)
}

/// A time that nobody waits for: whatever stays longer stays.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl State {
    /// The models, for calls about one of them on the terms of the tenant.
    fn control(&self, call: &str, keep_alive: Option<KeepAlive>) -> Result<Inference, Error> {
        self.allow(call, Need::ModelControl)?;
        let terms = Terms { keep_alive, ..Terms::of(self.actor.caller.tenant.as_str()) };
        Ok(self.shared.services.inference.under(terms))
    }
}

fn kept(millis: u64) -> KeepAlive {
    let time = Duration::from_millis(millis);
    if time < CENTURY { KeepAlive::For(time) } else { KeepAlive::Forever }
}

impl loading::Host for State {
    async fn load(
        &mut self,
        name: String,
        keep_alive_ms: Option<u64>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let call = "inferno:host/loading.load";
        let slot = taped!(self.tape, call, json!({ "name": name, "keep-alive-ms": keep_alive_ms }));
        let inference = match self.control(call, keep_alive_ms.map(kept)) {
            Ok(inference) => inference,
            Err(error) => return slot.done(Err(error)),
        };
        if let Err(error) = models::known(self.shared.clone(), name.clone()).await {
            return slot.done(Err(error));
        }
        slot.done(inference.load(&name, |_| {}).await.map(drop).map_err(Into::into))
    }

    async fn unload(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        let call = "inferno:host/loading.unload";
        let slot = taped!(self.tape, call, json!({ "name": name }));
        let inference = match self.control(call, None) {
            Ok(inference) => inference,
            Err(error) => return slot.done(Err(error)),
        };
        if let Err(error) = models::known(self.shared.clone(), name.clone()).await {
            return slot.done(Err(error));
        }
        // Waiting for a model that is busy is nobody's business here, least of all of a plugin that keeps it busy.
        tokio::spawn(async move {
            if let Err(error) = inference.unload(&name, false).await {
                tracing::warn!(model = name, %error, "a model was not unloaded");
            }
        });
        slot.done(Ok(()))
    }
}
