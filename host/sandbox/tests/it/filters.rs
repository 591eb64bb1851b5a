//! Filters around an exchange: what they see and change, and what becomes of it when they fail.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use inferno_sandbox::{Body, BodyError, Error, ErrorKind, Limit, Plugin};
use serde_json::json;

use crate::guests::{ROLES, guest};
use crate::lab::{Lab, body, caller, manifest, read, request};

const REFUSE: &str = "[roles.filter]\napplies_to = ['/probe']\n";
const PASS: &str = "[roles.filter]\napplies_to = ['/probe']\non_error = 'pass'\n";

fn filter(lab: &Lab, role: &str, mode: &str, rest: &str) -> Plugin {
    lab.load_with(&manifest("filter", role, rest), guest(ROLES), &json!({ "mode": mode }))
}

/// A plugin inside of the filter: it answers with these pieces, one frame each; `$` stands for the request's body.
async fn answering(request: http::Request<Body>, pieces: &[&str]) -> Result<http::Response<Body>, Error> {
    let length = request.headers().get(CONTENT_LENGTH).cloned();
    let sent = request.into_body().collect().await.unwrap().to_bytes();
    let sent = String::from_utf8(sent.to_vec()).unwrap();
    if let Some(length) = length {
        assert_eq!(length.to_str().unwrap(), sent.len().to_string(), "the length goes with the body");
    }
    let pieces: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, BodyError>(Frame::data(Bytes::from(piece.replace('$', &sent)))))
        .collect();
    let body = StreamBody::new(futures::stream::iter(pieces)).boxed_unsync();
    Ok(http::Response::builder().header(CONTENT_LENGTH, "7").body(body).unwrap())
}

