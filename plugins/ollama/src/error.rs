//! Ollama's errors: a status, and `{"error": "..."}`.

use std::time::Duration;

use inferno_sdk::http::{BodyError, Response};
use inferno_sdk::json::FieldError;
use inferno_sdk::{Error, ErrorKind};
use serde::Serialize;

/// A refusal in Ollama's form.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: u16,
    message: String,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
}

/// As the client reads it, as a whole answer and as a line of one.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    error: &'a str,
}

impl ApiError {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None, allow: None }
    }

    /// The request is not what it should be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// A field asks for what there is not.
    pub(crate) fn unsupported(path: &str, instead: &str) -> Self {
        Self::invalid(format!("`{path}` is not supported here. {instead}"))
    }

    /// Nothing is at this path.
    pub(crate) fn unknown_path(path: &str) -> Self {
        let message = format!(
            "nothing is at {path}. There are /api/chat, /api/generate, /api/embed, /api/embeddings, /api/tags, \
             /api/show, /api/ps and /api/version"
        );
        Self::new(404, message)
    }

    /// Models are not managed here.
    pub(crate) fn managing(path: &str) -> Self {
        let message = format!(
            "{path} is not offered: models are files in this server's models directory; `inferno models list` shows \
             them"
        );
        Self::new(404, message)
    }

    /// The path takes other methods.
    pub(crate) fn method(method: &str, path: &str, allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(405, format!("{path} takes {allow}, not {method}")) }
    }

    /// The host stopped the work before the answer was whole.
    pub(crate) fn cancelled() -> Self {
        let message = "the host cancelled the work before the answer was whole";
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(503, message) }
    }

    pub(crate) fn envelope(&self) -> Envelope<'_> {
        Envelope { error: &self.message }
    }

    /// The whole answer.
    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::json(self.status, &self.envelope());
        if let Some(allow) = self.allow {
            response = response.header("allow", allow);
        }
        if let Some(after) = self.retry_after {
            response = response.retry_after(after);
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        // Clients look for "not found" to offer a download.
        let message = match &error.kind {
            ErrorKind::NotFound => format!("model not found: {error}"),
            _ => error.to_string(),
        };
        Self { retry_after: error.retry(), ..Self::new(error.status(), message) }
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn errors_are_told_as_ollama_tells_them() {
        let told = |kind| seen(Error::new(kind, "It failed").with_hint("Do this.").into());
        assert_eq!(told(ErrorKind::Invalid), (400, "It failed. Do this.".to_owned()));
        assert_eq!(told(ErrorKind::NotFound), (404, "model not found: It failed. Do this.".to_owned()));
        assert_eq!(seen(BodyError::TooLarge(Some(8)).into()).0, 413);
        let busy = ApiError::from(Error::new(ErrorKind::Exhausted, "busy")).into_response();
        assert_eq!((busy.status(), busy.get_header("retry-after")), (429, Some("1")));
    }
}
