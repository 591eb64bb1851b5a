//! WebSockets as a client sees them, and as the plugin behind them does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use inferno_sandbox::{Body, BodyError, Conversation};
use inferno_server::{Config, Failure};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::kit::{DropBell, Once, Stub, TestServer, head, text, within};

type Socket = WebSocketStream<TcpStream>;

/// Says everything that it hears in capitals.
fn shouting() -> Stub {
    Stub::new("/ws", |_, request| async move {
        let shout = |frame: Frame<Bytes>| frame.map_data(|line| line.to_ascii_uppercase().into());
        Ok(Response::new(request.into_body().map_frame(shout).boxed_unsync()))
    })
    .talking_at("/ws/talk")
}

/// Says these pieces, and then does what the last one says.
fn saying(pieces: &'static [&'static str], fails: bool) -> Stub {
    Stub::new("/ws", move |_, _| async move {
        let pieces = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
        let end = fails.then(|| Err(BodyError::Disconnected("I broke".to_owned())));
        Ok(Response::new(StreamBody::new(futures::stream::iter(pieces.chain(end))).boxed_unsync()))
    })
    .talking_at("/ws/talk")
}

async fn open_with(server: &TestServer, headers: &[(&'static str, &str)]) -> Result<(Socket, u16), Error> {
    let mut request = format!("ws://localhost:{}/ws/talk", server.addr.port()).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (socket, answer) = within(client_async(request, stream)).await?;
    Ok((socket, answer.status().as_u16()))
}

async fn open(server: &TestServer) -> Socket {
    open_with(server, &[]).await.unwrap().0
}

/// The status with which an upgrade was refused.
async fn refused(server: &TestServer, headers: &[(&'static str, &str)]) -> u16 {
    match open_with(server, headers).await {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

async fn say(socket: &mut Socket, text: &str) {
    within(socket.send(Message::text(text))).await.unwrap();
}

async fn hear(socket: &mut Socket) -> String {
    loop {
        match within(socket.next()).await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// How the server ends it.
async fn end(socket: &mut Socket) -> (CloseCode, String) {
    loop {
        match within(socket.next()).await.unwrap().unwrap() {
            Message::Close(Some(frame)) => return (frame.code, frame.reason.to_string()),
            Message::Close(None) => panic!("no reason"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_message_is_a_line_and_a_line_is_a_message() {
    let server = TestServer::start(vec![shouting()]);
    let (mut socket, status) = open_with(&server, &[("x-request-id", "talk-1")]).await.unwrap();
    assert_eq!(status, 101);
    for (said, heard) in [("hello", "HELLO"), ("", ""), ("gr\u{fc}n \r", "GR\u{fc}N \r")] {
        say(&mut socket, said).await;
        assert_eq!(hear(&mut socket).await, heard);
    }
    within(socket.send(Message::Ping(Bytes::from_static(b"there?")))).await.unwrap();
    let pong = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"there?")));
    let figures = server.get("/metrics", &[]).await.body;
    for line in [
        "inferno_websocket_connections 1",
        r#"inferno_websocket_messages_total{direction="received"} 3"#,
        r#"inferno_websocket_messages_total{direction="sent"} 3"#,
    ] {
        assert!(figures.lines().any(|found| found == line), "{line}\n{figures}");
    }
    within(socket.close(None)).await.unwrap();
    assert!(matches!(within(socket.next()).await, Some(Ok(Message::Close(_))) | None));
}

#[tokio::test]
async fn the_end_of_an_answer_is_the_end_of_the_conversation() {
    let server = TestServer::start(vec![saying(&["one\ntw", "o\nthree"], false)]);
    let mut socket = open(&server).await;
    for heard in ["one", "two", "three"] {
        assert_eq!(hear(&mut socket).await, heard);
    }
    assert_eq!(end(&mut socket).await, (CloseCode::Normal, String::new()));
}

#[tokio::test]
async fn a_plugin_that_fails_ends_it_with_its_reason() {
    let server = TestServer::start(vec![saying(&["one\n"], true)]);
    let mut socket = open(&server).await;
    assert_eq!(hear(&mut socket).await, "one");
    let (code, reason) = end(&mut socket).await;
    assert_eq!(code, CloseCode::Error);
    assert!(reason.contains("I broke"), "{reason}");
}

#[tokio::test]
async fn a_plugin_may_not_say_what_cannot_be_a_message() {
    let config = Config { max_body: 100, ..Config::default() };
    const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789";
    let server = TestServer::with(config, vec![saying(&[LONG, LONG], false)]);
    let (code, reason) = end(&mut open(&server).await).await;
    assert_eq!((code, reason.as_str()), (CloseCode::Error, "the plugin wrote a line of more than 100 bytes"));
    let binary = Stub::new("/ws", |_, _| async {
        Ok(Response::new(Full::from(&b"\xff\n"[..]).map_err(|never| match never {}).boxed_unsync()))
    });
    let server = TestServer::start(vec![binary.talking_at("/ws/talk")]);
    let (code, reason) = end(&mut open(&server).await).await;
    assert_eq!((code, reason.as_str()), (CloseCode::Error, "the plugin wrote what is not UTF-8"));
}

#[tokio::test]
async fn what_a_client_may_not_say_ends_it() {
    let config = Config { max_body: 100, ..Config::default() };
    for (message, code) in [
        (Message::binary(vec![1, 2]), CloseCode::Unsupported),
        (Message::text("two\nlines"), CloseCode::Invalid),
        (Message::text("x".repeat(101)), CloseCode::Size),
    ] {
        let server = TestServer::with(config.clone(), vec![shouting()]);
        let mut socket = open(&server).await;
        say(&mut socket, &"x".repeat(100)).await;
        assert_eq!(hear(&mut socket).await.len(), 100);
        within(socket.send(message)).await.unwrap();
        assert_eq!(end(&mut socket).await.0, code);
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_what_is_under_way() {
    for politely in [true, false] {
        let (bell, rung) = DropBell::new();
        let bell = Once::new(bell);
        let stub = Stub::new("/ws", move |_, _| {
            let bell = bell.take();
            async move {
                let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"on\n")))]);
                let never = futures::stream::pending().map(move |item| {
                    let _held = &bell;
                    item
                });
                Ok(Response::new(StreamBody::new(first.chain(never)).boxed_unsync()))
            }
        });
        let server = TestServer::start(vec![stub.talking_at("/ws/talk")]);
        let mut socket = open(&server).await;
        assert_eq!(hear(&mut socket).await, "on");
        if politely {
            within(socket.close(None)).await.unwrap();
        } else {
            drop(socket);
        }
        within(rung).await.unwrap();
    }
}

#[tokio::test]
async fn only_a_path_that_is_listed_becomes_a_websocket() {
    let stub = Stub::new("/ws", |_, request| async move {
        let told = |name: &str| request.headers().contains_key(name);
        let is_conversation = request.extensions().get::<Conversation>().is_some();
        Ok(text(&format!("{} {is_conversation}", told("sec-websocket-version") || told("upgrade"))))
    });
    let server = TestServer::start(vec![stub.talking_at("/ws/talk")]);
    let wish = [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    for path in ["/ws", "/ws/other", "/ws/talk/more"] {
        let answer = server.get(path, &wish).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "false false"), "{path}");
    }
    // Nor is a request that does not wish it.
    assert_eq!(server.get("/ws/talk", &wish[2..]).await.body, "false false");
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let server = TestServer::start(vec![shouting()]);
    let old = refused(&server, &[("sec-websocket-version", "8")]).await;
    assert_eq!(old, 426);
    assert_eq!(refused(&server, &[("sec-websocket-key", "short")]).await, 400);
}

#[tokio::test]
async fn a_conversation_is_admitted_as_a_request_is() {
    let server = TestServer::start(vec![shouting()]);
    assert_eq!(refused(&server, &[("origin", "https://evil.example")]).await, 403);
    let key = server.store.create_key("a", "acme").unwrap().secret;
    assert_eq!(refused(&server, &[]).await, 401);
    let (mut socket, _) = open_with(&server, &[("authorization", &format!("Bearer {key}"))]).await.unwrap();
    say(&mut socket, "hello").await;
    assert_eq!(hear(&mut socket).await, "HELLO");
}

#[tokio::test]
async fn a_plugin_sees_the_request_without_secrets_and_may_refuse_it() {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let stub = Stub::new("/ws", move |caller, request: Request<Body>| {
        *keep.lock().unwrap() = Some((caller, request.method().clone(), request.headers().clone()));
        async {
            let message = "not today".to_owned();
            Err(Failure { status: StatusCode::IM_A_TEAPOT, message })
        }
    });
    let server = TestServer::start(vec![stub.talking_at("/ws/talk")]);
    let key = server.store.create_key("a", "acme").unwrap().secret;
    let headers =
        [("authorization", &*format!("Bearer {key}")), ("x-request-id", "r-1"), ("x-other", "seen")];
    assert_eq!(refused(&server, &headers).await, 418);
    let (caller, method, headers) = seen.lock().unwrap().take().unwrap();
    assert_eq!((caller.tenant.as_str(), caller.request_id.as_str(), method.as_str()), ("acme", "r-1", "GET"));
    assert_eq!(headers["x-other"], "seen");
    assert_eq!(headers["sec-websocket-version"], "13");
    for hidden in ["authorization", "sec-websocket-key", "connection", "upgrade"] {
        assert!(!headers.contains_key(hidden), "{hidden}: {headers:?}");
    }
}

#[tokio::test]
async fn a_protocol_is_told_if_the_client_offered_it() {
    for (chosen, told) in [("chat.v2", Some("chat.v2")), ("chat.v9", None)] {
        let stub = Stub::new("/ws", move |_, request: Request<Body>| async move {
            let answer = Response::builder().header("sec-websocket-protocol", chosen);
            Ok(answer.body(request.into_body()).unwrap())
        });
        let server = TestServer::start(vec![stub.talking_at("/ws/talk")]);
        let wish = [
            "connection: Upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol: chat.v1, chat.v2",
        ];
        let mut client = server.connect().await;
        client.write(head("GET", "/ws/talk", &wish)).await;
        let answer = client.read_until("\r\n\r\n").await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        assert_eq!(answer.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: ")), told);
    }
}

#[tokio::test]
async fn a_client_that_is_not_there_any_more_is_given_up() {
    let (bell, rung) = DropBell::new();
    let bell = Once::new(bell);
    let config = Config { ping_interval: Duration::from_millis(20), ..Config::default() };
    let stub = Stub::new("/ws", move |_, _| {
        let bell = bell.take();
        async move {
            let never = futures::stream::pending::<Result<Frame<Bytes>, BodyError>>().map(move |item| {
                let _held = &bell;
                item
            });
            Ok(Response::new(StreamBody::new(never).boxed_unsync()))
        }
    });
    let server = TestServer::with(config, vec![stub.talking_at("/ws/talk")]);
    // It takes pings and does not answer them, since nobody reads.
    let _socket = open(&server).await;
    within(rung).await.unwrap();
}

#[tokio::test]
async fn one_that_answers_pings_stays() {
    let config = Config { ping_interval: Duration::from_millis(20), ..Config::default() };
    let server = TestServer::with(config, vec![shouting()]);
    let mut socket = open(&server).await;
    let mut pings = 0;
    while pings < 10 {
        let message = within(socket.next()).await.unwrap().unwrap();
        assert!(matches!(message, Message::Ping(_)), "{message:?}");
        pings += 1;
    }
    say(&mut socket, "still here").await;
    assert_eq!(hear(&mut socket).await, "STILL HERE");
}

#[tokio::test]
async fn a_plugin_that_does_not_listen_holds_its_client_back() {
    let (taken, mut takes) = mpsc::channel::<Body>(1);
    let stub = Stub::new("/ws", move |_, request: Request<Body>| {
        let taken = taken.clone();
        async move {
            taken.send(request.into_body()).await.unwrap();
            let never = futures::stream::pending::<Result<Frame<Bytes>, BodyError>>();
            Ok(Response::new(StreamBody::new(never).boxed_unsync()))
        }
    });
    let server = TestServer::start(vec![stub.talking_at("/ws/talk")]);
    let mut socket = open(&server).await;
    let mut heard = takes.recv().await.unwrap();
    let message = "x".repeat(1 << 20);
    // What the system itself holds for a connection is far less than this.
    let all = async {
        for _ in 0..100 {
            socket.send(Message::text(message.clone())).await.unwrap();
        }
    };
    let listening = async {
        for _ in 0..100 {
            let line = heard.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(line.len(), message.len() + 1);
        }
    };
    let mut all = std::pin::pin!(all);
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut all).await.is_err(), "it was all taken");
    within(futures::future::join(all, listening)).await;
}

#[tokio::test]
async fn a_server_that_stops_lets_what_is_said_end() {
    let mut server = TestServer::start(vec![shouting()]);
    let mut socket = open(&server).await;
    say(&mut socket, "last words").await;
    assert_eq!(hear(&mut socket).await, "LAST WORDS");
    server.begin_shutdown();
    // The plugin hears that nothing more comes, and so ends.
    assert_eq!(end(&mut socket).await.0, CloseCode::Away);
    drop(socket);
    assert_eq!(server.ended().await.cut, 0);
}
