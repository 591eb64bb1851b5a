//! The beginning and the end of a server.

use std::time::Duration;

use inferno_server::{Config, Drained, Error, Server};
use inferno_store::Store;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::kit::{DropBell, Once, Stub, TestServer, head, text, within};

#[tokio::test]
async fn requests_in_flight_are_finished_and_new_ones_not_taken() {
    let (release, gate) = mpsc::channel::<()>(1);
    let (called, mut calls) = mpsc::channel(1);
    let gate = Once::new(gate);
    let mut server = TestServer::start(vec![Stub::new("/v1", move |_, _| {
        let (mut gate, called) = (gate.take(), called.clone());
        async move {
            called.send(()).await.unwrap();
            gate.recv().await;
            Ok(text("finished"))
        }
    })]);
    let mut idle = server.connect().await;
    idle.write(head("GET", "/health", &[])).await;
    idle.answer().await;
    let mut fresh = server.connect().await;
    let mut busy = server.connect().await;
    busy.write(head("GET", "/v1/x", &[])).await;
    within(calls.recv()).await.unwrap();

    server.begin_shutdown();
    assert_eq!(idle.rest().await, b"", "an idle connection is closed at once");
    assert_eq!(fresh.rest().await, b"", "and so is one that has sent nothing");
    let addr = server.addr;
    let refused = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
    release.send(()).await.unwrap();
    let answer = busy.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("finished", Some("close")));
    drop(busy);
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn requests_that_outlast_the_deadline_are_cut() {
    let (bell, rung) = DropBell::new();
    let (called, mut calls) = mpsc::channel(1);
    let bell = Once::new(bell);
    let config = Config { drain: Duration::from_millis(100), ..Config::default() };
    let stub = Stub::new("/v1", move |_, _| {
        let (bell, called) = (bell.take(), called.clone());
        async move {
            let _held = bell;
            called.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    let mut server = TestServer::with(config, vec![stub]);
    let mut client = server.connect().await;
    client.write(head("GET", "/v1/x", &[])).await;
    within(calls.recv()).await.unwrap();
    server.begin_shutdown();
    assert_eq!(server.ended().await, Drained { cut: 1 });
    within(rung).await.unwrap();
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_busy_address_is_named() {
    let server = TestServer::start(vec![Stub::says("/v1", "fine")]);
    let config = Config { addr: server.addr, ..Config::default() };
    let Err(error) = Server::bind(config, Vec::<Stub>::new(), Store::in_memory().unwrap()) else {
        panic!("two servers on one address");
    };
    assert!(matches!(error, Error::Busy { addr } if addr == server.addr), "{error}");
    assert!(error.to_string().contains(&server.addr.to_string()), "{error}");
}
