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
            let seconds = after.as_millis().div_ceil(1000).max(1);
            response = response.header("retry-after", seconds.to_string());
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match error.kind {
            ErrorKind::Denied => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Invalid | ErrorKind::ContextLength => 400,
            ErrorKind::Exhausted => 429,
            ErrorKind::Unavailable | ErrorKind::Cancelled => 503,
            ErrorKind::Timeout => 504,
            ErrorKind::Internal | ErrorKind::Other(_) => 500,
        };
        let retry_after = match status {
            429 | 503 => Some(error.retry_after.unwrap_or(Duration::from_secs(1))),
            _ => error.retry_after,
        };
        // Clients look for "not found" to offer a download.
        let message = match &error.kind {
            ErrorKind::NotFound => format!("model not found: {error}"),
            _ => error.to_string(),
        };
        Self { retry_after, ..Self::new(status, message) }
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

    fn host(kind: ErrorKind) -> Error {
        Error { kind, message: "It failed".into(), hint: Some("Do this.".into()), retry_after: None }
    }

    #[test]
    fn each_kind_has_its_status() {
        let check =
            |kind, status| assert_eq!(seen(host(kind).into()), (status, "It failed. Do this.".to_owned()));
        check(ErrorKind::Denied, 403);
        check(ErrorKind::Invalid, 400);
        check(ErrorKind::ContextLength, 400);
        check(ErrorKind::Exhausted, 429);
        check(ErrorKind::Unavailable, 503);
        check(ErrorKind::Cancelled, 503);
        check(ErrorKind::Timeout, 504);
        check(ErrorKind::Internal, 500);
        check(ErrorKind::Other("new".into()), 500);
        let not_found = "model not found: It failed. Do this.".to_owned();
        assert_eq!(seen(host(ErrorKind::NotFound).into()), (404, not_found));
    }

    #[test]
    fn retry_after_is_in_seconds_rounded_up() {
        let header = |kind, after: Option<u64>| {
            let error = Error { retry_after: after.map(Duration::from_millis), ..host(kind) };
            ApiError::from(error).into_response().get_header("retry-after").map(str::to_owned)
        };
        assert_eq!(header(ErrorKind::Exhausted, Some(2300)).as_deref(), Some("3"));
        assert_eq!(header(ErrorKind::Unavailable, None).as_deref(), Some("1"));
        assert_eq!(header(ErrorKind::Invalid, None), None);
    }

    #[test]
    fn what_the_host_enforced_on_the_body_keeps_its_status() {
        assert_eq!(seen(BodyError::TooLarge(Some(8)).into()).0, 413);
        assert_eq!(seen(BodyError::Timeout.into()).0, 408);
    }
}
