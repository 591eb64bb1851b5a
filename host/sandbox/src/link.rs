//! What components are linked to, and the check that one fits before it is ever run.

use std::fmt::Write as _;

use wasmtime::component::{Component, InstancePre, Linker, types::ComponentItem};

use crate::capability::{self, LENT};
use crate::error::{Error, ErrorKind};
use crate::state::State;

/// Of a component that fits nowhere, no more imports than this are named.
const MAX_REMARKS: usize = 5;

/// The linker that all plugins share: WASI 0.2 and 0.3, and the capabilities.
/// What a plugin may really do is checked at each call.
pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>, Error> {
    let link = || {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::bindings::http::types::add_to_linker::<_, wasmtime_wasi_http::WasiHttp>(
            &mut linker,
            <State as wasmtime_wasi_http::WasiHttpView>::http,
        )?;
        wasmtime_wasi_http::p2::bindings::http::types::add_to_linker::<_, wasmtime_wasi_http::WasiHttp>(
            &mut linker,
            &wasmtime_wasi_http::p2::bindings::LinkOptions::default().into(),
            <State as wasmtime_wasi_http::WasiHttpView>::http,
        )?;
        capability::link(&mut linker)?;
        Ok(linker)
    };
    link().map_err(|error: wasmtime::Error| {
        Error::new(ErrorKind::Host, format!("the interfaces for plugins do not link: {error:#}"))
    })
}

/// Checks that a component fits, and prepares it.
pub(crate) fn fit(
    linker: &Linker<State>,
    component: &Component,
    plugin: &str,
) -> Result<InstancePre<State>, Error> {
    linker.instantiate_pre(component).map_err(|error| {
        let imports: Vec<String> = imports(component);
        let strange: Vec<String> = imports.iter().filter_map(|import| remark(import)).collect();
        let mut message = format!("plugin \"{plugin}\" does not fit this host: ");
        if strange.is_empty() {
            // The engine knows what it expected and found, from the outside in.
            message.push_str(&chain(&error));
        } else {
            message.push_str(&strange[..strange.len().min(MAX_REMARKS)].join("; "));
            if strange.len() > MAX_REMARKS {
                let _ = write!(message, "; and {} more of this kind", strange.len() - MAX_REMARKS);
            }
        }
        Error::new(ErrorKind::Link, message)
            .with_hint(format!("this host lends {} and WASI 0.2 and 0.3", LENT.join(", ")))
    })
}

/// What is wrong with an import, as far as its name tells.
fn remark(import: &str) -> Option<String> {
    if import.starts_with("wasi:") {
        return None;
    }
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    let same = LENT.iter().find(|lent| lent.split_once('@').is_some_and(|(lent, _)| lent == name));
    match same {
        Some(lent) if lent.ends_with(&format!("@{version}")) => None,
        // Within 0.1.x a later version may only have more in it; whether the plugin uses that is for the engine to say.
        Some(lent) if version.starts_with("0.1.") && lent.contains("@0.1.") => None,
        Some(lent) => Some(format!("it expects {import}, and this host has {lent}")),
        None => Some(format!("it imports {import}, which this host does not know")),
    }
}

fn imports(component: &Component) -> Vec<String> {
    component.component_type().imports(component.engine()).map(|(name, _)| name.to_owned()).collect()
}

fn chain(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let colon = if text.is_empty() { "" } else { ": " };
        let _ = write!(text, "{colon}{cause}");
    }
    text
}

/// The interface instances that a component exports.
pub(crate) fn exports(component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let instances = ty.exports(component.engine()).filter_map(|(name, item)| {
        matches!(item.ty, ComponentItem::ComponentInstance(_)).then(|| name.to_owned())
    });
    instances.collect()
}

/// The error for a role that the manifest names and the component does not play.
pub(crate) fn missing_role(plugin: &str, role: &str, expected: &str, component: &Component) -> Error {
    let found = match exports(component).as_slice() {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    Error::new(
        ErrorKind::Link,
        format!(
            "plugin \"{plugin}\" names [roles.{role}] in its plugin.toml, for which its component must export {expected}; it exports {found}"
        ),
    )
    .with_hint(format!("build the component for the world inferno:plugin/{role}, or take [roles.{role}] out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_judged_by_name() {
        let check = |import: &str, expect: Option<&str>| assert_eq!(remark(import).as_deref(), expect);
        check("inferno:host/kv@0.1.0", None);
        check("inferno:host/kv@0.1.7", None);
        check("wasi:clocks/monotonic-clock@0.3.0", None);
        check("wasi:http/types@0.3.0", None);
        check(
            "inferno:host/kv@0.2.0",
            Some("it expects inferno:host/kv@0.2.0, and this host has inferno:host/kv@0.1.0"),
        );
        check("acme:db/sql@1.0.0", Some("it imports acme:db/sql@1.0.0, which this host does not know"));
        check("wasi:http/client@0.3.0", None);
        check("wasi:http/types@0.2.6", None);
    }

    #[test]
    fn what_is_lent_is_what_the_platform_promises() {
        let worlds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/plugin/worlds.wit");
        let text = std::fs::read_to_string(worlds).unwrap();
        let (_, platform) = text.split_once("world platform {").unwrap();
        let (platform, _) = platform.split_once('}').unwrap();
        let imports =
            platform.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'));
        let imports = imports.filter(|import| import.starts_with("inferno:"));
        // The types come along with the interfaces that use them.
        let mut promised: Vec<&str> =
            imports.chain(["inferno:host/types@0.1.0", "inferno:host/work@0.1.0"]).collect();
        promised.sort_unstable();
        assert_eq!(promised, LENT);
    }
}
