//! One request over one connection of its own, to an address that was checked.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::Sent;
use super::network::{Network, shorter};
use crate::site::{Host, Target};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn send(
    network: &Network,
    target: &Target,
    addresses: &[IpAddr],
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    room: OwnedSemaphorePermit,
) -> Result<Sent, Error> {
    let options = options.unwrap_or_default();
    let connecting = shorter(network.connect, options.connect_timeout);
    let connect = async {
        http1::handshake(TokioIo::new(connect(network, target, addresses).await?)).await.map_err(Error::from)
    };
    let (mut sender, connection) =
        timeout(connecting, connect).await.map_err(|_| Error::ConnectionTimeout)??;
    let (parts, body) = request.into_parts();
    let body = match is_bare(&parts) {
        true => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        false => body,
    };
    let mut request = http::Request::from_parts(parts, body);
    // What goes over the wire names the path only; the host stands in a header.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let mut connection = Some(connection);
    let answered = async {
        let mut answer = pin!(sender.send_request(request));
        // The connection gets on only while it is polled.
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(Error::from));
            }
            let Some(open) = &mut connection else { return Poll::Pending };
            let ended = ready!(Pin::new(open).poll(cx));
            connection = None;
            // Many servers end a connection without a farewell; what counts is whether they have answered.
            match (answer.as_mut().poll(cx), ended) {
                (Poll::Ready(Ok(answer)), _) => Poll::Ready(Ok(answer)),
                (_, Err(error)) | (Poll::Ready(Err(error)), _) => Poll::Ready(Err(error.into())),
                (Poll::Pending, Ok(())) => Poll::Pending,
            }
        })
        .await
    };
    let first_byte = shorter(network.first_byte, options.first_byte_timeout);
    let answer = timeout(first_byte, answered).await.map_err(|_| Error::ConnectionReadTimeout)??;
    let answer = answer.map(|body| {
        let idle = shorter(network.idle, options.between_bytes_timeout);
        Bounded {
            body,
            left: network.response.0,
            limit: network.response.0,
            idle,
            alarm: Box::pin(tokio::time::sleep(idle)),
            _room: room,
        }
        .boxed_unsync()
    });
    let rest = async move {
        match connection {
            Some(connection) => connection.await.map_err(Error::from),
            None => Ok(()),
        }
    };
    Ok((answer, Box::new(rest)))
}

/// Whether a request has no body: WASI cannot say so, and many servers take none in pieces here.
pub(super) fn is_bare(parts: &http::request::Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) && !parts.headers.contains_key(CONTENT_LENGTH)
}

async fn connect(network: &Network, target: &Target, addresses: &[IpAddr]) -> Result<Box<dyn Stream>, Error> {
    let stream = reach(network, target, addresses).await?;
    if !target.tls {
        return Ok(Box::new(stream));
    }
    let name = match &target.host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
        Host::Address(address) => ServerName::from(*address),
    };
    let stream = TlsConnector::from(network.tls()?).connect(name, stream).await.map_err(|error| {
        let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match reason {
            Some(rustls::Error::InvalidCertificate(why)) => {
                tracing::debug!("{target}: its certificate was refused: {why:?}");
                Error::TlsCertificateError
            }
            _ => Error::Tls(error),
        }
    })?;
    Ok(Box::new(stream))
}

/// Connects to the first address that answers; each has its share of the time.
async fn reach(network: &Network, target: &Target, addresses: &[IpAddr]) -> Result<TcpStream, Error> {
    let share = network.connect.0 / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = Error::ConnectionTimeout;
    for address in addresses {
        match timeout(share, TcpStream::connect(SocketAddr::new(*address, target.port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Error::Connect(error),
            Err(_) => last = Error::ConnectionTimeout,
        }
    }
    Err(last)
}

/// The body of an answer, which may be neither endless nor slow.
struct Bounded {
    body: Incoming,
    left: u64,
    limit: u64,
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.alarm.as_mut().poll(cx));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        let idle = self.idle;
        self.alarm.as_mut().reset(Instant::now() + idle);
        let frame = match next {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(Error::HttpResponseBodySize(Some(self.limit))),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
