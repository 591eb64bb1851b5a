//! Components that answer requests by WASI 0.2.

use http_body_util::BodyExt as _;
use inferno_sandbox::{BodyError, ErrorKind, Limit, Plugin};

use crate::guests::{PROXY, guest};
use crate::lab::{Lab, ask, body, caller, manifest, ok, read, request};

fn load(lab: &Lab, rest: &str) -> Plugin {
    lab.load(&manifest("proxy", "[roles.http]\nmounts = ['/proxy']", rest), guest(PROXY)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_answer() {
    let lab = Lab::new();
    let proxy = load(&lab, "");
    assert_eq!(ok(&proxy, "/proxy/hello", "").await, "hello");
    assert_eq!(ask(&proxy, "/proxy/nothing-of-it", "").await.unwrap().0, 404);
    let long = "0123456789".repeat(50_000);
    assert!(ok(&proxy, "/proxy/echo", &long).await == long);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_do_not_see_who_asks() {
    let lab = Lab::new();
    let mut asked = request("/proxy/who", body(""));
    for (name, value) in [("host", "h:1"), ("authorization", "Bearer inf-1"), ("x-other", "seen")] {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = load(&lab, "").handle(caller("local"), asked).await.unwrap();
    let (text, _) = read(answer.into_body()).await;
    assert!(text.contains("Some(\"h:1\")") && text.contains("x-other=seen"), "{text}");
    assert!(!text.contains("inf-1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_contained() {
    let lab = Lab::new();
    let proxy = load(&lab, "[limits]\ncompute = '500ms'\nconcurrent_calls = 1");
    for (call, kind) in [
        ("refuse", ErrorKind::Answer(403)),
        ("nothing", ErrorKind::Trap),
        ("panic", ErrorKind::Trap),
        ("spin", ErrorKind::Limit(Limit::Compute)),
    ] {
        let error = ask(&proxy, &format!("/proxy/{call}"), "").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{call}: {error}");
    }
    let answer = proxy.handle(caller("local"), request("/proxy/start-then-panic", body(""))).await.unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert!(text.starts_with("xxx"), "{text}");
    assert!(matches!(end, Some(BodyError::Plugin(error)) if error.kind() == ErrorKind::Trap));
    // A client that goes away frees the only place.
    let answer = proxy.handle(caller("local"), request("/proxy/endless", body(""))).await.unwrap();
    let mut answer = answer.into_body();
    assert!(answer.frame().await.unwrap().unwrap().data_ref().unwrap().starts_with(b"xxx"));
    drop(answer);
    assert_eq!(ok(&proxy, "/proxy/hello", "").await, "hello");
}
