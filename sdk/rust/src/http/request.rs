use std::fmt;

use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::bindings::wasi::http::types as wit;
use crate::bindings::wit_future;

/// An HTTP method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are their names")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other, in its own spelling.
    Other(String),
}

impl Method {
    /// As in the request line, such as `GET`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(name) => name,
        }
    }
}

impl From<wit::Method> for Method {
    fn from(method: wit::Method) -> Self {
        match method {
            wit::Method::Get => Self::Get,
            wit::Method::Head => Self::Head,
            wit::Method::Post => Self::Post,
            wit::Method::Put => Self::Put,
            wit::Method::Delete => Self::Delete,
            wit::Method::Connect => Self::Connect,
            wit::Method::Options => Self::Options,
            wit::Method::Trace => Self::Trace,
            wit::Method::Patch => Self::Patch,
            wit::Method::Other(name) => Self::Other(name),
        }
    }
}

/// A request's headers.
#[derive(Debug)]
pub struct Headers(HeaderSource);

#[derive(Debug)]
enum HeaderSource {
    Host(wit::Fields),
    Own(Vec<(String, Vec<u8>)>),
}

impl Headers {
    /// The first value of a header, if it is there and is text. Names are equal in any case.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            HeaderSource::Host(fields) => fields.get(name).into_iter().next()?,
            HeaderSource::Own(all) => all.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?.1.clone(),
        };
        String::from_utf8(value).ok()
    }

    /// All names and values, as they came.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        match &self.0 {
            HeaderSource::Host(fields) => fields.copy_all(),
            HeaderSource::Own(all) => all.clone(),
        }
    }
}

/// Why a request's body could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the limit, in bytes, where the host says it.
    TooLarge(Option<u64>),
    /// The client was too slow.
    Timeout,
    /// The connection ended early, or what came was not HTTP.
    Broken(String),
}

impl BodyError {
    /// The status that says so: 413, 408 or 400.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge(_) => 413,
            Self::Timeout => 408,
            Self::Broken(_) => 400,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(Some(limit)) => {
                write!(f, "the request's body is larger than the limit of {limit} bytes")
            }
            Self::TooLarge(None) => f.write_str("the request's body is too large"),
            Self::Timeout => f.write_str("the request's body did not arrive in time"),
            Self::Broken(why) => write!(f, "the request's body broke off: {why}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<wit::ErrorCode> for BodyError {
    fn from(code: wit::ErrorCode) -> Self {
        match code {
            wit::ErrorCode::HttpRequestBodySize(limit) => Self::TooLarge(limit),
            wit::ErrorCode::ConnectionTimeout | wit::ErrorCode::ConnectionReadTimeout => Self::Timeout,
            wit::ErrorCode::InternalError(Some(why)) => Self::Broken(why),
            other => Self::Broken(other.to_string()),
        }
    }
}

enum Body {
    Own(Vec<u8>),
    Unread(wit::Request),
    Reading(StreamReader<u8>, FutureReader<Result<Option<wit::Fields>, wit::ErrorCode>>),
    Done,
}

/// A request to answer.
pub struct Request {
    method: Method,
    target: String,
    headers: Headers,
    body: Body,
}

impl Request {
    /// A request without headers and body, for tests. `target` is the path and, after `?`, the query.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        let headers = Headers(HeaderSource::Own(Vec::new()));
        Self { method, target: target.into(), headers, body: Body::Done }
    }

