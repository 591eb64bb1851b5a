//! `inferno:host/settings`: what the user set for the plugin. Needs no grant: it is the plugin's own.

use serde_json::json;
use wasmtime::component::Linker;

use super::bindings::inferno::host::settings;
use crate::state::{Host, State};
use crate::tape::taped;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    settings::add_to_linker::<_, Host>(linker, |state| state)
}

impl settings::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let slot = taped!(self.tape, "inferno:host/settings.get", json!({ "key": key }));
        slot.done(self.shared.settings.get(&key).map(ToString::to_string))
    }
}
