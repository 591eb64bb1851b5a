use http::HeaderMap;
use inferno_sandbox::Exposition;

/// What the listener asks of the program around it: how it is, what else it counts, and whether somebody traces.
pub trait Host: Send + Sync + 'static {
    /// How it is with the model that answers where none is named; none: there is no such model.
    fn model(&self) -> Option<ModelState>;
    /// Writes its figures behind those of the listener.
    fn figures(&self, text: &mut Exposition);
    /// Makes a request's span a part of the trace that its headers name, and has the headers name the span.
    fn join_trace(&self, span: &tracing::Span, headers: &mut HeaderMap);
}

/// How it is with a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ModelState {
    /// The first request for it loads it.
    Unloaded,
    /// The server was asked to load it before anything else, and so much of that is done, from 0 to 1.
    Loading(f32),
    /// It answers.
    Ready,
}

impl ModelState {
    /// The share that is done of what the server waits for.
    pub(crate) fn awaited(self) -> Option<f32> {
        match self {
            Self::Loading(progress) => Some(progress),
            Self::Unloaded | Self::Ready => None,
        }
    }

    pub(crate) fn to_json(self) -> serde_json::Value {
        match self {
            Self::Unloaded => serde_json::json!({"state": "unloaded"}),
            Self::Loading(progress) => {
                // Two digits are enough, and 0.1 is not written as 0.10000000149.
                let progress = (f64::from(progress) * 100.0).round() / 100.0;
                serde_json::json!({"state": "loading", "progress": progress})
            }
            Self::Ready => serde_json::json!({"state": "ready"}),
        }
    }
}
