use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use inferno_sdk::http::{Handler, Method, Request};
use inferno_sdk::json::Fields;
use serde_json::Value;

use crate::Anthropic;
use crate::error::ApiError;

/// The outcome of a future that never has to wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

pub(crate) fn fields(json: &str) -> Fields {
    Fields::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// Status, type and message of an error as a client sees it.
pub(crate) fn seen(error: ApiError) -> (u16, String, String) {
    let response = error.into_response("r-1");
    assert_eq!(response.get_header("content-type"), Some("application/json"));
    let status = response.status();
    let body: Value = serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap();
    assert_eq!((&body["type"], &body["request_id"]), (&"error".into(), &"r-1".into()));
    let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (status, text("type"), text("message"))
}

/// Checks that something is refused with 400 and a message that contains a text.
#[track_caller]
pub(crate) fn says<T: Debug>(result: Result<T, ApiError>, text: &str) {
    let (status, kind, message) = seen(result.expect_err("not refused"));
    assert_eq!((status, &*kind), (400, "invalid_request_error"), "{message}");
    assert!(message.contains(text), "{message}");
}

/// The answer to a request that is refused before the host is asked.
fn ask(request: Request) -> (u16, Value, Option<String>) {
    let response = now(Anthropic::handle(request));
    let (status, id) = (response.status(), response.get_header("request-id").map(str::to_owned));
    (status, serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap(), id)
}

#[test]
fn refusals_have_the_envelope_and_the_name_of_the_request() {
    let request = Request::new(Method::Post, "/v1/messages")
        .with_header("x-request-id", "r-7")
        .with_header("anthropic-version", "2026-10-21")
        .with_body("{\"model\": \"m\",\n oops}");
    let (status, body, id) = ask(request);
    assert_eq!((status, id.as_deref()), (400, Some("r-7")));
    assert_eq!((&body["type"], &body["request_id"]), (&"error".into(), &"r-7".into()));
    assert!(body["error"]["message"].as_str().unwrap().contains("line 2"), "{body}");
}

#[test]
fn paths_methods_and_versions_are_checked() {
    let kind = |method, path: &str, version: &str| {
        let (status, body, id) = ask(Request::new(method, path).with_header("anthropic-version", version));
        assert_eq!(id.map(|id| id.len()), Some(16), "a name is made where there is none");
        (status, body["error"]["type"].as_str().unwrap().to_owned())
    };
    let both = |status, kind: &str| (status, kind.to_owned());
    assert_eq!(kind(Method::Post, "/v1/messages/batches", "2023-06-01"), both(404, "not_found_error"));
    assert_eq!(kind(Method::Get, "/v1/messages", "2023-06-01"), both(405, "invalid_request_error"));
    let (_, body, _) =
        ask(Request::new(Method::Post, "/v1/messages").with_header("anthropic-version", "2023-01-01"));
    assert!(body["error"]["message"].as_str().unwrap().contains("2023-06-01 and 2026-10-21"), "{body}");
    assert_eq!(
        kind(Method::Post, "/v1/messages/count_tokens/", "2023-06-01"),
        both(400, "invalid_request_error")
    );
}
