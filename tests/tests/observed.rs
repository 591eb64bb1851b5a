//! What a server tells about itself: health, figures and traces.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use inferno_tests::{TestContext, build};
use serde_json::json;

use crate::conversations::script;

fn chat_for(key: &str) -> ([String; 2], Vec<u8>) {
    let headers = [format!("authorization: Bearer {key}"), "content-type: application/json".to_owned()];
    let messages = json!([{"role": "user", "content": "one two three"}]);
    (headers, json!({"model": "parrot", "messages": messages}).to_string().into_bytes())
}

#[test]
fn prometheus_reads_what_happened() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let own = context.product(&["keys", "create", "prometheus"]);
    let theirs = context.product(&["keys", "create", "acme", "--tenant", "acme"]);
    let server = context.serve(&[]);
    let (headers, body) = chat_for(theirs.trim());
    let headers = headers.each_ref().map(String::as_str);
    assert_eq!(server.send("POST", "/v1/chat/completions", &headers, Some(&body)).answer().status, 200);
    script(
        "figures.py",
        &[
            ("INFERNO_ADDRESS", &server.addr().to_string()),
            ("INFERNO_API_KEY", own.trim()),
            ("INFERNO_TABLE", build::root().join("docs/src/operations.md").to_str().unwrap()),
        ],
    );
}

#[test]
fn a_server_is_ready_once_the_model_is_that_it_loads_first() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let mut command = context.command(&["serve", "--port", "0", "--model", "parrot"]);
    let server = inferno_tests::Server::start(&mut command);
    server.assert_says(
        "parrot",
        "a request that comes meanwhile waits",
        "a request that comes meanwhile waits",
    );
    inferno_tests::within("the server is never ready", || (server.get("/ready").status == 200).then_some(()));
    let health = server.get("/health");
    assert_eq!((health.status, &health.json()["model"]["state"]), (200, &json!("ready")));
}

/// A collector that takes one batch after the other.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, batches) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Some(batch) = take(stream)
                && sender.send(batch).is_err()
            {
                return;
            }
        }
    });
    (address, batches)
}

/// Reads one request, head and body, and answers it.
fn take(mut stream: TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let head_end = seen.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            if seen.len() >= end + 4 + length.parse::<usize>().ok()? {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .ok()?;
                return Some((head, seen.split_off(end + 4)));
            }
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            read => seen.extend_from_slice(&piece[..read]),
        }
    }
}

#[test]
fn a_request_is_traced_where_a_collector_was_named() {
    let (address, batches) = collector();
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let mut command = context.command(&["serve", "--port", "0", "--config", "log_level=info"]);
    let mut server = inferno_tests::Server::start(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &address));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("traceparent: 00-{trace}-b7ad6b7169203331-01");
    let answer = server.send("GET", "/v1/models", &[&parent, "x-request-id: traced-1"], None).answer();
    assert_eq!(answer.status, 200);
    let chat = br#"{"model": "parrot", "messages": [{"role": "user", "content": "one two"}]}"#;
    let answer = server
        .send("POST", "/v1/chat/completions", &[&parent, "x-request-id: traced-2"], Some(chat))
        .answer();
    assert_eq!(answer.status, 200);
    server.interrupt();
    assert!(server.ended().success());
    let (head, body) = batches.recv_timeout(Duration::from_secs(60)).expect("a batch comes before the end");
    assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
    let has = |bytes: &[u8]| body.windows(bytes.len()).any(|window| window == bytes);
    let id: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(has(&id), "the span is one of the client's trace");
    for text in [
        "GET /v1",
        "traced-1",
        "inferno.plugin",
        "gateway",
        "http.response.status_code",
        "service.name",
        "plugin gateway",
        "chat parrot",
        "gen_ai.usage.output_tokens",
        "inferno.first_token_ms",
        "traced-2",
    ] {
        assert!(has(text.as_bytes()), "{text}");
    }
    assert!(server.said().contains(trace), "the log names the trace: {}", server.said());
}

#[test]
fn without_a_collector_nothing_is_sent_and_one_that_is_away_stops_nobody() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    // Nobody listens there.
    let mut server = context.serve(&["otlp_endpoint=http://127.0.0.1:9"]);
    server.assert_says("parrot", "hello", "hello");
    server.interrupt();
    assert!(server.ended().success());
    assert!(
        server.said().contains("traces cannot be sent to http://127.0.0.1:9/v1/traces"),
        "{}",
        server.said()
    );
}
