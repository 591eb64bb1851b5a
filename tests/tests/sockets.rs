//! Chats over the gateway's WebSocket, as a client sees them that knows of WebSockets what it needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use inferno_tests::{Server, TestContext};
use serde_json::{Value, json};

const TEXT: u8 = 1;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

struct Socket(BufReader<TcpStream>);

impl Socket {
    fn open(server: &Server) -> Self {
        let mut stream = server.connect();
        let head = "GET /ws/stream HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.is_empty()) {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            lines.push(line.trim_end().to_owned());
        }
        assert!(lines[0].starts_with("HTTP/1.1 101"), "{lines:?}");
        Self(stream)
    }

    /// Sends a text message of less than 64 KiB.
    fn say(&mut self, message: &Value) {
        let text = message.to_string();
        let mut frame = vec![FINAL | TEXT, MASKED | 126];
        frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        // A mask of zeros changes nothing.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.0.get_mut().write_all(&frame).unwrap();
    }

    /// The next text message.
    fn hear(&mut self) -> Value {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length).into()
            }
            127 => panic!("a message of more than 64 KiB"),
            short => usize::from(short),
        };
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).unwrap();
        assert_eq!(head[0], FINAL | TEXT, "not a whole text: {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).unwrap()
    }

    fn chat(&mut self, id: &str, model: &str, content: &str) {
        let messages = json!([{"role": "user", "content": content}]);
        self.say(&json!({"type": "chat", "id": id, "request": {"model": model, "messages": messages}}));
    }
}

/// The text of a message that tells more of a chat.
fn content(message: &Value) -> &str {
    message["chunk"]["choices"][0]["delta"]["content"].as_str().unwrap_or_default()
}

#[test]
fn several_chats_go_on_at_once() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let server = context.serve(&[]);
    let mut socket = Socket::open(&server);
    let said = [("a", "one two three"), ("b", "four five"), ("c\n", "six")];
    for (id, content) in said {
        socket.chat(id, "parrot", content);
    }
    let mut heard = said.map(|(id, _)| (id, String::new()));
    let mut going_on = said.len();
    while going_on > 0 {
        let message = socket.hear();
        let (_, text) = heard.iter_mut().find(|(id, _)| message["id"] == *id).unwrap();
        match message["type"].as_str().unwrap() {
            "delta" => text.push_str(content(&message)),
            "done" => going_on -= 1,
            other => panic!("{other}: {message}"),
        }
    }
    assert_eq!(heard.map(|(_, text)| text), said.map(|(_, text)| text.to_owned()));
}

#[test]
fn a_chat_can_be_cancelled_and_the_others_go_on() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    context.echo_model("slow", r#"{"tokens_per_second": 20}"#);
    let server = context.serve(&[]);
    let mut socket = Socket::open(&server);
    socket.chat("long", "slow", &"word ".repeat(500));
    while content(&socket.hear()).is_empty() {}
    socket.say(&json!({"type": "cancel", "id": "long"}));
    while socket.hear()["type"] == "delta" {}
    socket.chat("short", "parrot", "hello");
    let mut text = String::new();
    loop {
        let message = socket.hear();
        assert_eq!(message["id"], "short", "nothing more is told of what was cancelled: {message}");
        match message["type"].as_str().unwrap() {
            "done" => break,
            _ => text.push_str(content(&message)),
        }
    }
    assert_eq!(text, "hello");
}

#[test]
fn what_cannot_be_is_said_and_the_connection_stays() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let server = context.serve(&[]);
    let mut socket = Socket::open(&server);
    let mut refusal = |message: Value| {
        socket.say(&message);
        let told = socket.hear();
        assert_eq!(told["type"], "error", "{told}");
        (told["id"].clone(), told["error"]["code"].clone())
    };
    assert_eq!(refusal(json!({"type": "sing", "id": "a"})), (json!("a"), json!("invalid_value")));
    assert_eq!(refusal(json!({"type": "cancel", "id": "b"})), (json!("b"), json!("invalid_value")));
    let unknown = json!({"model": "nobody", "messages": [{"role": "user", "content": "hi"}]});
    let asked = json!({"type": "chat", "id": "c", "request": unknown});
    assert_eq!(refusal(asked), (json!("c"), json!("model_not_found")));
    assert_eq!(refusal(json!([])), (Value::Null, Value::Null));
    socket.chat("d", "parrot", "hello");
    assert_eq!(socket.hear()["type"], "delta");
}
