use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use inferno_sdk::http::{Method, Request, Response};
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{self, Object};

/// The outcome of a future that never has to wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// The fields of a request, if they fit its description.
pub(crate) fn fields(json: &str, object: &'static Object) -> Result<Fields, ApiError> {
    Fields::parse(json.as_bytes().to_vec(), object)
}

/// Checks that a value is what its description says, without a field more.
#[track_caller]
pub(crate) fn fits(object: &'static Object, value: &Value) {
    let Value::Object(map) = value else { panic!("{value} is no object") };
    schema::check(object, map).unwrap_or_else(|error| panic!("{}: {error:?} in {value}", object.name));
    let unknown = schema::unknown(object, map);
    assert!(unknown.is_empty(), "{} does not describe {unknown:?} of {value}", object.name);
}

/// The body of a good answer, which is as its description says.
#[track_caller]
pub(crate) fn described(response: Result<Response, ApiError>, object: &'static Object) -> Value {
    let response = response.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((response.status(), response.get_header("content-type")), (200, Some("application/json")));
    let body = serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap();
    fits(object, &body);
    body
}

/// Status, `param` and `code` of an error as a client sees it, and its message.
pub(crate) fn seen(error: ApiError) -> (u16, Value, Value, String) {
    let response = error.into_response();
    assert_eq!(response.get_header("content-type"), Some("application/json"));
    let status = response.status();
    let mut body: Value = serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap();
    fits(&crate::error::REFUSAL, &body);
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
    let request = Request::new(method, target).with_body(body);
    let response = now(crate::dispatch(request)).unwrap_or_else(ApiError::into_response);
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

    let (status, body) = ask(Method::Post, "/v1/completions", r#"{"model":"m","prompt":"a","suffix":"b"}"#);
    assert_eq!((status, &body["error"]["param"]), (400, &Value::from("suffix")));

    let (status, body) = ask(Method::Post, "/v1/embeddings", r#"{"model":"m","input":[1,2]}"#);
    assert_eq!((status, &body["error"]["param"]), (400, &Value::from("input[0]")));

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

#[test]
fn the_document_describes_every_endpoint_and_all_that_it_names() {
    let (status, document) = ask(Method::Get, "/openapi.json", "");
    assert_eq!((status, &document["openapi"]), (200, &Value::from("3.1.0")));
    assert_eq!(ask(Method::Get, "/v1/openapi.json", "").1, document);
    for endpoint in crate::endpoints::ENDPOINTS {
        let operation = &document["paths"][endpoint.path][endpoint.verb.as_str().to_lowercase()];
        assert_eq!(operation["operationId"], endpoint.id, "{}", endpoint.path);
        assert_eq!(operation["requestBody"].is_object(), endpoint.body.is_some(), "{}", endpoint.path);
    }
    let schemas = &document["components"]["schemas"];
    let text = document.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(schemas[name].is_object(), "{name}");
    }
    let chat = &schemas["ChatRequest"];
    assert_eq!(chat["required"], serde_json::json!(["messages"]));
    let links = &document["paths"]["/v1/responses"]["post"]["responses"]["200"]["links"];
    assert_eq!(links["getResponse"]["parameters"]["response_id"], "$response.body#/id");
    assert_eq!(chat["properties"]["temperature"]["maximum"], 2.0);
    assert_eq!(chat["properties"]["n"]["type"], serde_json::json!(["integer", "null"]));
}
