//! `inferno:host/secrets`: what the user keeps for plugins. Needs the `secrets` grant for the name.

use serde_json::json;
use wasmtime::Result;
use wasmtime::component::Linker;

use super::bindings::inferno::host::secrets;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::state::{Host, State};
use crate::tape::{Slot, Told, Turn};

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    secrets::add_to_linker::<_, Host>(linker, |state| state)
}

const GET: &str = "inferno:host/secrets.get";

impl State {
    fn secret(&self, name: &str) -> Option<&str> {
        self.shared.services.secrets.get(&self.actor.caller.tenant, name)
    }

    fn look_up(&self, name: &str, slot: Slot) -> Result<Result<String, Error>> {
        if let Err(error) = self.allow(GET, Need::Secret(name)) {
            return slot.done(Err(error));
        }
        let Some(value) = self.secret(name) else {
            return slot.done(Err(Error {
                kind: ErrorKind::NotFound,
                message: format!("there is no secret named {name:?}"),
                hint: Some(format!("the user keeps it in secrets.toml, as {name} = \"...\" under [secrets]")),
                retry_after_ms: None,
            }));
        };
        self.tape.hide(name, value);
        slot.part(&self.tape.print_of(value))?;
        slot.done(Ok(value.to_owned()))
    }

    /// The tape has no values, so the secret has to be here, and the same.
    fn look_up_again(&self, name: &str, mut told: Told) -> Result<Result<String, Error>> {
        let prints: Vec<String> = told.parts()?;
        if let Some(print) = prints.first() {
            let value = self.secret(name).filter(|value| self.tape.print_of(value) == *print);
            let Some(value) = value else {
                let what = format!("the secret {name:?} is not the one with which the tape was made");
                return Err(told.differs(&what).into());
            };
            self.tape.hide(name, value);
        }
        told.result()
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> Result<Result<String, Error>> {
        match self.tape.begin(GET, || json!({ "name": name }))? {
            Turn::Live(slot) => self.look_up(&name, slot),
            Turn::Told(told) => self.look_up_again(&name, told),
        }
    }
}
