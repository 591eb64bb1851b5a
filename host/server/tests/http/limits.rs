//! Too much, too many, too slow: each limit fires, with its status, and the server goes on.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use inferno_sandbox::BodyError;
use inferno_server::Config;

use crate::kit::{DropBell, Once, Stub, TestServer, head, text, within};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn too_many_headers_are_431_in_the_mounts_form() {
    let server = TestServer::start(vec![Stub::says("/v1", "fine")]);
    let many: Vec<String> = (0..70).map(|at| format!("x-{at}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = server.get("/v1/x", &many).await;
    assert_eq!(answer.status, 431);
    assert!(answer.oops().contains("71 headers") && answer.oops().contains("64"), "{answer:?}");
    assert_eq!(server.get("/v1/x", &many[..60]).await.status, 200);
}

#[tokio::test]
async fn large_headers_and_long_targets_are_refused() {
    let server = TestServer::start(vec![Stub::says("/v1", "fine")]);
    let large = server.get("/v1/x", &[&format!("x-large: {}", "y".repeat(40 * 1024))]).await;
    assert_eq!(large.status, 431);
    assert!(large.oops().contains("32768"), "{large:?}");
    let long = server.get(&format!("/v1/{}", "x".repeat(9000)), &[]).await;
    assert_eq!(long.status, 414);
    assert!(long.oops().contains("8192"), "{long:?}");
}

#[tokio::test]
async fn a_flood_of_headers_ends_in_431_and_costs_nothing_more() {
    let server = TestServer::start(vec![Stub::says("/v1", "fine")]);
    let mut client = server.connect().await;
    client.write("GET /v1/x HTTP/1.1\r\nhost: localhost\r\n").await;
    let line = format!("x-flood: {}\r\n", "y".repeat(1000));
    for _ in 0..4000 {
        if !client.try_write(&line).await {
            break;
        }
    }
    assert_eq!(client.answer().await.status, 431);
    assert_eq!(server.get("/v1/x", &[]).await.status, 200);
}

#[tokio::test]
async fn a_head_that_trickles_is_408() {
    let config = Config { header_timeout: SHORT, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::says("/v1", "fine")]);
    let mut client = server.connect().await;
    let began = Instant::now();
    client.write("GET /v1/x HTTP/1.1\r\nhost: te").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(answer.header("x-request-id").is_some() && answer.json()["kind"] == "timeout", "{answer:?}");
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let config = Config { header_timeout: SHORT, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::says("/v1", "fine")]);
    assert_eq!(server.connect().await.rest().await, b"");
    let mut kept = server.connect().await;
    kept.write(head("GET", "/v1/x", &[])).await;
    assert_eq!(kept.answer().await.body, "fine");
    assert_eq!(kept.rest().await, b"");
}

#[tokio::test]
async fn an_announced_body_over_the_limit_is_413_at_once() {
    let config = Config { max_body: 1000, ..Config::default() };
    let server =
        TestServer::with(config, vec![Stub::new("/v1", |_, _| async { panic!("must not be called") })]);
    let mut client = server.connect().await;
    client.write(head("POST", "/v1/x", &["content-length: 1001"])).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert!(answer.oops().contains("1000 bytes"), "{answer:?}");
    let waits = head("POST", "/v1/x", &["content-length: 1001", "expect: 100-continue"]);
    assert_eq!(server.send(&waits).await.status, 413, "nobody is asked for a body that is refused");
}

#[tokio::test]
async fn a_client_that_sends_everything_first_still_reads_its_413() {
    let server = TestServer::start(vec![Stub::counts("/v1")]);
    let body = "x".repeat(10 * 1024 * 1024);
    let answer =
        server.send(&(head("POST", "/v1/x", &[&format!("content-length: {}", body.len())]) + &body)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.oops().contains("8388608"), "{answer:?}");
}

#[tokio::test]
async fn bodies_up_to_the_limit_arrive_whole() {
    let config = Config { max_body: 300_000, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::counts("/v1")]);
    let body = "x".repeat(300_000);
    let known = server.send(&(head("POST", "/v1/x", &["content-length: 300000"]) + &body)).await;
    assert_eq!((known.status, known.body.as_str()), (200, "300000"));
    let chunked = format!("493e0\r\n{body}\r\n0\r\n\r\n");
    let unknown = server.send(&(head("POST", "/v1/x", &["transfer-encoding: chunked"]) + &chunked)).await;
    assert_eq!((unknown.status, unknown.body.as_str()), (200, "300000"));
}

