//! What clients get wrong, and what hostile ones try: the right 4xx, in the dialect's form, and never a hang.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use inferno_tests::{Head, Server, TestContext};
use serde_json::{Value, json};

/// A context and a server with a model that echoes.
fn served(config: &[&str]) -> (TestContext, Server) {
    let context = TestContext::new();
    context.echo_model("parrot", r#"{"embedding": 8}"#);
    let server = context.serve(config);
    (context, server)
}

const CHAT: &str = "/v1/chat/completions";

fn chat(changes: &Value) -> Value {
    let mut body = json!({"model": "parrot", "messages": [{"role": "user", "content": "hello there"}]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

#[test]
fn an_unknown_model_is_404_with_near_names() {
    let (_context, server) = served(&[]);
    for (path, body) in [
        (CHAT, chat(&json!({"model": "parrott"}))),
        (CHAT, chat(&json!({"model": "parrott", "stream": true}))),
        ("/v1/completions", json!({"model": "parrott", "prompt": "x"})),
        ("/v1/embeddings", json!({"model": "parrott", "input": "x"})),
    ] {
        let refusal = server.post(path, &body).refusal(404);
        assert!(refusal.to_lowercase().contains("did you mean parrot?"), "{path}: {refusal}");
    }
    assert!(server.get("/v1/models/parrott").refusal(404).contains("did you mean parrot?"));
}

#[test]
fn names_that_are_paths_are_refused() {
    let (context, server) = served(&[]);
    std::fs::write(context.home().join("outside.echo"), "inferno-echo\n{}\n").unwrap();
    let outside = context.home().join("outside.echo").display().to_string();
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "../../home/outside.echo",
        &outside,
        "..",
        "a\0b",
        "~/x",
        "file:///etc/passwd",
    ] {
        let answer = server.post(CHAT, &chat(&json!({"model": name})));
        assert!(matches!(answer.status, 400 | 404), "{name}: {answer:?}");
        let refusal = answer.refusal(answer.status);
        assert!(!refusal.contains("root:"), "{name}: {refusal}");
    }
    let climbing = server.get("/v1/models/..%2F..%2Fetc%2Fpasswd");
    assert!(climbing.refusal(400).contains(".."), "{climbing:?}");
    server.assert_says("parrot", "still here", "still here");
}

#[test]
fn malformed_json_says_where() {
    let (_context, server) = served(&[]);
    for (body, hint) in [
        ("{\"model\": \"parrot\",\n  oops}", "line 2"),
        ("", "empty"),
        ("[1, 2]", "not an object"),
        ("{\"model\": \"parrot\"", "EOF"),
        ("\u{0}\u{1}\u{2}", "line 1"),
    ] {
        let refusal = server.post_text(CHAT, body).refusal(400);
        assert!(refusal.contains(hint), "{body:?}: {refusal}");
    }
    let deep = format!("{{\"model\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    server.post_text(CHAT, &deep).refusal(400);
    let invalid_utf8 = server.send("POST", CHAT, &[], Some(b"{\"model\": \"\xff\"}")).answer();
    invalid_utf8.refusal(400);
}

#[test]
fn what_a_request_cannot_say_names_the_field() {
    let (_context, server) = served(&[]);
    for (changes, param) in [
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hello"}), "messages"),
        (json!({"messages": [{"role": "pirate", "content": "arr"}]}), "messages[0].role"),
        (json!({"messages": [{"content": "no role"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content"),
        (json!({"model": 7}), "model"),
        (json!({"model": null}), "model"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"temperature": 1e9}), "temperature"),
        (json!({"top_p": -1}), "top_p"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"stop": 7}), "stop"),
        (json!({"n": 200}), "n"),
    ] {
        let answer = server.post(CHAT, &chat(&changes));
        answer.refusal(400);
        assert_eq!(answer.json()["error"]["param"], param, "{changes}: {answer:?}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    server.assert_says("parrot", "still here", "still here");
}

#[test]
fn a_prompt_beyond_the_context_is_refused_with_both_numbers() {
    let (context, server) = served(&[]);
    context.echo_model("small", r#"{"context": 16}"#);
    let words = "word ".repeat(40);
    for stream in [false, true] {
        let body =
            json!({"model": "small", "stream": stream, "messages": [{"role": "user", "content": words}]});
        let answer = server.post(CHAT, &body);
        let refusal = answer.refusal(400);
        assert_eq!(answer.json()["error"]["code"], "context_length_exceeded");
        assert!(refusal.contains("40") && refusal.contains("16"), "both numbers: {refusal}");
    }
    let run = context.run(&["run", "--model", "small", "--prompt", &words]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    assert!(run.stderr.contains("40") && run.stderr.contains("16"), "{run:?}");
    let long = "word ".repeat(5000);
    let refusal = server.chat("storyteller", &long).refusal(400);
    assert!(refusal.contains("1024"), "the real model's context: {refusal}");
}

#[test]
fn a_body_of_ten_mebibytes_is_413() {
    let (_context, server) = served(&[]);
    let body = chat(&json!({"messages": [{"role": "user", "content": "x".repeat(10 << 20)}]})).to_string();
    let announced = server.post_text(CHAT, &body);
    assert!(announced.refusal(413).contains("8388608"), "{announced:?}");

    let mut chunked =
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    chunked.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
    let mut stream = server.connect();
    let _ = stream.write_all(&chunked);
    let unannounced = Head::read(stream).answer();
    assert!(unannounced.refusal(413).contains("8388608"), "{unannounced:?}");
    server.assert_says("parrot", "still here", "still here");
}

#[test]
fn a_flood_of_headers_is_431() {
    let (_context, server) = served(&[]);
    let many: Vec<String> = (0..80).map(|at| format!("x-{at}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.send("GET", "/v1/models", &many, None).answer().refusal(431);

    let mut stream = server.connect();
    let mut flood = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n".to_vec();
    flood.extend_from_slice(format!("x-flood: {}\r\n", "y".repeat(1000)).repeat(5000).as_bytes());
    let _ = stream.write_all(&flood);
    assert_eq!(Head::read(stream).status, 431);
    server.assert_says("parrot", "still here", "still here");
}

#[test]
fn slow_clients_are_408_and_hold_nobody_up() {
    let (_context, server) =
        served(&["serve.header_timeout=500ms", "serve.body_idle_timeout=10s", "serve.body_timeout=500ms"]);
    let mut slow_head = server.connect();
    slow_head.write_all(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    let mut slow_body = server.connect();
    slow_body
        .write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000\r\n\r\n{")
        .unwrap();
    let began = Instant::now();
    server.assert_says("parrot", "served meanwhile", "served meanwhile");
    // A byte now and then, for ever: neither idle nor done.
    for client in [&mut slow_head, &mut slow_body] {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(600) && client.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(Head::read(slow_head).status, 408);
    Head::read(slow_body).answer().refusal(408);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn paths_and_methods_that_nobody_answers() {
    let (_context, server) = served(&[]);
    server.get("/v1/nothing").refusal(404);
    server.send("DELETE", "/v1/models", &[], None).answer().refusal(405);
    let outside = server.get("/nothing");
    assert_eq!((outside.status, outside.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(server.get("/v1/../v1/models").status, 400);
    let mut garbage = server.connect();
    garbage.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = garbage.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    server.assert_says("parrot", "still here", "still here");
}
