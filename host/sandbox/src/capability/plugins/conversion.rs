//! Converters of other plugins at work, several at once. Each finds two folders of its caller's and no others.

use serde_json::json;
use wasmtime::Result;
use wasmtime::component::Accessor;

use super::super::bindings::inferno::host::plugins;
use super::super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Access;
use crate::lent::{Opened, Refusal};
use crate::plugin::Plugin;
use crate::role::bindings::converter::exports::inferno::plugin::converter::Route;
use crate::session::Order;
use crate::state::{Host, State};
use crate::tape::{Turn, taped};

const CONVERT: &str = "inferno:host/plugins.convert";

/// A converter, and the folders that it is to work on.
struct Hired {
    plugin: Plugin,
    order: Order,
    input: Opened,
    output: Opened,
}

impl plugins::HostWithStore<State> for Host {
    async fn convert(
        host: &Accessor<State, Self>,
        plugin: String,
        source: String,
        target: String,
        options: String,
        input: String,
        output: String,
    ) -> Result<Result<Vec<String>, Error>> {
        let told = || {
            json!({
                "plugin": plugin, "source": source, "target": target, "options": options,
                "input": input, "output": output,
            })
        };
        let slot = match host.with(|mut access| access.get().tape.begin(CONVERT, told))? {
            Turn::Live(slot) => slot,
            Turn::Told(told) => return told.result(),
        };
        let hired = host.with(|mut access| access.get().hire_converter(&plugin, &input, &output));
        let Hired { plugin, order, input, output } = match hired {
            Ok(hired) => hired,
            Err(error) => return slot.done(Err(error)),
        };
        let route = Route { source, target };
        // In a task of its own, which ends with this future.
        let converted = wasmtime_wasi::runtime::spawn(async move {
            plugin.convert_for(order, route, options, input.path(), output.path()).await
        })
        .await;
        host.with(|mut access| access.get().meter.check_charged())?;
        slot.done(converted.map_err(Error::from))
    }
}

impl State {
    pub(super) async fn routes_of(&mut self, name: String) -> Result<Result<Vec<(String, String)>, Error>> {
        let call = "inferno:host/plugins.routes";
        let slot = taped!(self.tape, call, json!({ "plugin": name }));
        let (plugin, order) = match self.hire_for_itself(call, &name) {
            Ok(hired) => hired,
            Err(error) => return slot.done(Err(error)),
        };
        let routes = self.apart(async move { plugin.converter_routes_for(order).await }).await?;
        let pairs =
            |routes: Vec<Route>| routes.into_iter().map(|route| (route.source, route.target)).collect();
        slot.done(routes.map(pairs).map_err(Error::from))
    }

    fn hire_converter(&self, name: &str, input: &str, output: &str) -> Result<Hired, Error> {
        let (plugin, order) = self.hire_for_itself(CONVERT, name)?;
        let input = self.hand_on(input, Access::Read)?;
        let output = self.hand_on(output, Access::Write)?;
        Ok(Hired { plugin, order, input, output })
    }

    /// Another plugin, or this one in another role.
    fn hire_for_itself(&self, call: &str, name: &str) -> Result<(Plugin, Order), Error> {
        let (plugin, mut order) = self.hire(call, name)?;
        if let Some(payer) = &mut order.payer {
            payer.for_itself = true;
        }
        Ok((plugin, order))
    }

    /// Opens a folder that this plugin was lent, for another one.
    fn hand_on(&self, path: &str, access: Access) -> Result<Opened, Error> {
        let plugin = &self.actor.plugin;
        self.lent.open(path, access).map_err(|refusal| {
            let (kind, why, hint) = match refusal {
                Refusal::Elsewhere(names) => {
                    let lent = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    let hint = format!("the folders that it was lent: {lent}");
                    (ErrorKind::Denied, "lies in none of the folders that it was lent".to_owned(), Some(hint))
                }
                Refusal::ReadOnly(name) => {
                    let why = format!("lies in {name:?}, which it was lent for reading alone");
                    (ErrorKind::Denied, why, Some("choose a folder in which it may write".to_owned()))
                }
                Refusal::Unopened(error) => (ErrorKind::NotFound, format!("cannot be opened: {error}"), None),
            };
            let message =
                format!("plugin \"{plugin}\" called {CONVERT} with the folder {path:?}, which {why}");
            if kind == ErrorKind::Denied {
                self.shared.refuse(&self.actor, &message, hint.as_deref().unwrap_or_default());
            }
            Error { kind, message, hint, retry_after_ms: None }
        })
    }
}
