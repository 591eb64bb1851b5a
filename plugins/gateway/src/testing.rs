use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use inferno_sdk::http::{Method, Request};
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;

/// The outcome of a future that never has to wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

pub(crate) fn fields(json: &str) -> Fields {
    Fields::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
}

/// Status, `param` and `code` of an error as a client sees it, and its message.
pub(crate) fn seen(error: ApiError) -> (u16, Value, Value, String) {
    let response = error.into_response();
    assert_eq!(response.get_header("content-type"), Some("application/json"));
    let status = response.status();
    let mut body: Value = serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap();
    let mut error = body["error"].take();
    let message = error["message"].as_str().unwrap().to_owned();
    assert!(error["type"].is_string());
    (status, error["param"].take(), error["code"].take(), message)
}

/// Checks an error's status, param and code, and that its message contains a text.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, ApiError>, status: u16, param: &str, code: &str, says: &str) {
    let Err(error) = result else { panic!("not refused") };
    let (seen_status, seen_param, seen_code, message) = seen(error);
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    assert_eq!((seen_status, &*text(&seen_param), &*text(&seen_code)), (status, param, code), "{message}");
    assert!(message.contains(says), "{message}");
}

fn ask(method: Method, target: &str, body: &str) -> (u16, Value) {
    let mut request = Request::new(method, target).with_body(body);
    let response = now(crate::dispatch(&mut request)).unwrap_or_else(ApiError::into_response);
    let status = response.status();
    (status, serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap())
}

#[test]
fn what_is_wrong_is_said_before_the_host_is_asked() {
    let (status, body) = ask(Method::Post, "/v1/chat/completions", "{\"model\": \"m\",\n \"messages\": [}");
    assert_eq!(status, 400);
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("line 2 column 15"), "{message}");
    assert_eq!(body["error"]["type"], "invalid_request_error");

    let (status, body) = ask(Method::Post, "/v1/chat/completions", r#"{"model":"m","messages":[]}"#);
    assert_eq!((status, &body["error"]["param"]), (400, &Value::from("messages")));

    let (status, body) = ask(Method::Post, "/v1/completions", r#"{"model":"m","prompt":"a","echo":true}"#);
    assert_eq!((status, &body["error"]["param"]), (400, &Value::from("echo")));

    let (status, body) = ask(Method::Post, "/v1/embeddings", r#"{"model":"m","input":[1,2]}"#);
    assert_eq!((status, &body["error"]["param"]), (400, &Value::from("input")));

    let (status, body) = ask(Method::Get, "/v1/nothing", "");
    assert_eq!((status, &body["error"]["code"]), (404, &Value::from("unknown_url")));
}

#[test]
fn ids_come_from_the_request() {
    let request = Request::new(Method::Post, "/").with_header("x-request-id", "r-1");
    assert_eq!(crate::Origin::of(&request, "chatcmpl").id, "chatcmpl-r-1");
    let made = crate::Origin::of(&Request::new(Method::Post, "/"), "cmpl");
    assert_eq!(made.id.len(), "cmpl-".len() + 16);
    assert_ne!(made.id, crate::Origin::of(&Request::new(Method::Post, "/"), "cmpl").id);
    assert!(made.created > 1_700_000_000);
}
