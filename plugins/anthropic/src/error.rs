//! Anthropic's error envelope and its status codes.

use std::time::Duration;

use inferno_sdk::http::{BodyError, Response};
use inferno_sdk::json::FieldError;
use inferno_sdk::{Error, ErrorKind};
use serde::Serialize;

use crate::VERSIONS;

const INVALID: &str = "invalid_request_error";

/// A refusal in Anthropic's form.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: u16,
    kind: &'static str,
    message: String,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
}

/// `{"type":"error","error":{...},"request_id":"..."}`
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    r#type: &'static str,
    error: Body<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    message: &'a str,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), retry_after: None, allow: None }
    }

    /// The request is not what it should be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, INVALID, message)
    }

    /// A field asks for what there is not.
    pub(crate) fn unsupported(path: &str, instead: &str) -> Self {
        Self::invalid(format!("{path}: not supported here. {instead}"))
    }

    /// Nothing is at this path.
    pub(crate) fn unknown_path(path: &str) -> Self {
        let message = format!("nothing is at {path}. There are /v1/messages and /v1/messages/count_tokens.");
        Self::new(404, "not_found_error", message)
    }

    /// The path takes another method.
    pub(crate) fn method(method: &str, path: &str) -> Self {
        let message = format!("{path} takes POST, not {method}.");
        Self { allow: Some("POST"), ..Self::new(405, INVALID, message) }
    }

    /// The client speaks another version.
    pub(crate) fn version(version: &str) -> Self {
        Self::invalid(format!(
            "anthropic-version: {version:?} is not known here. There are {}.",
            VERSIONS.join(" and ")
        ))
    }

    /// The host stopped the work before the answer was whole.
    pub(crate) fn cancelled() -> Self {
        let message = "The host cancelled the work before the answer was whole.";
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(529, "overloaded_error", message) }
    }

    /// As the client reads it; `id` is the request's.
    pub(crate) fn envelope<'a>(&'a self, id: &'a str) -> Envelope<'a> {
        let error = Body { r#type: self.kind, message: &self.message };
        Envelope { r#type: "error", error, request_id: id }
    }

    /// The whole answer.
    pub(crate) fn into_response(self, id: &str) -> Response {
        let mut response = Response::json(self.status, &self.envelope(id));
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
        let (status, kind) = match (error.status(), &error.kind) {
            (status, ErrorKind::Denied) => (status, "permission_error"),
            (status, ErrorKind::NotFound) => (status, "not_found_error"),
            (status, ErrorKind::Invalid | ErrorKind::ContextLength) => (status, INVALID),
            (status, ErrorKind::Exhausted) => (status, "rate_limit_error"),
            (_, ErrorKind::Unavailable | ErrorKind::Cancelled) => (529, "overloaded_error"),
            (status, ErrorKind::Timeout) => (status, "timeout_error"),
            (status, ErrorKind::Internal | ErrorKind::Other(_)) => (status, "api_error"),
        };
        Self { retry_after: error.retry(), ..Self::new(status, kind, error.to_string()) }
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge(_) => "request_too_large",
            BodyError::Timeout => "timeout_error",
            BodyError::Broken(_) => INVALID,
        };
        Self::new(error.status(), kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn errors_have_anthropics_types() {
        let check = |kind, status, name: &str| {
            let error = Error::new(kind, "It failed").with_hint("Do this.");
            assert_eq!(seen(error.into()), (status, name.to_owned(), "It failed. Do this.".to_owned()));
        };
        check(ErrorKind::Denied, 403, "permission_error");
        check(ErrorKind::NotFound, 404, "not_found_error");
        check(ErrorKind::ContextLength, 400, "invalid_request_error");
        check(ErrorKind::Exhausted, 429, "rate_limit_error");
        check(ErrorKind::Unavailable, 529, "overloaded_error");
        check(ErrorKind::Timeout, 504, "timeout_error");
        check(ErrorKind::Internal, 500, "api_error");
        assert_eq!(seen(BodyError::TooLarge(None).into()).1, "request_too_large");
        assert_eq!(seen(BodyError::Timeout.into()).0, 408);
        let busy = ApiError::from(Error::new(ErrorKind::Unavailable, "busy")).into_response("r");
        assert_eq!(busy.get_header("retry-after"), Some("1"));
    }
}
