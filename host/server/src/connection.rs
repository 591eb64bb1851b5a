//! One client's connection, from its first byte to a close that does not tear the last answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::io::Impatient;
use crate::refusal::Refusal;
use crate::request_id::{self, RequestId};
use crate::service::{Peer, Service};
use crate::websocket;

/// What hyper reads of a head before it answers 431 by itself, without a body; [`crate::Config::max_header_bytes`]
/// and [`crate::Config::max_uri_bytes`] lie below and are answered in full.
const READ_BUFFER: usize = 128 * 1024;

/// How long a client may take to notice that an answer ended the connection, and how much it may still send.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_IN_ALL: Duration = Duration::from_secs(5);

/// Serves requests until the client leaves, a limit is broken or, once `drain` is cancelled, the current one is over.
pub(crate) async fn serve(stream: TcpStream, service: Arc<Service>, drain: CancellationToken) {
    // Tokens are small and must not wait for one another.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let config = &service.config;
    let peer = Arc::new(Peer::new(stream.peer_addr().ok().map(|address| address.ip())));
    let _present = service.figures.connection();
    let io = TokioIo::new(Impatient::new(stream, config.write_timeout));
    let shared = (Arc::clone(&service), Arc::clone(&peer));
    let answer = service_fn(move |request| {
        let (service, peer) = shared.clone();
        Box::pin(async move { Ok::<_, Infallible>(service.answer(request, &peer).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(READ_BUFFER)
        .serve_connection(io, answer);
    let mut draining = pin!(drain.cancelled());
    let mut told = false;
    let end = poll_fn(|cx| {
        if !told && draining.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await;
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    if let Some(upgrade) = peer.take_upgrade().filter(|_| end.is_ok()) {
        let _present = service.figures.socket();
        let around = (config, &*service.figures);
        let span = upgrade.entry.span.clone();
        let relay = websocket::relay(io, parts.read_buf.clone(), upgrade, around, &drain);
        match Box::pin(relay.instrument(span)).await {
            Some(left) => io = left,
            None => return,
        }
    }
    let mut stream = io.into_inner();
    if let Err(error) = end {
        tracing::debug!(%error, "a connection ended early");
        if error.is_timeout() && !parts.read_buf.is_empty() {
            let late = format!("the head of the request did not arrive within {:?}", config.header_timeout);
            write_refusal(&mut stream, Refusal::slow(late)).await;
        }
    }
    tokio::select! {
        () = linger(stream) => {}
        () = drain.cancelled() => {}
    }
}

/// Tells a client that there is no room for it.
pub(crate) async fn refuse(mut stream: TcpStream, max_connections: usize) {
    write_refusal(&mut stream, Refusal::overloaded(max_connections)).await;
    linger(stream).await;
}

/// Writes an answer where no HTTP machinery is at hand.
async fn write_refusal(stream: &mut TcpStream, refusal: Refusal) {
    let id = RequestId::new();
    let mut answer: Response<Full<_>> = refusal.render(None, &id);
    let Ok(body) = answer.body_mut().collect().await.map(|body| body.to_bytes());
    let headers = answer.headers_mut();
    headers.insert(request_id::HEADER, id.value().clone());
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    // A client that does not take one small packet has left.
    let _ = timeout(LINGER, stream.write_all(&bytes)).await;
}

/// Closes so that the client can read the last answer: closing a socket with unread bytes would make the system send
/// a reset, which discards what the client has not yet read. So what it still sends is read and thrown away for a
/// while.
async fn linger(mut stream: TcpStream) {
    let drain = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = timeout(LINGER, stream.read(&mut buffer)).await {
            if read? == 0 {
                break;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let _ = timeout(LINGER_IN_ALL, drain).await;
}
