//! `inferno:host/secrets`: what the user keeps for plugins. Needs the `secrets` grant for the name.

use wasmtime::Result;
use wasmtime::component::Linker;

use super::bindings::inferno::host::secrets;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::state::{Host, State};

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    secrets::add_to_linker::<_, Host>(linker, |state| state)
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> Result<Result<String, Error>> {
        if let Err(error) = self.allow("inferno:host/secrets.get", Need::Secret(&name)) {
            return Ok(Err(error));
        }
        let value = self.shared.services.secrets.get(&self.actor.caller.tenant, &name);
        Ok(value.map(str::to_owned).ok_or_else(|| Error {
            kind: ErrorKind::NotFound,
            message: format!("there is no secret named {name:?}"),
            hint: Some(format!("the user keeps it in secrets.toml, as {name} = \"...\" under [secrets]")),
            retry_after_ms: None,
        }))
    }
}
