use serde_json::Value;

/// What the host tells about itself at `/inferno/ps`, made anew for each question.
pub type Report = Box<dyn Fn() -> Value + Send + Sync>;
