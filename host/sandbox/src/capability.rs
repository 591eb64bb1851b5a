//! What the host lends to plugins, one file for each. All share three moments: the functions are linked once, a call
//! is checked against the plugin's grant, and what it leaves behind lives in the state of the one call.

pub(crate) mod http;
pub(crate) mod inference;
pub(crate) mod jobs;
pub(crate) mod kv;
pub(crate) mod loading;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod plugins;
pub(crate) mod quota;
pub(crate) mod secrets;
pub(crate) mod settings;

use wasmtime::component::Linker;

use crate::ask::Need;
use crate::effect::Denial;
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
                import inferno:host/loading@0.1.0;
                import inferno:host/kv@0.1.0;
                import inferno:host/jobs@0.1.0;
                import inferno:host/settings@0.1.0;
                import inferno:host/log@0.1.0;
                import inferno:host/metrics@0.1.0;
                import inferno:host/plugins@0.1.0;
                import inferno:host/quota@0.1.0;
                import inferno:host/secrets@0.1.0;
            }
        ",
        world: "inferno:sandbox/lent",
        imports: {
            "inferno:host/inference.complete": async | trappable,
            "inferno:host/inference.embed": async | trappable,
            "inferno:host/inference.count": async | trappable,
            "inferno:host/inference.rank": async | trappable,
            "inferno:host/inference.tokenize": async | trappable,
            "inferno:host/inference.detokenize": async | trappable,
            "inferno:host/models": async | trappable,
            "inferno:host/loading": async | trappable,
            "inferno:host/kv.get": async | trappable,
            "inferno:host/kv.set": async | trappable,
            "inferno:host/kv.delete": async | trappable,
            "inferno:host/kv.keys": async | trappable,
            "inferno:host/kv.add": async | trappable,
            "inferno:host/kv.try-lock": async | trappable,
            "inferno:host/jobs.submit": async | trappable,
            "inferno:host/jobs.get": async | trappable,
            "inferno:host/jobs.all": async | trappable,
            "inferno:host/jobs.[method]job.state": async | trappable,
            "inferno:host/jobs.[method]job.attempts": async | trappable,
            "inferno:host/jobs.[method]job.failure": async | trappable,
            "inferno:host/jobs.[method]job.cancel": async | trappable,
            "inferno:host/plugins.open-step": async | trappable,
            "inferno:host/plugins.judge": async | trappable,
            "inferno:host/plugins.routes": async | trappable,
            "inferno:host/plugins.[method]step.process": async | trappable,
            "inferno:host/plugins.[method]step.take": async | trappable,
            "inferno:host/plugins.[method]step.finish": async | trappable,
            "inferno:host/quota.reserve": async | trappable,
            "inferno:host/quota.remaining": async | trappable,
            "inferno:host/quota.[method]reservation.commit": async | trappable,
            default: trappable,
        },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
        with: {
            "inferno:host/quota.reservation": crate::capability::quota::Reservation,
            "inferno:host/jobs.plan": crate::capability::jobs::Plan,
            "inferno:host/jobs.job": crate::capability::jobs::Job,
            "inferno:host/kv.lock": crate::capability::kv::Lock,
            "inferno:host/plugins.step": crate::capability::plugins::Step,
            "inferno:host/inference.request": crate::capability::inference::Request,
            "inferno:host/inference.completion": crate::capability::inference::Completion,
            "inferno:host/inference.embeddings": crate::capability::inference::Embeddings,
            "inferno:host/inference.ranking": crate::capability::inference::Ranking,
        },
    });
}

/// The interfaces that [`link`] adds, for errors that say what there is.
pub(crate) const LENT: [&str; 13] = [
    "inferno:host/inference@0.1.0",
    "inferno:host/jobs@0.1.0",
    "inferno:host/kv@0.1.0",
    "inferno:host/loading@0.1.0",
    "inferno:host/log@0.1.0",
    "inferno:host/metrics@0.1.0",
    "inferno:host/models@0.1.0",
    "inferno:host/plugins@0.1.0",
    "inferno:host/quota@0.1.0",
    "inferno:host/secrets@0.1.0",
    "inferno:host/settings@0.1.0",
    "inferno:host/types@0.1.0",
    "inferno:host/work@0.1.0",
];

/// Adds the functions of all capabilities to a linker.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http::link(linker)?;
    inference::link(linker)?;
    jobs::link(linker)?;
    kv::link(linker)?;
    loading::link(linker)?;
    log::link(linker)?;
    metrics::link(linker)?;
    models::link(linker)?;
    plugins::link(linker)?;
    quota::link(linker)?;
    secrets::link(linker)?;
    settings::link(linker)
}

impl State {
    /// Lets a call go on, or says in full why not.
    fn allow(&self, call: &str, need: Need<'_>) -> Result<(), types::Error> {
        self.shared.effect.check(call, need).map_err(|Denial { message, hint }| {
            self.shared.refuse(&self.actor, &message, &hint);
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
        let inferno_inference::Error { kind, message, hint, retry_after_ms } = error;
        Self { kind: kind.into(), message, hint, retry_after_ms }
    }
}

impl From<inferno_inference::ErrorKind> for ErrorKind {
    fn from(kind: inferno_inference::ErrorKind) -> Self {
        use inferno_inference::ErrorKind as From;
        match kind {
            From::Denied => Self::Denied,
            From::NotFound => Self::NotFound,
            From::Invalid => Self::Invalid,
            From::ContextLength => Self::ContextLength,
            From::Exhausted => Self::Exhausted,
            From::Unavailable => Self::Unavailable,
            From::Timeout => Self::Timeout,
            From::Cancelled => Self::Cancelled,
            From::Internal => Self::Internal,
        }
    }
}
