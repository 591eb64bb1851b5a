//! Answers that come in pieces, and clients that leave before the end.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use inferno_sandbox::{Body, BodyError};
use tokio::sync::mpsc;

use crate::kit::{DropBell, Once, Stub, TestServer, head, text, within};

/// A body whose pieces a test sends; the bell rings when it is dropped.
fn piecewise() -> (mpsc::Sender<&'static str>, Body, tokio::sync::oneshot::Receiver<()>) {
    let (pieces, mut waiting) = mpsc::channel::<&'static str>(1);
    let (bell, rung) = DropBell::new();
    let stream = futures::stream::poll_fn(move |cx| {
        let _held = &bell;
        waiting
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    });
    (pieces, StreamBody::new(stream).boxed_unsync(), rung)
}

#[tokio::test]
async fn pieces_arrive_as_they_are_made() {
    let (pieces, body, _rung) = piecewise();
    let body = Once::new(body);
    let server = TestServer::start(vec![Stub::new("/v1", move |_, _| {
        let body = body.take();
        async move { Ok(http::Response::new(body)) }
    })]);
    let mut client = server.connect().await;
    client.write(head("GET", "/v1/x", &[])).await;
    client.read_until("\r\n\r\n").await;
    for piece in ["data: one\n\n", "data: two\n\n"] {
        within(pieces.send(piece)).await.unwrap();
        client.read_until(piece).await;
    }
    drop(pieces);
    client.read_until("0\r\n\r\n").await;
}

#[tokio::test]
async fn hanging_up_drops_the_answer_even_if_nothing_is_being_sent() {
    let (pieces, body, rung) = piecewise();
    let body = Once::new(body);
    let server = TestServer::start(vec![Stub::new("/v1", move |_, request| {
        let body = body.take();
        async move {
            request.into_body().collect().await.unwrap();
            Ok(http::Response::new(body))
        }
    })]);
    let mut client = server.connect().await;
    client.write(head("POST", "/v1/x", &["content-length: 2"]) + "{}").await;
    within(pieces.send("first")).await.unwrap();
    client.read_until("first").await;
    drop(client);
    within(rung).await.unwrap();
    assert!(pieces.is_closed());
}

#[tokio::test]
async fn hanging_up_before_the_answer_drops_the_call() {
    let (bell, rung) = DropBell::new();
    let (called, mut calls) = mpsc::channel(1);
    let bell = Once::new(bell);
    let server = TestServer::start(vec![Stub::new("/v1", move |_, _| {
        let (bell, called) = (bell.take(), called.clone());
        async move {
            let _held = bell;
            called.send(()).await.unwrap();
            std::future::pending().await
        }
    })]);
    let mut client = server.connect().await;
    client.write(head("GET", "/v1/x", &[])).await;
    within(calls.recv()).await.unwrap();
    drop(client);
    within(rung).await.unwrap();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_to_the_plugin() {
    let (seen, mut saw) = mpsc::channel(1);
    let server = TestServer::start(vec![Stub::new("/v1", move |_, request| {
        let seen = seen.clone();
        async move {
            let outcome = request.into_body().collect().await.map(|body| body.to_bytes().len());
            seen.send(outcome).await.unwrap();
            Ok(text("late"))
        }
    })]);
    let mut client = server.connect().await;
    client.write(head("POST", "/v1/x", &["content-length: 100"]) + "half").await;
    drop(client);
    let outcome = within(saw.recv()).await.unwrap();
    assert!(matches!(outcome, Err(BodyError::Disconnected(_))), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_fails_half_way_does_not_look_complete() {
    let server = TestServer::start(vec![Stub::new("/v1", |_, _| async {
        let pieces =
            [Ok(Frame::data(Bytes::from("half"))), Err(BodyError::Disconnected("on purpose".into()))];
        Ok(http::Response::new(StreamBody::new(futures::stream::iter(pieces)).boxed_unsync()))
    })]);
    let mut client = server.connect().await;
    client.write(head("GET", "/v1/x", &[])).await;
    let raw = String::from_utf8(client.rest().await).unwrap();
    assert!(raw.starts_with("HTTP/1.1 200") && raw.ends_with("4\r\nhalf\r\n"), "{raw:?}");
}
