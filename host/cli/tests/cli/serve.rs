//! `serve`: from the first line on standard error to the end that a signal asks for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::User;

/// A running server; ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) log: BufReader<ChildStderr>,
}

impl Server {
    pub(crate) fn start(user: &User, arguments: &[&str]) -> Self {
        let mut child = user
            .command(["serve", "--port", "0"].iter().chain(arguments))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = wait_for(&mut log, "listening on http://");
        Self { child, address, log }
    }

    /// Sends a request and leaves the connection to be read.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        BufReader::new(stream)
    }

    pub(crate) fn get(&self, path: &str, headers: &str) -> String {
        let mut answer = String::new();
        self.send("GET", path, headers, "").read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as most tests want it to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines up to one that begins like this; gives the rest of it.
pub(crate) fn wait_for(lines: &mut impl BufRead, start: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "ended without {start:?}: {seen}");
        if let Some(rest) = line.trim_end().strip_prefix(start) {
            return rest.to_owned();
        }
        seen.push_str(&line);
    }
}

#[test]
fn names_and_pages_are_let_in_where_they_are_listed() {
    let user = User::new()
        .with("INFERNO_SERVE_ALLOWED_HOSTS", "box.lan")
        .file(".inferno.toml", "[serve]\nallowed_origins = \"https://app.example\"\n");
    let server = Server::start(&user, &[]);
    let asked_as = |host: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        write!(stream, "GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(asked_as("box.lan").starts_with("HTTP/1.1 200"));
    let refusal = asked_as("rebound.example");
    assert!(refusal.starts_with("HTTP/1.1 403") && refusal.contains("serve.allowed_hosts"), "{refusal}");
    let answer = server.get("/v1/models", "origin: https://app.example\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://app.example\r\n"), "{answer}");
    let refusal = server.get("/v1/models", "origin: https://other.example\r\n");
    assert!(refusal.starts_with("HTTP/1.1 403") && refusal.contains("serve.allowed_origins"), "{refusal}");
    assert!(refusal.contains("\"error\""), "in the words of the mount: {refusal}");
}

/// An echo model that takes its time.
fn slow_parrot() -> User {
    let text = "inferno-echo\n{\"tokens_per_second\": 20, \"context\": 4096}\n";
    User::new().file(".local/share/inferno/models/parrot.echo", text)
}

/// A streamed answer of so many words, at 20 words a second.
fn stream(server: &Server, words: usize) -> BufReader<TcpStream> {
    let text = "word ".repeat(words);
    let body = serde_json::json!({
        "model": "parrot", "stream": true, "messages": [{"role": "user", "content": text}],
    });
    let mut answer =
        server.send("POST", "/v1/chat/completions", "content-type: application/json\r\n", &body.to_string());
    let mut line = String::new();
    while !line.contains("word") {
        line.clear();
        assert!(answer.read_line(&mut line).unwrap() > 0, "no word came");
    }
    answer
}

#[test]
fn it_serves_through_the_bundled_gateway_until_it_is_told_to_stop() {
    let user = User::new();
    let server = Server::start(&user, &["--model", "storyteller"]);
    // It listens before the model is loaded, and says when it is.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !server.get("/ready", "").starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < deadline, "the model is never loaded");
        std::thread::sleep(Duration::from_millis(5));
    }
    let health = server.get("/health", "");
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"ready\""), "{health}");
    let models = server.get("/v1/models", "");
    assert!(models.starts_with("HTTP/1.1 200") && models.contains("\"storyteller\""), "{models}");
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn requests_in_flight_end_before_the_server_does() {
    let user = slow_parrot();
    let mut server = Server::start(&user, &[]);
    let mut answer = stream(&server, 30);
    server.signal("INT");
    wait_for(&mut server.log, "stopping:");
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("[DONE]"), "{rest}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    let user = slow_parrot();
    let mut server = Server::start(&user, &[]);
    // This answer would take a minute and more.
    let mut answer = stream(&server, 2000);
    server.signal("INT");
    wait_for(&mut server.log, "stopping:");
    server.signal("INT");
    let mut rest = Vec::new();
    // The connection may be reset, which is an error here; it must only end.
    let _ = answer.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"));
    assert_eq!(server.end(), Some(130));
}

#[test]
fn a_request_that_outlives_the_drain_is_cut() {
    let user = slow_parrot().with("INFERNO_SERVE_DRAIN", "200ms");
    let mut server = Server::start(&user, &[]);
    let mut answer = stream(&server, 2000);
    server.signal("TERM");
    let _ = answer.read_to_end(&mut Vec::new());
    wait_for(&mut server.log, "warning: 1 request was cut off");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_key_is_required_as_soon_as_one_exists() {
    let user = User::new();
    let server = Server::start(&user, &[]);
    assert!(server.get("/v1/models", "").starts_with("HTTP/1.1 200"));
    let secret = user.call(["keys", "create", "laptop"]).product();
    assert!(server.get("/v1/models", "").starts_with("HTTP/1.1 401"));
    let header = format!("authorization: Bearer {}\r\n", secret.trim());
    assert!(server.get("/v1/models", &header).starts_with("HTTP/1.1 200"));
    user.call(["keys", "remove", "laptop"]).product();
    assert!(server.get("/v1/models", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_busy_port_says_who_asked_who_has_it_and_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let refusal = User::new().call(["serve", "--port", &port]).refusal(1);
    assert!(refusal.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{refusal}");
    assert!(refusal.contains("serve.port from --port on the command line"), "{refusal}");
    assert!(refusal.contains("INFERNO_SERVE_PORT"), "{refusal}");
    if cfg!(target_os = "linux") {
        assert!(refusal.contains(&format!("(process {})", std::process::id())), "{refusal}");
    }
    let refusal = User::new().with("INFERNO_SERVE_PORT", &port).call(["serve"]).refusal(1);
    assert!(refusal.contains("serve.port from INFERNO_SERVE_PORT"), "{refusal}");
}

#[test]
fn a_model_that_is_not_there_is_known_before_it_listens() {
    let refusal = User::new().call(["serve", "--port", "0", "--model", "storytelle"]).refusal(1);
    assert!(refusal.contains("\"storyteller\"") && !refusal.contains("listening"), "{refusal}");
}