    /// The same request with a header, for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let mut all = self.headers.all();
        all.push((name.into(), value.into()));
        self.headers = Headers(HeaderSource::Own(all));
        self
    }

    /// The same request with a body, for tests.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Own(body.into());
        self
    }

    pub(super) fn from_host(request: wit::Request) -> Self {
        Self {
            method: request.get_method().into(),
            target: request.get_path_with_query().unwrap_or_default(),
            headers: Headers(HeaderSource::Host(request.get_headers())),
            body: Body::Unread(request),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The whole path, that of the mount included, without the query. Percent signs are as the client sent them.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// What follows `?`, as the client sent it.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The whole body, or [`BodyError::TooLarge`] as soon as more than `limit` bytes are announced or arrive.
    pub async fn read_body(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if let Body::Own(bytes) = &mut self.body {
            let bytes = std::mem::take(bytes);
            return if bytes.len() > limit { Err(too_large(limit)) } else { Ok(bytes) };
        }
        let announced = self.headers.get("content-length").and_then(|text| text.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let mut bytes = Vec::with_capacity(announced.unwrap_or(FIRST_READ));
        // What was announced is all that comes, so there is no need to wait for the end to be told.
        while announced.is_none_or(|length| bytes.len() < length) && self.read_into(&mut bytes).await? {
            if bytes.len() > limit {
                return Err(too_large(limit));
            }
        }
        self.body = Body::Done;
        Ok(bytes)
    }

    /// The next part of the body as it arrives; `None` at its end.
    pub async fn read_chunk(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        if let Body::Own(bytes) = &mut self.body {
            let bytes = std::mem::take(bytes);
            self.body = Body::Done;
            return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
        }
        let mut bytes = Vec::with_capacity(CHUNK);
        Ok(self.read_into(&mut bytes).await?.then_some(bytes))
    }

    /// Appends what has arrived; false at the end.
    async fn read_into(&mut self, bytes: &mut Vec<u8>) -> Result<bool, BodyError> {
        if let Body::Unread(_) = self.body
            && let Body::Unread(request) = std::mem::replace(&mut self.body, Body::Done)
        {
            let (_writer, no_objection) = wit_future::new(|| Ok(()));
            let (stream, end) = wit::Request::consume_body(request, no_objection);
            self.body = Body::Reading(stream, end);
        }
        let Body::Reading(stream, _) = &mut self.body else { return Ok(false) };
        loop {
            if bytes.len() == bytes.capacity() {
                bytes.reserve(bytes.len().max(FIRST_READ));
            }
            let (result, filled) = stream.read(std::mem::take(bytes)).await;
            *bytes = filled;
            match result {
                StreamResult::Complete(0) => {}
                StreamResult::Complete(_) => return Ok(true),
                StreamResult::Dropped | StreamResult::Cancelled => break,
            }
        }
        if let Body::Reading(_, end) = std::mem::replace(&mut self.body, Body::Done) {
            end.await?;
        }
        Ok(false)
    }
}

/// Room for the first read where the client announces no length.
const FIRST_READ: usize = 4 * 1024;
/// Room for a part of a body that is read part by part.
const CHUNK: usize = 64 * 1024;

fn too_large(limit: usize) -> BodyError {
    BodyError::TooLarge(u64::try_from(limit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::now;

    #[test]
    fn the_target_splits_at_the_first_question_mark() {
        let request = Request::new(Method::Get, "/v1/models/a%2Fb?x=1?y");
        assert_eq!((request.path(), request.query()), ("/v1/models/a%2Fb", Some("x=1?y")));
        let request = Request::new(Method::Get, "/v1");
        assert_eq!((request.path(), request.query()), ("/v1", None));
    }

    #[test]
    fn header_names_are_equal_in_any_case() {
        let request =
            Request::new(Method::Get, "/").with_header("X-Request-Id", "7").with_header("bad", [0xff]);
        assert_eq!(request.headers().get("x-request-id").as_deref(), Some("7"));
        assert_eq!(request.headers().get("bad"), None);
        assert_eq!(request.headers().get("missing"), None);
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        let request = || Request::new(Method::Post, "/").with_body("12345");
        assert_eq!(now(request().read_body(5)).unwrap(), b"12345");
        let error = now(request().read_body(4)).unwrap_err();
        assert_eq!((error.status(), &error), (413, &BodyError::TooLarge(Some(4))));
        assert_eq!(now(request().read_chunk()).unwrap().as_deref(), Some(&b"12345"[..]));
        assert_eq!(now(Request::new(Method::Get, "/").read_body(0)).unwrap(), b"");
    }

    #[test]
    fn what_the_host_enforced_keeps_its_status() {
        let status = |code: wit::ErrorCode| BodyError::from(code).status();
        assert_eq!(status(wit::ErrorCode::HttpRequestBodySize(Some(8))), 413);
        assert_eq!(status(wit::ErrorCode::ConnectionReadTimeout), 408);
        assert_eq!(status(wit::ErrorCode::ConnectionTerminated), 400);
    }
}
