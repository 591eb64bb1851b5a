use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use wit_bindgen::StreamWriter;

use crate::bindings::wasi::http::types as wit;
use crate::bindings::{wit_future, wit_stream};

/// Why a streamed body ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The client has gone, so there is nobody to write for.
    Gone,
    /// The plugin cannot go on. The host breaks the connection, so that the client does not take the body for whole.
    Failed(String),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the client has gone"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Cut {}

/// So that `?` on a call of the host breaks the body off.
impl From<crate::Error> for Cut {
    fn from(error: crate::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Where a streamed body is written to.
pub struct BodyWriter(Sink);

enum Sink {
    Host(StreamWriter<u8>),
    Memory(Rc<RefCell<Vec<u8>>>),
}

impl BodyWriter {
    /// Sends the bytes and waits until they are taken, so that a slow reader slows the writer.
    /// `bytes` comes back empty and with its room, to be filled again.
    pub async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), Cut> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.0 {
            Sink::Host(stream) => {
                *bytes = stream.write_all(std::mem::take(bytes)).await;
                if bytes.is_empty() { Ok(()) } else { Err(Cut::Gone) }
            }
            Sink::Memory(all) => {
                all.borrow_mut().append(bytes);
                Ok(())
            }
        }
    }
}

type Written = Pin<Box<dyn Future<Output = Result<(), Cut>>>>;

enum Content {
    Bytes(Vec<u8>),
    Stream(Box<dyn FnOnce(BodyWriter) -> Written>),
}

impl Content {
    /// Takes the writer, so that the stream is closed before its end is told.
    async fn write_to(self, mut body: BodyWriter) -> Result<(), Cut> {
        match self {
            Self::Bytes(mut bytes) => body.write(&mut bytes).await,
            Self::Stream(write) => write(body).await,
        }
    }
}

/// An answer.
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    content: Content,
}

impl Response {
    /// An answer with a whole body, which may be empty.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(body.into()) }
    }

    /// An answer that is plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, text.into()).header("content-type", "text/plain; charset=utf-8")
    }

    /// An answer whose body `write` writes, after the handler has returned.
    ///
    /// `Ok` ends the body. `?` on [`BodyWriter::write`] stops when the client has gone; dropping what the closure
    /// owns, such as a [`Generation`](crate::inference::Generation), ends that work too.
    pub fn stream<F>(status: u16, write: F) -> Self
    where
        F: AsyncFnOnce(BodyWriter) -> Result<(), Cut> + 'static,
    {
        let write = |body| -> Written { Box::pin(async move { write(body).await }) };
        Self { status, headers: Vec::new(), content: Content::Stream(Box::new(write)) }
    }

    /// The same answer with a header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same answer with when to try again, in the whole seconds that HTTP knows: never too early.
    #[must_use]
    pub fn retry_after(self, wait: std::time::Duration) -> Self {
        self.header("retry-after", wait.as_millis().div_ceil(1000).max(1).to_string())
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header, if it is there and is text. Names are equal in any case.
    pub fn get_header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body, run in memory if it is streamed; for tests.
    pub async fn into_bytes(self) -> Result<Vec<u8>, Cut> {
        let all = Rc::new(RefCell::new(Vec::new()));
        self.content.write_to(BodyWriter(Sink::Memory(all.clone()))).await?;
        Ok(all.take())
    }

    pub(super) fn into_host(mut self) -> Result<wit::Response, wit::ErrorCode> {
        if let Content::Bytes(bytes) = &self.content
            && self.get_header("content-length").is_none()
        {
            self.headers.push(("content-length".to_owned(), bytes.len().to_string().into_bytes()));
        }
        let fault = |what: String| wit::ErrorCode::InternalError(Some(what));
        let headers = wit::Fields::from_list(&self.headers).map_err(|error| {
            fault(format!("the plugin's response has a header that HTTP does not allow: {error}"))
        })?;
        // What the host reads if the writing ends without a word, as when the client has gone.
        let (end, ended) = wit_future::new(|| {
            Err(wit::ErrorCode::InternalError(Some("the plugin gave up the body".to_owned())))
        });
        let contents = match self.content {
            Content::Bytes(bytes) if bytes.is_empty() => {
                super::spawn(async move {
                    let _gone = end.write(Ok(None)).await;
                });
                None
            }
            content => {
                let (stream, contents) = wit_stream::new();
                let body = BodyWriter(Sink::Host(stream));
                super::spawn(async move {
                    match content.write_to(body).await {
                        Ok(()) => drop(end.write(Ok(None)).await),
                        Err(Cut::Failed(why)) => {
                            drop(end.write(Err(wit::ErrorCode::InternalError(Some(why)))).await);
                        }
                        Err(Cut::Gone) => {}
                    }
                });
                Some(contents)
            }
        };
        let (response, _sent) = wit::Response::new(headers, contents, ended);
        response.set_status_code(self.status).map_err(|()| {
            fault(format!("the plugin's response has the status {}, which HTTP does not know", self.status))
        })?;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::now;

    #[test]
    fn a_streamed_body_runs_in_memory() {
        let response = Response::stream(200, async |mut body| {
            let mut bytes = Vec::with_capacity(64);
            for n in 0..3 {
                bytes.extend_from_slice(format!("{n};").as_bytes());
                body.write(&mut bytes).await?;
                assert!(bytes.is_empty());
            }
            Ok(())
        });
        assert_eq!(now(response.into_bytes()).unwrap(), b"0;1;2;");
    }

    #[test]
    fn a_body_that_fails_is_not_whole() {
        let response = Response::stream(200, async |_| Err(Cut::Failed("no more".to_owned())));
        assert_eq!(now(response.into_bytes()), Err(Cut::Failed("no more".to_owned())));
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let response = Response::text(404, "no").header("Retry-After", "3");
        assert_eq!((response.status(), response.get_header("retry-after")), (404, Some("3")));
        assert_eq!(now(response.into_bytes()).unwrap(), b"no");
        for (millis, seconds) in [(0, "1"), (20, "1"), (2000, "2"), (2300, "3")] {
            let response = Response::new(503, "").retry_after(std::time::Duration::from_millis(millis));
            assert_eq!(response.get_header("retry-after"), Some(seconds), "{millis} ms");
        }
    }
}
