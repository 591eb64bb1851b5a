//! The http role: requests and answers, and what becomes of those that go wrong.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use inferno_sandbox::{Body, BodyError, ErrorKind};
use inferno_store::Space;
use serde_json::json;
use tokio::sync::mpsc;

use crate::guests::{VERB, guest};
use crate::lab::{ASKS_ALL, Lab, ask, body, caller, manifest, ok, read, request, until};

/// A request's body that is written while it is on its way.
fn channel() -> (mpsc::UnboundedSender<Result<Bytes, BodyError>>, Body) {
    struct Receiver(mpsc::UnboundedReceiver<Result<Bytes, BodyError>>);
    impl futures::Stream for Receiver {
        type Item = Result<Frame<Bytes>, BodyError>;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.poll_recv(cx).map(|next| next.map(|item| item.map(Frame::data)))
        }
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, StreamBody::new(Receiver(receiver)).boxed_unsync())
}

async fn next(body: &mut Body) -> String {
    let frame = body.frame().await.expect("there is more").expect("it is well");
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_answers() {
    let lab = Lab::new();
    let probe = lab.probe("");
    assert_eq!(ask(&probe, "/probe/hello", "").await.unwrap(), (200, "hello".to_owned()));
    assert_eq!(ask(&probe, "/probe/nothing", "").await.unwrap().0, 404);
    assert_eq!(ok(&probe, "/probe/echo", "what I said").await, "what I said");
    let long = "0123456789".repeat(300_000);
    assert!(ok(&probe, "/probe/echo", &long).await == long);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_a_fresh_instance() {
    let lab = Lab::new();
    let probe = lab.probe("");
    for _ in 0..3 {
        assert_eq!(ok(&probe, "/probe/count", "").await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_in_both_directions() {
    let lab = Lab::new();
    let probe = lab.probe("");
    let (sender, sent) = channel();
    sender.send(Ok("one".into())).unwrap();
    let answer = probe.handle(caller("local"), request("/probe/pass", sent)).await.unwrap();
    let mut answer = answer.into_body();
    assert_eq!(next(&mut answer).await, "one");
    // Only sent after the first part has come back.
    sender.send(Ok("two".into())).unwrap();
    assert_eq!(next(&mut answer).await, "two");
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_the_request_but_not_who_asks() {
    let lab = Lab::new();
    let probe = lab.probe("");
    let mut asked = request("/probe/who?x=%20y", body(""));
    for (name, value) in
        [("host", "h:1"), ("authorization", "Bearer inf-1"), ("x-api-key", "inf-2"), ("x-other", "seen")]
    {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = probe.handle(caller("local"), asked).await.unwrap();
    let (text, _) = read(answer.into_body()).await;
    assert!(text.contains("method Method::Post\n"), "{text}");
    assert!(text.contains("authority Some(\"h:1\")\n"), "{text}");
    assert!(text.contains("path Some(\"/probe/who?x=%20y\")\n"), "{text}");
    assert!(text.contains("header x-other=seen"), "{text}");
    assert!(!text.contains("inf-"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_requests_body_reach_the_plugin() {
    let lab = Lab::new();
    let probe = lab.probe("");
    for (error, expect) in [
        (BodyError::TooLarge { limit: 8 }, "HttpRequestBodySize(Some(8))"),
        (BodyError::TimedOut, "ConnectionReadTimeout"),
        (BodyError::Disconnected("reset".into()), "ConnectionTerminated"),
    ] {
        let (sender, sent) = channel();
        sender.send(Ok("a part".into())).unwrap();
        sender.send(Err(error)).unwrap();
        let answer = probe.handle(caller("local"), request("/probe/echo", sent)).await.unwrap();
        assert_eq!(answer.status(), 400);
        let (text, _) = read(answer.into_body()).await;
        assert!(text.contains(expect), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_place_of_an_answer() {
    let lab = Lab::new();
    let probe = lab.probe("");
    let error = ask(&probe, "/probe/refuse", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Answer(500));
    assert_eq!(error.to_string(), "plugin \"probe\" answered with an error: I do not want to");
    let error = ask(&probe, "/probe/too-large", "").await.unwrap_err();
    assert_eq!(error.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_and_after_the_head() {
    let lab = Lab::new();
    let probe = lab.probe("");
    let error = probe.handle(caller("local"), request("/probe/panic", body(""))).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Trap, 500));
    assert!(error.to_string().starts_with("plugin \"probe\" crashed: "), "{error}");

    let answer = probe.handle(caller("local"), request("/probe/start-then-panic", body(""))).await.unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert_eq!(text, "so far");
    assert!(matches!(end, Some(BodyError::Plugin(error)) if error.kind() == ErrorKind::Trap));

    // The plugin is none the worse for it.
    assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_shorter_than_announced_is_an_error() {
    let lab = Lab::new();
    let answer = lab.probe("").handle(caller("local"), request("/probe/short", body(""))).await.unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert_eq!(text, "half");
    assert!(end.unwrap().to_string().starts_with("plugin \"probe\" broke off its answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_the_call() {
    let lab = Lab::new();
    let probe = lab.probe("[limits]\nconcurrent_calls = 1");
    for _ in 0..3 {
        let answer = probe.handle(caller("local"), request("/probe/endless", body(""))).await.unwrap();
        let mut answer = answer.into_body();
        assert!(next(&mut answer).await.starts_with("xxx"));
        // The only place is taken as long as the body lives, and free at once when it does not.
        assert!(ask(&probe, "/probe/hello", "").await.is_err());
        drop(answer);
        assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_may_finish_its_work_after_its_answer() {
    let lab = Lab::new();
    let probe = lab.probe(ASKS_ALL);
    let answer = probe.handle(caller("local"), request("/probe/late-work", body(""))).await.unwrap();
    // As a server does, which knows the length: it reads no further than that.
    let mut answer = answer.into_body();
    assert_eq!(next(&mut answer).await, "done");
    drop(answer);
    let space = Space { tenant: "local".into(), plugin: "probe".into() };
    until("the late work is done", async || lab.services.store.kv_get(&space, "late").unwrap().is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_around_a_plugin() {
    let lab = Lab::new();
    assert_eq!(ok(&lab.probe(""), "/probe/surroundings", "").await, "reached: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_the_plugins_own() {
    let lab = Lab::new();
    let probe = lab.with_settings(&json!({ "name": "x \"y\"", "list": [1, true] }));
    assert_eq!(ok(&probe, "/probe/setting?key=name", "").await, "\"x \\\"y\\\"\"");
    assert_eq!(ok(&probe, "/probe/setting?key=list", "").await, "[1,true]");
    assert_eq!(ok(&probe, "/probe/setting?key=other", "").await, "unset");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_does_not_answer_requests() {
    let lab = Lab::new();
    let verb = lab.load(&manifest("verb", "[roles.command]", ""), guest(VERB)).unwrap();
    let error = ask(&verb, "/", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Role);
    assert_eq!(
        error.to_string(),
        "plugin \"verb\" does not play the role http; its plugin.toml names command"
    );
}
