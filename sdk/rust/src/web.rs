//! HTTP requests to other machines. Needs the `http` grant for the scheme, the host and the port.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use inferno_sdk::{secrets, web};
//!
//! let request = web::Request::post("https://hooks.example.com/answers", r#"{"text":"done"}"#)
//!     .header("content-type", "application/json")
//!     .header("authorization", format!("Bearer {}", secrets::get("HOOK_TOKEN")?));
//! let mut response = web::send(request)?;
//! if response.status() == 200 {
//!     let body = response.read(64 * 1024)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It works in every role and waits: in an http plugin, the other tasks of the same request wait too. Redirects are
//! answers like any other; whoever follows one sends another request, and the host checks it like the first.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme, http_error_code,
};
use wasip2::io::streams::{InputStream, StreamError};

use crate::{Error, ErrorKind};

/// The most that the host takes or gives at once.
const PIECE: usize = 4 * 1024;
const CHUNK: u64 = 64 * 1024;

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

impl Request {
    /// A request with any method. `url` is whole, such as `https://api.example.com/v1/items?page=2`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// Asks for something.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Sends something.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", url) }
    }

    /// The same request with a header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request that waits no longer than this for the connection, for the answer to begin, and for each
    /// piece of it. By default the host says how long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// An answer, whose body is read as it arrives.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    url: String,
    // In this order, since what comes from something must be dropped before it.
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header, if it is there and is text. Names are equal in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The rest of the body. One of more than `limit` bytes is an error.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.read_chunk()? {
            if all.len() + chunk.len() > limit {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("the answer of {} is larger than {limit} bytes", self.url),
                ));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// The next part of the body as it arrives; `None` at its end.
    pub fn read_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.stream.blocking_read(CHUNK) {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(chunk)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    let code = http_error_code(&error).unwrap_or(ErrorCode::HttpResponseIncomplete);
                    return Err(failure(&self.url, &code));
                }
            }
        }
    }
}

/// Sends a request and waits until its answer begins.
pub fn send(request: Request) -> Result<Response, Error> {
    let Request { method, url, mut headers, body, timeout } = request;
    if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    let target = Target::of(&url)?;
    let wrong = |what: &str| {
        Error::new(ErrorKind::Invalid, format!("the request to {url} has {what} that HTTP does not allow"))
    };
    let fields = Fields::from_list(&headers).map_err(|_| wrong("a header"))?;
    let outgoing = OutgoingRequest::new(fields);
    outgoing.set_method(&method_of(&method)).map_err(|()| wrong("a method"))?;
    outgoing.set_scheme(Some(&target.scheme())).map_err(|()| wrong("a scheme"))?;
    outgoing.set_authority(Some(target.authority)).map_err(|()| wrong("a host"))?;
    outgoing.set_path_with_query(Some(&target.path)).map_err(|()| wrong("a path"))?;
    let options = RequestOptions::new();
    let nanos = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    for set in [
        RequestOptions::set_connect_timeout,
        RequestOptions::set_first_byte_timeout,
        RequestOptions::set_between_bytes_timeout,
    ] {
        // A host that does not know a timeout has one of its own.
        let _unknown = set(&options, nanos);
    }
    let failed = |code: ErrorCode| failure(&url, &code);
    let broken = || Error::new(ErrorKind::Internal, format!("the host gave up the request to {url}"));
    let contents = outgoing.body().map_err(|()| broken())?;
    let coming = outgoing_handler::handle(outgoing, Some(options)).map_err(failed)?;
    // If nobody takes the body, the answer says why.
    let sent = write(contents, &body);
    coming.subscribe().block();
    let response = coming.get().ok_or_else(broken)?.map_err(|()| broken())?.map_err(failed)?;
    sent.map_err(failed)?;
    let incoming = response.consume().map_err(|()| broken())?;
    let stream = incoming.stream().map_err(|()| broken())?;
    let (status, headers) = (response.status(), response.headers().entries());
    Ok(Response { status, headers, url, stream, _body: incoming, _response: response })
}