/// What the client gets, and how it broke off.
async fn exchange(
    filter: &Plugin,
    sent: &str,
    pieces: &[&str],
) -> Result<(String, Option<BodyError>), Error> {
    let asked = http::Request::post("/probe/x?y=1")
        .header(CONTENT_LENGTH, sent.len())
        .header("authorization", "Bearer inf-1")
        .header("x-other", "seen")
        .body(body(sent))
        .unwrap();
    let answer = filter.filter_exchange(caller("local"), asked, |request| answering(request, pieces)).await?;
    Ok(read(answer.into_body()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_each_chunk_go_through_it() {
    let lab = Lab::new();
    let (text, end) = exchange(&filter(&lab, REFUSE, "mask", ""), "a x", &["$, x", "xx", "y"]).await.unwrap();
    assert_eq!(text, "a *, ***y");
    assert!(end.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_pass_while_the_answer_is_under_way() {
    let lab = Lab::new();
    let filter = filter(&lab, REFUSE, "mask", "");
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let answer = filter
        .filter_exchange(caller("local"), request("/probe/x", body("")), async |_| {
            Ok::<_, Error>(http::Response::new(StreamBody::new(receiver).boxed_unsync()))
        })
        .await
        .unwrap();
    assert!(!answer.headers().contains_key(CONTENT_LENGTH));
    let mut answer = answer.into_body();
    for (sent, seen) in [("one x", "one *"), ("two x", "two *")] {
        sender.unbounded_send(Ok::<_, BodyError>(Frame::data(Bytes::from(sent)))).unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), seen);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_comes_with_the_last_chunk() {
    let lab = Lab::new();
    let (text, end) = exchange(&filter(&lab, REFUSE, "hold", ""), "", &["a", "b", "c"]).await.unwrap();
    assert_eq!(text, "abc");
    assert!(end.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_nested() {
    let lab = Lab::new();
    let (outer, inner) = (filter(&lab, REFUSE, "tag o", ""), filter(&lab, REFUSE, "tag i", ""));
    let answer = outer
        .filter_exchange(caller("local"), request("/probe/x", body("r")), |request| {
            let inner = &inner;
            async move { inner.filter_exchange(caller("local"), request, |r| answering(r, &["$"])).await }
        })
        .await
        .unwrap();
    // The outer one saw the request first and the answer last.
    assert_eq!(read(answer.into_body()).await.0, "i(o(r))<i<o");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_sees_the_request_but_not_who_asks() {
    let lab = Lab::new();
    let error = exchange(&filter(&lab, REFUSE, "show", ""), "", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Answer(400));
    let text = error.to_string();
    assert!(text.starts_with("POST /probe/x?y=1\n") && text.contains("(\"x-other\", \"seen\")"), "{text}");
    assert!(!text.contains("inf-1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_no_plugin() {
    let lab = Lab::new();
    let asked = AtomicUsize::new(0);
    let filter_of = |mode| filter(&lab, REFUSE, mode, "");
    for (mode, kind) in [
        ("refuse-with 451", ErrorKind::Answer(451)),
        // It cannot pretend that all is well.
        ("refuse-with 200", ErrorKind::Contract),
        ("request panic", ErrorKind::Trap),
    ] {
        let error = filter_of(mode)
            .filter_exchange(caller("local"), request("/probe/x", body("")), |request| {
                asked.fetch_add(1, SeqCst);
                answering(request, &[])
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{mode}");
    }
    assert_eq!(asked.load(SeqCst), 0);
    let error = exchange(&filter_of("refuse-with 403"), "", &[]).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.status()), ("not here", 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_filter_closes_or_lets_pass_as_it_declares() {
    let lab = Lab::new();
    let limits = "[limits]\ncompute = '300ms'\nhost_call_data = '1MiB'\nhost_calls = 5000";
    let kinds = [
        ("panic", ErrorKind::Trap),
        ("spin", ErrorKind::Limit(Limit::Compute)),
        ("flood", ErrorKind::Limit(Limit::HostCalls)),
    ];
    for (fault, kind) in kinds {
        for moment in ["request", "response"] {
            let mode = format!("{moment} {fault}");
            let error = exchange(&filter(&lab, REFUSE, &mode, limits), "", &["a", "b"]).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{mode}: {error}");
            let (text, end) =
                exchange(&filter(&lab, PASS, &mode, limits), "r", &["$", "a", "b"]).await.unwrap();
            assert_eq!(text, "rab", "{mode}");
            assert!(end.is_none(), "{mode}");
        }
        // In the second chunk: the answer breaks off, or the rest passes.
        let mode = format!("chunk {fault}");
        let (text, end) = exchange(&filter(&lab, REFUSE, &mode, limits), "", &["a", "b", "c"]).await.unwrap();
        assert_eq!(text, "a");
        assert!(matches!(end, Some(BodyError::Plugin(error)) if error.kind() == kind), "{mode}");
        let (text, end) = exchange(&filter(&lab, PASS, &mode, limits), "", &["a", "b", "c"]).await.unwrap();
        assert_eq!((text.as_str(), end.is_none()), ("abc", true), "{mode}");
    }
    let (_, end) = exchange(&filter(&lab, REFUSE, "huge", limits), "", &["a"]).await.unwrap();
    let error = end.unwrap();
    assert!(
        matches!(&error, BodyError::Plugin(error) if error.kind() == ErrorKind::Limit(Limit::HostCallData)),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_the_filter_can_be_handed_is_refused() {
    let lab = Lab::new();
    let filter = filter(&lab, PASS, "mask", "[limits]\nhost_call_data = '1MiB'");
    let error = exchange(&filter, &"x".repeat(2 << 20), &[]).await.unwrap_err();
    assert_eq!(error.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_filter_and_plugin() {
    let lab = Lab::new();
    let filter = filter(&lab, REFUSE, "mask", "[limits]\nconcurrent_calls = 1");
    let probe = lab.probe("[limits]\nconcurrent_calls = 1");
    for _ in 0..2 {
        let answer = filter
            .filter_exchange(caller("local"), request("/probe/endless", body("")), |request| {
                probe.handle(caller("local"), request)
            })
            .await
            .unwrap();
        let mut answer = answer.into_body();
        let frame = answer.frame().await.unwrap().unwrap();
        assert!(frame.data_ref().unwrap().iter().all(|byte| *byte == b'*'));
        let error = exchange(&filter, "", &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit(Limit::ConcurrentCalls));
        drop(answer);
    }
    let (text, _) = exchange(&filter, "", &["x"]).await.unwrap();
    assert_eq!(text, "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_inside_breaks_the_answer_off() {
    let lab = Lab::new();
    let filter = filter(&lab, PASS, "mask", "");
    let probe = lab.probe("");
    let answer = filter
        .filter_exchange(caller("local"), request("/probe/start-then-panic", body("")), |request| {
            probe.handle(caller("local"), request)
        })
        .await
        .unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert_eq!(text, "so far");
    assert!(matches!(end, Some(BodyError::Plugin(error)) if error.kind() == ErrorKind::Trap));
}
