//! `inferno:host/metrics`: figures that a plugin reports. Needs no grant: they stand under the plugin's name.

use serde_json::json;
use wasmtime::component::Linker;

use super::bindings::inferno::host::metrics;
use crate::metrics::Sample;
use crate::state::{Host, State};
use crate::tape::taped;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    metrics::add_to_linker::<_, Host>(linker, |state| state)
}

impl State {
    /// The interface has no way to fail, so what does not fit is left out, and the log says why.
    fn report(&self, name: &str, labels: &[(String, String)], sample: Sample) {
        let (plugin, tenant) = (&self.actor.plugin, &self.actor.caller.tenant);
        if let Err(why) = self.shared.services.metrics.report(plugin, tenant, name, labels, sample) {
            tracing::debug!(plugin, tenant, "a figure was left out: {why}");
        }
    }
}

impl metrics::Host for State {
    fn count(&mut self, name: String, by: u64, labels: Vec<(String, String)>) -> wasmtime::Result<()> {
        let told = || json!({ "name": name, "by": by, "labels": labels });
        let slot = taped!(self.tape, "inferno:host/metrics.count", told());
        #[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
        self.report(&name, &labels, Sample::Count(by as f64));
        slot.done(())
    }

    fn observe(&mut self, name: String, value: f64, labels: Vec<(String, String)>) -> wasmtime::Result<()> {
        let told = || json!({ "name": name, "value": value, "labels": labels });
        let slot = taped!(self.tape, "inferno:host/metrics.observe", told());
        self.report(&name, &labels, Sample::Observe(value));
        slot.done(())
    }
}