fn write(contents: OutgoingBody, body: &[u8]) -> Result<(), ErrorCode> {
    {
        let Ok(stream) = contents.write() else { return Ok(()) };
        for piece in body.chunks(PIECE) {
            // Whoever closes it early has an answer ready.
            if stream.blocking_write_and_flush(piece).is_err() {
                return Ok(());
            }
        }
    }
    OutgoingBody::finish(contents, None)
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    tls: bool,
    authority: &'a str,
    /// With the query.
    path: String,
}

impl<'a> Target<'a> {
    fn of(url: &'a str) -> Result<Self, Error> {
        let wrong = || {
            Error::new(ErrorKind::Invalid, format!("{url:?} is no address of the web"))
                .with_hint("Write all of it, such as https://api.example.com/v1/items.")
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        // What follows a number sign is for whoever reads the answer.
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return Err(wrong());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, authority, path })
    }

    fn scheme(&self) -> Scheme {
        if self.tls { Scheme::Https } else { Scheme::Http }
    }
}

/// What went wrong, in words.
fn failure(url: &str, code: &ErrorCode) -> Error {
    use ErrorCode as E;
    let (kind, what) = match code {
        E::HttpRequestDenied => {
            let what = "was not granted; the host's log has the line that would grant it";
            (ErrorKind::Denied, what.to_owned())
        }
        E::DestinationIpProhibited => {
            let what = "leads to an address that is not of the open network; the host's log says more";
            (ErrorKind::Denied, what.to_owned())
        }
        E::DnsTimeout
        | E::ConnectionTimeout
        | E::ConnectionReadTimeout
        | E::ConnectionWriteTimeout
        | E::HttpResponseTimeout => (ErrorKind::Timeout, "took too long".to_owned()),
        E::DnsError(_) | E::DestinationNotFound => {
            (ErrorKind::Unavailable, "failed: its host has no address".to_owned())
        }
        E::ConnectionRefused => (ErrorKind::Unavailable, "failed: nobody listens there".to_owned()),
        E::DestinationUnavailable
        | E::DestinationIpUnroutable
        | E::ConnectionTerminated
        | E::HttpResponseIncomplete => {
            (ErrorKind::Unavailable, "failed: the connection broke off".to_owned())
        }
        E::HttpProtocolError => (ErrorKind::Unavailable, "failed: what came back was not HTTP".to_owned()),
        E::ConnectionLimitReached => {
            (ErrorKind::Exhausted, "would be one too many at the same time".to_owned())
        }
        E::HttpRequestMethodInvalid | E::HttpRequestUriInvalid | E::HttpRequestUriTooLong => {
            (ErrorKind::Invalid, "has a method or address that the host does not send".to_owned())
        }
        E::InternalError(Some(why)) => (ErrorKind::Internal, format!("failed: {why}")),
        other => {
            let name = format!("{other:?}");
            (ErrorKind::Internal, format!("failed: {}", name.trim_start_matches("ErrorCode::")))
        }
    };
    Error::new(kind, format!("the request to {url} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let check = |url: &str, tls: bool, authority: &str, path: &str| {
            assert_eq!(Target::of(url), Ok(Target { tls, authority, path: path.to_owned() }), "{url}");
        };
        check("https://api.example.com", true, "api.example.com", "/");
        check("http://localhost:8080/a/b?c=d/e#f", false, "localhost:8080", "/a/b?c=d/e");
        check("https://[::1]:1?q", true, "[::1]:1", "/?q");
        for url in ["", "example.com", "//example.com", "ftp://example.com", "https:///x", "https://a@b/"] {
            let error = Target::of(url).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{url}");
        }
    }

    #[test]
    fn failures_are_told_in_words() {
        let error = |code: ErrorCode| failure("https://x/", &code);
        assert_eq!(error(ErrorCode::HttpRequestDenied).kind, ErrorKind::Denied);
        assert_eq!(
            error(ErrorCode::ConnectionReadTimeout).to_string(),
            "the request to https://x/ took too long"
        );
        assert_eq!(
            error(ErrorCode::LoopDetected).to_string(),
            "the request to https://x/ failed: LoopDetected"
        );
    }
}
