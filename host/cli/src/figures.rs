//! What `/health`, `/ready` and `/metrics` tell beyond what the listener itself knows.

mod jobs;
mod models;
mod process;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use inferno_inference::Inference;
use inferno_sandbox::{Exposition, FigureKind, Metrics, labels};
use inferno_server::{Host, ModelState};
use inferno_store::Store;

use crate::traces::Traces;

/// How far the model is that is loaded before anything else; none: there is none, or it is loaded.
#[derive(Clone, Default)]
pub(crate) struct Awaited(Arc<Mutex<Option<f32>>>);

impl Awaited {
    pub(crate) fn set(&self, share: Option<f32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = share;
    }

    fn get(&self) -> Option<f32> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server tells about itself.
pub(crate) struct Told {
    pub(crate) inference: Inference,
    pub(crate) plugins: Metrics,
    /// The name of the model that answers where none is named.
    pub(crate) default_model: Option<String>,
    pub(crate) awaited: Awaited,
    /// Where jobs are.
    pub(crate) jobs: Store,
    pub(crate) started: Instant,
    pub(crate) traces: Traces,
}

impl Host for Told {
    fn model(&self) -> Option<ModelState> {
        if let Some(share) = self.awaited.get() {
            return Some(ModelState::Loading(share));
        }
        let name = self.default_model.as_ref()?;
        let loaded = self.inference.loaded().iter().any(|model| model.name == *name);
        Some(if loaded { ModelState::Ready } else { ModelState::Unloaded })
    }

    fn figures(&self, text: &mut Exposition) {
        models::write(text, &self.inference.figures());
        self.plugins.write(text);
        jobs::write(text, &self.jobs);
        let build = labels([("version", env!("CARGO_PKG_VERSION")), ("os", std::env::consts::OS)]);
        text.family("inferno_build_info", FigureKind::Gauge, "Which Inferno this is; always 1.");
        text.sample("inferno_build_info", &build, 1.0);
        text.family("inferno_uptime_seconds", FigureKind::Gauge, "Time since the server was started.");
        text.sample("inferno_uptime_seconds", "", self.started.elapsed().as_secs_f64());
        process::write(text);
    }

    fn join_trace(&self, span: &tracing::Span, headers: &mut HeaderMap) {
        self.traces.join(span, headers);
    }
}

#[cfg(test)]
mod tests {
    use inferno_inference::models::{Config, Models};
    use inferno_inference::{Config as InferenceConfig, WorkerCommand};

    use super::*;

    #[tokio::test]
    async fn what_is_awaited_comes_before_what_is_loaded() {
        let models =
            Models::new(Config { dirs: Vec::new(), hf_cache: None, foreign: Vec::new(), builtin: None });
        let worker = WorkerCommand { program: "nothing".into(), args: Vec::new() };
        let mut told = Told {
            inference: Inference::new(models, InferenceConfig::new(worker)),
            plugins: Metrics::default(),
            default_model: Some("parrot".to_owned()),
            awaited: Awaited::default(),
            jobs: Store::in_memory().unwrap(),
            started: Instant::now(),
            traces: Traces::default(),
        };
        assert_eq!(told.model(), Some(ModelState::Unloaded));
        told.awaited.set(Some(0.4));
        assert_eq!(told.model(), Some(ModelState::Loading(0.4)));
        told.awaited.set(None);
        told.default_model = None;
        assert_eq!(told.model(), None);
    }
}
