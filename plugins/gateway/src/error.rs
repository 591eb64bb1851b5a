//! OpenAI's error envelope and its status codes.

use std::time::Duration;

use inferno_sdk::http::{BodyError, Response};
use inferno_sdk::{Error, ErrorKind};
use serde::Serialize;

use crate::endpoints::ENDPOINTS;
use crate::schema::{Field, Kind, Object, must};

/// A refusal, also one that the host writes by itself.
pub(crate) static REFUSAL: Object =
    Object { name: "Refusal", fields: &[&[must("error", Kind::Object(&PROBLEM), "")]] };

static PROBLEM: Object = Object { name: "Problem", fields: &[PROBLEM_FIELDS] };

const PROBLEM_FIELDS: &[Field] = &[
    must("message", Kind::Text, "What happened, where, and what to do about it."),
    must("type", Kind::Text, "The class of problem."),
    must("param", Kind::OneOf(&[Kind::Text, Kind::Null]), "The field that it is about."),
    must("code", Kind::OneOf(&[Kind::Text, Kind::Null]), "What happened, for programs."),
];

const INVALID: &str = "invalid_request_error";

/// A refusal in OpenAI's form.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: u16,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    retry_after: Option<Duration>,
    allow: Option<Box<str>>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: String) -> Self {
        Self { status, kind, message, param: None, code, retry_after: None, allow: None }
    }

    fn of_param(code: &'static str, param: impl Into<String>, message: String) -> Self {
        Self { param: Some(param.into()), ..Self::new(400, INVALID, Some(code), message) }
    }

    /// The body is not JSON; `why` says where.
    pub(crate) fn malformed(why: impl std::fmt::Display) -> Self {
        let message = format!("We could not parse the JSON body of your request: {why}");
        Self::new(400, INVALID, None, message)
    }

    /// A field that has to be there is not.
    pub(crate) fn missing(param: &str) -> Self {
        Self::of_param("missing_required_parameter", param, format!("Missing required parameter: '{param}'."))
    }

    /// A field is of another type.
    pub(crate) fn wrong_type(param: &str, expected: &str, got: &str) -> Self {
        let message = format!("Invalid type for '{param}': expected {expected}, but got {got} instead.");
        Self::of_param("invalid_type", param, message)
    }

    /// A field has a value that it cannot have.
    pub(crate) fn value(param: &str, why: impl std::fmt::Display) -> Self {
        Self::of_param("invalid_value", param, format!("Invalid '{param}': {why}"))
    }

    /// A field asks for what is not there yet.
    pub(crate) fn unsupported(param: &str, instead: &str) -> Self {
        let message = format!("Unsupported parameter: '{param}' is not supported. {instead}");
        Self::of_param("unsupported_parameter", param, message)
    }

    /// Nothing is at this path.
    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        let mut paths: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
        paths.dedup();
        let message = format!("Unknown request URL: {method} {path}. There are: {}.", paths.join(", "));
        Self::new(404, INVALID, Some("unknown_url"), message)
    }

    /// The path takes other methods.
    pub(crate) fn method(method: &str, path: &str, allow: String) -> Self {
        let message = format!("Not allowed to {method} on {path}. It takes {allow}.");
        Self { allow: Some(allow.into()), ..Self::new(405, INVALID, Some("method_not_allowed"), message) }
    }

    /// The path is for WebSockets.
    pub(crate) fn upgrade(path: &str) -> Self {
        let message = format!("{path} is a WebSocket. Connect to it with a client for those.");
        Self::new(426, INVALID, Some("upgrade_required"), message)
    }

    /// No such response is stored.
    pub(crate) fn no_response(id: &str, param: &str) -> Self {
        let message = format!(
            "Response with id '{id}' not found. It was not stored, or deleted, or pushed out by newer ones."
        );
        let code = if param == "previous_response_id" { "previous_response_not_found" } else { "not_found" };
        Self { param: Some(param.to_owned()), ..Self::new(404, INVALID, Some(code), message) }
    }

    /// A form that is none; `why` says where.
    pub(crate) fn form(why: impl std::fmt::Display) -> Self {
        Self::new(400, INVALID, None, format!("We could not read the form of your request: {why}"))
    }

    /// No such file.
    pub(crate) fn no_file(id: &str) -> Self {
        let message = format!("No such File object: {id}");
        Self { param: Some("id".to_owned()), ..Self::new(404, INVALID, Some("not_found"), message) }
    }

    /// No such batch.
    pub(crate) fn no_batch(id: &str) -> Self {
        let message = format!("No batch found with id '{id}'.");
        Self { param: Some("batch_id".to_owned()), ..Self::new(404, INVALID, Some("not_found"), message) }
    }

    /// A file is larger than any may be.
    pub(crate) fn file_too_large(most: u64) -> Self {
        let message = format!("The file is larger than the limit of {most} bytes. Split it.");
        Self { param: Some("file".to_owned()), ..Self::new(413, INVALID, Some("request_too_large"), message) }
    }

    /// More files are not kept.
    pub(crate) fn storage(why: impl std::fmt::Display) -> Self {
        Self::of_param("storage_limit_exceeded", "file", format!("There is no room for the file: {why}"))
    }

    /// A file that is needed cannot go.
    pub(crate) fn file_in_use(id: &str, batch: &str) -> Self {
        let message =
            format!("File {id} is the input of the batch {batch}, which has not ended. Cancel that first.");
        Self::of_param("file_in_use", "file_id", message)
    }

    /// A batch that has ended cannot be cancelled.
    pub(crate) fn batch_over(id: &str, status: &str) -> Self {
        let message = format!("Cannot cancel batch '{id}': its status is '{status}'.");
        Self::of_param("invalid_status", "batch_id", message)
    }

    /// More batches are not kept.
    pub(crate) fn too_many_batches(most: usize) -> Self {
        let message = format!(
            "{most} batches have not ended, and there may be no more. Wait for some, or cancel them."
        );
        Self {
            retry_after: Some(Duration::from_secs(60)),
            ..Self::new(429, "rate_limit_error", Some("batch_limit_exceeded"), message)
        }
    }

    /// The plugin has no folder of its own.
    pub(crate) fn no_folder() -> Self {
        let message = "The gateway keeps no files here: its user did not grant it a folder of its own. \
                       `inferno plugin grant gateway data` does."
            .to_owned();
        Self::new(403, "permission_error", Some("permission_denied"), message)
    }

    /// The disk failed.
    pub(crate) fn disk(what: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            let message = format!("Cannot {what}: the disk is full.");
            return Self::new(507, "server_error", Some("disk_full"), message);
        }
        Self::new(500, "server_error", Some("internal_error"), format!("Cannot {what}: {error}"))
    }

    /// What the host said; `param` is the field that a fault of the request is blamed on.
    pub(crate) fn host(error: Error, param: &str) -> Self {
        Self::host_about(error, param, true)
    }

    /// The same; unless `plain`, it is not known which of the fields an invalid value is in.
    pub(crate) fn host_about(error: Error, param: &str, plain: bool) -> Self {
        let (kind, code, param) = match error.kind {
            ErrorKind::Denied => ("permission_error", "permission_denied", None),
            ErrorKind::NotFound => (INVALID, "model_not_found", Some("model")),
            ErrorKind::Invalid => (INVALID, "invalid_value", plain.then_some(param)),
            ErrorKind::ContextLength => (INVALID, "context_length_exceeded", Some(param)),
            ErrorKind::Exhausted => ("rate_limit_error", "rate_limit_exceeded", None),
            ErrorKind::Unavailable => ("server_error", "unavailable", None),
            ErrorKind::Cancelled => ("server_error", "cancelled", None),
            ErrorKind::Timeout => ("server_error", "timeout", None),
            ErrorKind::Internal | ErrorKind::Other(_) => ("server_error", "internal_error", None),
        };
        Self {
            param: param.map(str::to_owned),
            retry_after: error.retry(),
            ..Self::new(error.status(), kind, Some(code), error.to_string())
        }
    }

    /// The host stopped the work before the answer was whole.
    pub(crate) fn cancelled() -> Self {
        let message = "The host cancelled the work before the answer was whole.".to_owned();
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(503, "server_error", Some("cancelled"), message)
        }
    }

    /// `{"error":{...}}`
    pub(crate) fn to_json(&self) -> Vec<u8> {
        crate::answer::json(&Envelope {
            error: Body {
                message: &self.message,
                r#type: self.kind,
                param: self.param.as_deref(),
                code: self.code,
            },
        })
    }

    /// What happened, for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What happened, for programs.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The whole answer.
    pub(crate) fn into_response(self) -> Response {
        let mut response =
            Response::new(self.status, self.to_json()).header("content-type", "application/json");
        if let Some(allow) = self.allow {
            response = response.header("allow", String::from(allow));
        }
        if let Some(after) = self.retry_after {
            // The first is HTTP's, in whole seconds; OpenAI's clients prefer the second.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            response = response
                .header("retry-after", seconds.to_string())
                .header("retry-after-ms", after.as_millis().to_string());
        }
        response
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge(_) => Some("request_too_large"),
            BodyError::Timeout => Some("request_timeout"),
            BodyError::Broken(_) => None,
        };
        Self::new(error.status(), INVALID, code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::refused;

    fn host(kind: ErrorKind) -> Error {
        Error { kind, message: "It failed".into(), hint: Some("Do this.".into()), retry_after: None }
    }

    #[test]
    fn each_kind_has_its_status_and_code() {
        let check = |kind, status, param, code| {
            refused::<()>(
                Err(ApiError::host(host(kind), "messages")),
                status,
                param,
                code,
                "It failed. Do this.",
            );
        };
        check(ErrorKind::Denied, 403, "", "permission_denied");
        check(ErrorKind::NotFound, 404, "model", "model_not_found");
        check(ErrorKind::Invalid, 400, "messages", "invalid_value");
        check(ErrorKind::ContextLength, 400, "messages", "context_length_exceeded");
        check(ErrorKind::Exhausted, 429, "", "rate_limit_exceeded");
        check(ErrorKind::Unavailable, 503, "", "unavailable");
        check(ErrorKind::Cancelled, 503, "", "cancelled");
        check(ErrorKind::Timeout, 504, "", "timeout");
        check(ErrorKind::Internal, 500, "", "internal_error");
        check(ErrorKind::Other("new".into()), 500, "", "internal_error");
    }

    #[test]
    fn retry_after_is_in_seconds_rounded_up() {
        let header = |kind, after: Option<u64>| {
            let error = Error { retry_after: after.map(Duration::from_millis), ..host(kind) };
            let response = ApiError::host(error, "messages").into_response();
            let get = |name| response.get_header(name).map(str::to_owned);
            (get("retry-after"), get("retry-after-ms"))
        };
        let both = |seconds: &str, millis: &str| (Some(seconds.to_owned()), Some(millis.to_owned()));
        assert_eq!(header(ErrorKind::Exhausted, Some(2300)), both("3", "2300"));
        assert_eq!(header(ErrorKind::Unavailable, Some(20)), both("1", "20"));
        assert_eq!(header(ErrorKind::Unavailable, None), both("1", "1000"));
        assert_eq!(header(ErrorKind::Invalid, None), (None, None));
    }

    #[test]
    fn what_the_host_enforced_on_the_body_keeps_its_status() {
        refused::<()>(Err(BodyError::TooLarge(Some(8)).into()), 413, "", "request_too_large", "8 bytes");
        refused::<()>(Err(BodyError::Timeout.into()), 408, "", "request_timeout", "in time");
        refused::<()>(Err(BodyError::Broken("reset".into()).into()), 400, "", "", "reset");
    }

    #[test]
    fn the_envelope_is_json_whatever_the_message() {
        let error = ApiError::value("stop", "\"quoted\"\n\u{1}");
        let json: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "message": "Invalid 'stop': \"quoted\"\n\u{1}", "type": "invalid_request_error",
                "param": "stop", "code": "invalid_value",
            }})
        );
    }
}
