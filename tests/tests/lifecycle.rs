//! Starting, stopping, and who may use it.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use inferno_tests::{TestContext, within};

#[test]
fn a_busy_port_says_who_asked_who_has_it_and_what_to_do() {
    let context = TestContext::new();
    let server = context.serve(&[]);
    let port = server.addr().port().to_string();
    let second = context.run(&["serve", "--port", &port]);
    assert_eq!(second.status, Some(1), "{second:?}");
    let owner = format!("(process {})", server.process());
    for said in [&server.addr().to_string(), "--port", &owner, "hint:"] {
        assert!(second.stderr.contains(said), "{said}: {second:?}");
    }
    let mut command = context.command(&["serve"]);
    let by_variable = inferno_tests::Finished::of(command.env("INFERNO_SERVE_PORT", &port));
    assert!(by_variable.stderr.contains("INFERNO_SERVE_PORT"), "{by_variable:?}");
}

#[test]
fn an_interrupt_lets_answers_end_and_takes_no_more() {
    let context = TestContext::new();
    context.echo_model("slow", r#"{"tokens_per_second": 20}"#);
    let mut server = context.serve(&[]);
    let words =
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";
    let mut events = server.stream("slow", words);
    events.next().unwrap();
    server.interrupt();
    within("new connections are still taken", || TcpStream::connect(server.addr()).is_err().then_some(()));
    assert!(events.text().ends_with("sixteen"), "the answer ends as if nothing had happened");
    assert_eq!(server.ended().code(), Some(0), "{}", server.said());
}

#[test]
fn answers_that_outlast_the_drain_are_cut() {
    let context = TestContext::new();
    context.echo_model("slow", r#"{"tokens_per_second": 10, "context": 100000}"#);
    let mut server = context.serve(&["serve.drain=300ms"]);
    let mut events = server.stream("slow", &"word ".repeat(1000));
    events.next().unwrap();
    let start = Instant::now();
    server.interrupt();
    assert!(!events.any(|event| event == "[DONE]"), "half an answer does not look whole");
    assert!(server.ended().success());
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
    assert!(server.said().contains("cut off"), "{}", server.said());
}

#[test]
fn a_second_interrupt_stops_at_once() {
    let context = TestContext::new();
    context.echo_model("slow", r#"{"tokens_per_second": 10, "context": 100000}"#);
    let mut server = context.serve(&[]);
    let mut events = server.stream("slow", &"word ".repeat(1000));
    events.next().unwrap();
    server.interrupt();
    within("it does not say that it stops", || server.said().contains("stopping").then_some(()));
    server.interrupt();
    let start = Instant::now();
    assert!(!server.ended().success());
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn an_idle_server_stops_at_once() {
    let context = TestContext::new();
    let mut server = context.serve(&[]);
    let mut idle = server.connect();
    server.interrupt();
    let start = Instant::now();
    assert!(server.ended().success());
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0);
}

#[test]
fn keys_are_asked_for_as_soon_as_one_exists() {
    let context = TestContext::new();
    let server = context.serve(&[]);
    assert_eq!(server.get("/v1/models").status, 200);
    let secret = context.product(&["keys", "create", "laptop"]).trim().to_owned();
    assert!(secret.starts_with("inf-"), "{secret}");

    let with = |header: &str| server.send("GET", "/v1/models", &[header], None).answer();
    assert!(server.get("/v1/models").refusal(401).contains("Authorization: Bearer"));
    with("authorization: Bearer inf-wrong").refusal(401);
    assert_eq!(with(&format!("authorization: Bearer {secret}")).status, 200);
    assert_eq!(with(&format!("x-api-key: {secret}")).status, 200);
    assert_eq!(server.get("/health").status, 200, "health needs no key");
    assert!(!context.product(&["keys", "list", "--json"]).contains(&secret), "a secret is shown once");

    context.product(&["keys", "remove", "laptop"]);
    assert_eq!(server.get("/v1/models").status, 200, "without keys everybody may");
}

#[test]
fn the_log_has_a_line_for_each_request_and_no_secret() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let mut command = context.command(&["serve", "--port", "0"]);
    command.env("INFERNO_LOG_LEVEL", "info").env("INFERNO_LOG_FORMAT", "json");
    let server = inferno_tests::Server::start(&mut command);
    let headers = ["x-request-id: seen-in-the-log", "authorization: Bearer inf-secret"];
    assert_eq!(server.send("GET", "/v1/models?key=inf-secret", &headers, None).answer().status, 200);
    server.assert_says("parrot", "a private matter", "a private matter");
    let line = within("no log line", || {
        let said = server.said();
        said.lines()
            .find(|line| line.contains("seen-in-the-log") && line.contains("/v1/models"))
            .map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO", "{line}");
    let said = server.said();
    assert!(!said.contains("inf-secret") && !said.contains("private matter"), "{said}");
}
