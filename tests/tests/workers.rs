//! Workers that die, and clients that leave: it costs one answer, never the service.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use inferno_tests::{Head, Server, TestContext, within};
use serde_json::Value;

/// Slow enough that nothing ends by itself while a test looks.
const SLOW: &str = r#"{"tokens_per_second": 20, "context": 100000}"#;

#[test]
fn a_killed_worker_costs_its_answers_and_nothing_else() {
    let context = TestContext::new();
    context.echo_model("slow", SLOW);
    context.echo_model("other", "{}");
    let server = context.serve(&[]);
    server.assert_says("other", "hello", "hello");
    let others = server.workers();
    let mut events = server.stream("slow", &"word ".repeat(1000));
    for _ in 0..3 {
        events.next().unwrap();
    }
    let worker =
        server.workers().into_iter().find(|worker| !others.contains(worker)).expect("a worker of its own");
    server.kill_worker(worker);

    let rest: Vec<String> = events.collect();
    let error: Value = rest
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .find(|event| event.get("error").is_some())
        .unwrap_or_else(|| panic!("no error event in {rest:?}"));
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("slow") && message.contains("signal"), "{message}");
    assert!(!rest.iter().any(|event| event == "[DONE]"), "half an answer does not look whole: {rest:?}");

    server.assert_says("slow", "again", "again");
    server.assert_says("other", "hello", "hello");
    assert!(others.iter().all(|other| server.workers().contains(other)), "the other model did not notice");
}

#[test]
fn a_whole_answer_that_is_lost_with_its_worker_is_503() {
    let context = TestContext::new();
    context.echo_model("slow", SLOW);
    let server = context.serve(&[]);
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.chat("slow", &"word ".repeat(1000)));
        let worker = within("no worker", || server.workers().first().copied());
        // The worker is there before its request is.
        std::thread::sleep(Duration::from_millis(300));
        server.kill_worker(worker);
        waiting.join().unwrap()
    });
    assert!(answer.refusal(503).contains("slow"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn a_client_that_hangs_up_frees_its_place() {
    let context = TestContext::new();
    context.echo_model("slow", SLOW);
    let server = context.serve(&["inference.sequences=1"]);
    // Either would take 50 seconds, and there is one place.
    for _ in 0..3 {
        let mut events = server.stream("slow", &"word ".repeat(1000));
        assert!(events.next().is_some());
        drop(events);
    }
    let start = Instant::now();
    server.assert_says("slow", "my turn", "my turn");
    assert!(start.elapsed() < Duration::from_secs(5), "waited {:?}", start.elapsed());
}

/// Sends two requests to a model that has room for one more at most. Gives the one that waits, if one was given room;
/// the other one is told that there is none.
fn one_waits(server: &Server) -> Option<TcpStream> {
    let body = r#"{"model":"slow","messages":[{"role":"user","content":"hi"}]}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut clients = vec![server.connect(), server.connect()];
    for client in &mut clients {
        client.write_all(format!("{head}{body}").as_bytes()).unwrap();
        client.set_nonblocking(true).unwrap();
    }
    let answered = within("neither is told anything", || {
        clients.iter().position(|client| client.peek(&mut [0]).is_ok_and(|read| read > 0))
    });
    let refused = clients.remove(answered);
    refused.set_nonblocking(false).unwrap();
    Head::read(refused).answer().refusal(429);
    let other = clients.remove(0);
    // If it was refused as well, it was at the same time; the model itself takes much longer for an answer.
    std::thread::sleep(Duration::from_millis(100));
    other.peek(&mut [0]).is_err().then_some(other)
}

#[test]
fn a_client_that_hangs_up_while_it_waits_frees_its_place_too() {
    let context = TestContext::new();
    context.echo_model("slow", SLOW);
    let server = context.serve(&["inference.sequences=1", "inference.queue=1"]);
    let mut first = server.stream("slow", &"word ".repeat(1000));
    first.next().unwrap();
    for _ in 0..3 {
        drop(within("nobody is given room to wait", || one_waits(&server)));
    }
    drop(first);
    within("no place came free", || (server.chat("slow", "hi").status == 200).then_some(()));
}

#[test]
fn no_worker_outlives_its_server() {
    let context = TestContext::new();
    context.echo_model("slow", SLOW);
    let server = context.serve(&[]);
    let mut events = server.stream("slow", &"word ".repeat(1000));
    events.next().unwrap();
    let workers = server.workers();
    assert_eq!(workers.len(), 1);
    // Not even if the server has no chance to say goodbye.
    drop(server);
    let gone = |worker: &u32| !std::path::Path::new(&format!("/proc/{worker}")).exists();
    within("a worker is left", || workers.iter().all(gone).then_some(()));
}
