//! An answer in which the host itself says no, in the words of whoever is mounted there.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::handler::Failure;
use crate::request_id::RequestId;

/// A refusal before it has a form.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), headers: Vec::new() }
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The connection ends with this answer, since the rest of the request is not worth reading.
    fn closing(self) -> Self {
        self.header(CONNECTION, HeaderValue::from_static("close"))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"inferno\""))
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn method(message: impl Into<String>, allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message).header(ALLOW, HeaderValue::from_static(allow))
    }

    pub(crate) fn slow(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, message).closing()
    }

    pub(crate) fn body_too_large(limit: u64) -> Self {
        let message = format!("the request's body is larger than the {limit} bytes that this server takes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message).closing()
    }

    pub(crate) fn uri_too_long(limit: usize) -> Self {
        let message = format!("the request's target is longer than the {limit} bytes that this server takes");
        Self::new(StatusCode::URI_TOO_LONG, message).closing()
    }

    pub(crate) fn headers_too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message).closing()
    }

    pub(crate) fn overloaded(limit: usize) -> Self {
        let message =
            format!("this server already has the {limit} connections that it takes; try again soon");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
            .header(RETRY_AFTER, HeaderValue::from_static("1"))
            .closing()
    }

    pub(crate) fn websocket_version(version: HeaderValue) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, "this server speaks version 13 of the WebSocket protocol")
            .header(SEC_WEBSOCKET_VERSION, version)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// For programs; the names are those of errors everywhere in Inferno, where there is one that fits.
    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "unauthenticated",
            403 => "denied",
            404 => "not-found",
            405 => "method-not-allowed",
            408 | 504 => "timeout",
            413 | 414 | 431 => "too-large",
            429 => "exhausted",
            400..=499 => "invalid",
            503 => "unavailable",
            _ => "internal",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer, with the mount's template where it has one and as RFC 9457 describes it where not.
    pub(crate) fn render(self, template: Option<&str>, id: &RequestId) -> Response<Full<Bytes>> {
        let (kind, body) = match template {
            Some(template) => ("application/json", self.fill(template)),
            None => ("application/problem+json", self.problem(id)),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().extend(self.headers);
        response
    }

    fn problem(&self, id: &RequestId) -> String {
        serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.message,
            "kind": self.kind(),
            "request_id": id.as_str(),
        })
        .to_string()
    }

    /// Puts JSON values where the template has `$message`, `$kind` and `$status`. What is put in is not looked at
    /// again, so a message that contains `$kind` stays as it is.
    fn fill(&self, template: &str) -> String {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let values = [
            ("$message", text(&self.message)),
            ("$status", self.status.as_u16().to_string()),
            ("$kind", text(self.kind())),
        ];
        let mut filled = String::with_capacity(template.len() + self.message.len() + 16);
        let mut rest = template;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let found = values.iter().find(|(name, _)| from.starts_with(name));
            let (put, taken) = found.map_or(("$", 1), |(name, value)| (value.as_str(), name.len()));
            filled.push_str(put);
            rest = &from[taken..];
        }
        filled.push_str(rest);
        filled
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = failure.status;
        let known = if status.is_client_error() || status.is_server_error() {
            status
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        let refusal = Self::new(known, failure.message);
        if matches!(known, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            return refusal.header(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_once_with_json_values() {
        let refusal = Refusal::not_found("no \"x\" but $kind\n");
        let filled = refusal.fill(r#"{"e":{"m":$message,"k":$kind,"s":$status,"d":"5$ $other"}}"#);
        let json: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"e": {"m": "no \"x\" but $kind\n", "k": "not-found", "s": 404, "d": "5$ $other"}})
        );
    }

    #[test]
    fn a_busy_plugin_says_when_to_come_back() {
        let failure = Failure { status: StatusCode::SERVICE_UNAVAILABLE, message: "full".into() };
        let response = Refusal::from(failure).render(None, &RequestId::new());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn a_failure_never_looks_like_success() {
        let failure = Failure { status: StatusCode::OK, message: "odd".into() };
        assert_eq!(Refusal::from(failure).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