#[tokio::test]
async fn an_unannounced_body_over_the_limit_is_413() {
    let config = Config { max_body: 1000, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::counts("/v1")]);
    let mut client = server.connect().await;
    client.write(head("POST", "/v1/x", &["transfer-encoding: chunked"])).await;
    for _ in 0..3 {
        client.write(format!("190\r\n{}\r\n", "x".repeat(400))).await;
    }
    let answer = client.answer().await;
    assert_eq!(answer.status, 413);
    assert!(answer.oops().contains("1000 bytes"), "the plugin failed, so the host says it: {answer:?}");
}

#[tokio::test]
async fn a_plugin_may_word_a_broken_limit_itself() {
    let config = Config { max_body: 10, body_idle_timeout: SHORT, ..Config::default() };
    let stub = Stub::new("/v1", |_, request| async move {
        let (status, words) = match request.into_body().collect().await {
            Err(BodyError::TooLarge { limit }) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("own words: {limit}"))
            }
            Err(BodyError::TimedOut) => (StatusCode::REQUEST_TIMEOUT, "own words: slow".to_owned()),
            other => panic!("{other:?}"),
        };
        let mut answer = text(&words);
        *answer.status_mut() = status;
        Ok(answer)
    });
    let server = TestServer::with(config, vec![stub]);
    let large = head("POST", "/v1/x", &["transfer-encoding: chunked"]) + "b\r\nhello world\r\n";
    let answer = server.send(&large).await;
    assert_eq!((answer.status, answer.body.as_str()), (413, "own words: 10"));
    let slow = head("POST", "/v1/x", &["content-length: 10"]) + "hello";
    let answer = server.send(&slow).await;
    assert_eq!((answer.status, answer.body.as_str()), (408, "own words: slow"));
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let config = Config { body_idle_timeout: SHORT, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::counts("/v1")]);
    let answer = server.send(&(head("POST", "/v1/x", &["content-length: 100"]) + "only this")).await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(answer.oops().contains("0.2 s"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_trickles_is_408_in_the_end() {
    let config =
        Config { body_idle_timeout: Duration::from_secs(10), body_timeout: 2 * SHORT, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::counts("/v1")]);
    let mut client = server.connect().await;
    client.write(head("POST", "/v1/x", &["content-length: 1000"])).await;
    let began = Instant::now();
    // Never idle for long, and never done.
    while began.elapsed() < 3 * SHORT && client.try_write("x").await {
        tokio::time::sleep(SHORT / 10).await;
    }
    let answer = client.answer().await;
    assert_eq!(answer.status, 408);
    assert!(answer.oops().contains("0.4 s"), "{answer:?}");
}

#[tokio::test]
async fn one_connection_too_many_is_503() {
    let config = Config { max_connections: 1, ..Config::default() };
    let server = TestServer::with(config, vec![Stub::says("/v1", "fine")]);
    let mut first = server.connect().await;
    first.write(head("GET", "/v1/x", &[])).await;
    assert_eq!(first.answer().await.status, 200);
    let second = server.get("/v1/x", &[]).await;
    assert_eq!((second.status, second.header("retry-after")), (503, Some("1")));
    assert!(second.json()["detail"].as_str().unwrap().contains('1'), "{second:?}");
    first.write(head("GET", "/v1/x", &["connection: close"])).await;
    first.rest().await;
    drop(first);
    while server.get("/v1/x", &[]).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_frees_what_its_answer_holds() {
    let (bell, rung) = DropBell::new();
    let bell = Once::new(bell);
    let stub = Stub::new("/v1", move |_, _| {
        let bell = bell.take();
        async move {
            let endless = futures::stream::repeat_with(move || {
                let _held = &bell;
                Ok(http_body::Frame::data(Bytes::from(vec![b'x'; 64 * 1024])))
            });
            Ok(http::Response::new(StreamBody::new(endless).boxed_unsync()))
        }
    });
    let config = Config { write_timeout: SHORT, ..Config::default() };
    let server = TestServer::with(config, vec![stub]);
    let mut client = server.connect().await;
    client.write(head("GET", "/v1/x", &[])).await;
    within(rung).await.unwrap();
}
