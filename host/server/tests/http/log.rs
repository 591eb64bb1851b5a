//! The access log: one line for each request, without secrets.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use futures::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::Value;

use crate::kit::{Stub, TestServer, head, within};

/// Everything that this process logs.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// The same for all tests: a subscriber for one thread only would miss what another thread's first use of the
    /// same log statement decided.
    fn collect() -> Self {
        static ALL: OnceLock<Lines> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let lines = Self::default();
            let writer = lines.clone();
            tracing_subscriber::fmt().json().with_writer(move || writer.clone()).init();
            lines
        });
        all.clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The access lines of a request.
    fn access(&self, request_id: &str) -> Vec<Value> {
        let lines = self.text();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let access =
            lines.filter(|line| line["target"] == "inferno::access").map(|line| line["fields"].clone());
        access.filter(|fields| fields["request_id"] == request_id).collect()
    }

    /// Waits for a request's line.
    async fn line(&self, request_id: &str) -> Value {
        within(async {
            while self.access(request_id).is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let lines = self.access(request_id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn one_line_for_each_request_and_no_secret_in_any() {
    let lines = Lines::collect();
    let server = TestServer::start(vec![Stub::says("/v1", "fine").named("gateway")]);
    let secrets = ["authorization: Bearer inf-secret", "x-api-key: inf-secret", "x-request-id: r1"];
    server.get("/v1/x?key=inf-secret", &secrets).await;
    server.get("/nowhere", &["x-request-id: r2"]).await;
    let first = lines.line("r1").await;
    assert_eq!((&first["method"], &first["path"]), (&"GET".into(), &"/v1/x".into()));
    assert_eq!((&first["plugin"], &first["tenant"]), (&"gateway".into(), &"local".into()));
    assert_eq!((&first["status"], &first["bytes"]), (&200.into(), &4.into()));
    assert_eq!(first["outcome"], "complete");
    let second = lines.line("r2").await;
    assert_eq!((&second["status"], &second["plugin"]), (&404.into(), &Value::Null));
    assert!(!lines.text().contains("inf-secret"), "{}", lines.text());
}

#[tokio::test]
async fn an_answer_of_known_length_is_whole_once_all_of_it_was_taken() {
    let lines = Lines::collect();
    let stub = |mount, status: u16, length: &'static str| {
        Stub::new(mount, move |_, _| async move {
            let pieces = ["ab", "cd"].map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
            // Its end never comes, and nobody who knows its length waits for it.
            let body = futures::stream::iter(pieces).chain(futures::stream::pending());
            let answer = http::Response::builder().status(status).header("content-length", length);
            Ok(answer.body(StreamBody::new(body).boxed_unsync()).unwrap())
        })
    };
    let server =
        TestServer::start(vec![stub("/whole", 200, "4"), stub("/none", 304, "4"), stub("/more", 200, "5")]);
    assert_eq!(server.get("/whole", &["x-request-id: whole"]).await.body, "abcd");
    let line = lines.line("whole").await;
    assert_eq!((&line["bytes"], &line["outcome"]), (&4.into(), &"complete".into()));
    for (request_id, method, path) in [("head", "HEAD", "/whole"), ("none", "GET", "/none")] {
        let mut client = server.connect().await;
        client.write(head(method, path, &[&format!("x-request-id: {request_id}")])).await;
        client.read_until("\r\n\r\n").await;
        let line = lines.line(request_id).await;
        assert_eq!((&line["bytes"], &line["outcome"]), (&0.into(), &"complete".into()), "{request_id}");
    }
    let mut client = server.connect().await;
    client.write(head("GET", "/more", &["x-request-id: more"])).await;
    client.read_until("abcd").await;
    drop(client);
    assert_eq!(lines.line("more").await["outcome"], "cut");
}

#[tokio::test]
async fn a_client_that_leaves_is_logged_as_such() {
    let lines = Lines::collect();
    let (called, mut calls) = tokio::sync::mpsc::channel(1);
    let server = TestServer::start(vec![Stub::new("/v1", move |_, _| {
        let called = called.clone();
        async move {
            called.send(()).await.unwrap();
            std::future::pending().await
        }
    })]);
    let mut client = server.connect().await;
    client.write(head("GET", "/v1/x", &["x-request-id: leaver"])).await;
    within(calls.recv()).await.unwrap();
    drop(client);
    let line = lines.line("leaver").await;
    assert_eq!((&line["status"], &line["outcome"]), (&499.into(), &"cut".into()));
}
