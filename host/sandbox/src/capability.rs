//! What the host lends to plugins, one file for each. All share three moments: the functions are linked once, a call
//! is checked against the plugin's grant, and what it leaves behind lives in the state of the one call.

pub(crate) mod inference;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod models;
pub(crate) mod settings;

use wasmtime::component::Linker;

use crate::effect::Denial;
use crate::grant::Need;
use crate::state::State;
use bindings::inferno::host::types::{self, ErrorKind};

pub(crate) mod bindings {
    //! Generated from `wit/host`.

    wasmtime::component::bindgen!({
        path: ["../../wit/host"],
        inline: "
            package inferno:sandbox;
            world lent {
                import inferno:host/inference@0.1.0;
                import inferno:host/models@0.1.0;
                import inferno:host/kv@0.1.0;
                import inferno:host/settings@0.1.0;
                import inferno:host/log@0.1.0;
            }
        ",
        world: "inferno:sandbox/lent",
        imports: {
            "inferno:host/inference.complete": async | trappable,
            "inferno:host/inference.embed": async | trappable,
            "inferno:host/models": async | trappable,
            "inferno:host/kv": async | trappable,
            default: trappable,
        },
        with: {
            "inferno:host/inference.request": crate::capability::inference::Request,
            "inferno:host/inference.completion": crate::capability::inference::Completion,
            "inferno:host/inference.embeddings": crate::capability::inference::Embeddings,
        },
    });
}

/// The interfaces that [`link`] adds, for errors that say what there is.
pub(crate) const LENT: [&str; 6] = [
    "inferno:host/inference@0.1.0",
    "inferno:host/kv@0.1.0",
    "inferno:host/log@0.1.0",
    "inferno:host/models@0.1.0",
    "inferno:host/settings@0.1.0",
    "inferno:host/types@0.1.0",
];

/// Adds the functions of all capabilities to a linker.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    inference::link(linker)?;
    kv::link(linker)?;
    log::link(linker)?;
    models::link(linker)?;
    settings::link(linker)
}

impl State {
    /// Lets a call go on, or says in full why not.
    fn allow(&self, call: &str, need: Need<'_>) -> Result<(), types::Error> {
        self.shared.effect.check(call, need).map_err(|Denial { message, hint }| {
            tracing::debug!(
                tenant = self.actor.caller.tenant,
                request_id = self.actor.caller.request_id,
                "{message}"
            );
            types::Error { kind: ErrorKind::Denied, message, hint: Some(hint), retry_after_ms: None }
        })
    }
}

/// A failure of the host itself, such as a task that could not run.
fn internal(message: impl Into<String>) -> types::Error {
    types::Error { kind: ErrorKind::Internal, message: message.into(), hint: None, retry_after_ms: None }
}

impl From<inferno_inference::Error> for types::Error {
    fn from(error: inferno_inference::Error) -> Self {
        use inferno_inference::ErrorKind as From;
        let kind = match error.kind {
            From::Denied => ErrorKind::Denied,
            From::NotFound => ErrorKind::NotFound,
            From::Invalid => ErrorKind::Invalid,
            From::ContextLength => ErrorKind::ContextLength,
            From::Exhausted => ErrorKind::Exhausted,
            From::Unavailable => ErrorKind::Unavailable,
            From::Timeout => ErrorKind::Timeout,
            From::Cancelled => ErrorKind::Cancelled,
            From::Internal => ErrorKind::Internal,
        };
        Self { kind, message: error.message, hint: error.hint, retry_after_ms: error.retry_after_ms }
    }
}
