use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use inferno_sdk::http::{Handler, Method, Request};
use inferno_sdk::json::Fields;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::{Ollama, VERSION};

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

/// Status and message of an error as a client sees it.
pub(crate) fn seen(error: ApiError) -> (u16, String) {
    let response = error.into_response();
    assert_eq!(response.get_header("content-type"), Some("application/json"));
    let status = response.status();
    let body: Value = serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap();
    (status, body["error"].as_str().unwrap().to_owned())
}

/// Checks that something is refused with 400 and a message that contains a text.
#[track_caller]
pub(crate) fn says<T: Debug>(result: Result<T, ApiError>, text: &str) {
    let (status, message) = seen(result.expect_err("not refused"));
    assert_eq!(status, 400, "{message}");
    assert!(message.contains(text), "{message}");
}

fn ask(request: Request) -> (u16, Value) {
    let response = now(Ollama::handle(request));
    let status = response.status();
    (status, serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap())
}

#[test]
fn who_looks_for_a_server_finds_one() {
    for method in [Method::Get, Method::Head] {
        let response = now(Ollama::handle(Request::new(method, "/")));
        assert_eq!(response.status(), 200);
        assert_eq!(now(response.into_bytes()).unwrap(), b"Ollama is running");
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(ask(Request::new(Method::Get, "/api/version")), (200, json!({ "version": VERSION })));
}

#[test]
fn what_is_wrong_is_said_before_the_host_is_asked() {
    let post = |path: &str, body: &str| ask(Request::new(Method::Post, path).with_body(body));
    let (status, body) = post("/api/chat", "{\"model\": \"m\",\n oops}");
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("line 2"), "{body}");
    assert_eq!(post("/api/show", "{}"), (400, json!({"error": "`model` is missing"})));
    assert_eq!(post("/api/embeddings", "{}"), (400, json!({"error": "`model` is missing"})));
    assert_eq!(post("/api/nothing", "{}").0, 404);
}
