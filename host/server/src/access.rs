//! One log line for each request, written when its answer is over, however that came about. It has no header, no
//! query and no body, so no secret can be in it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use inferno_sandbox::BodyError;

use crate::request_id::RequestId;

/// What is known about a request so far. Dropping it writes the line.
pub(crate) struct Entry {
    method: Method,
    path: String,
    id: RequestId,
    started: Instant,
    /// The plugin that it went to.
    pub(crate) plugin: Option<String>,
    /// Who it was for.
    pub(crate) tenant: Option<String>,
    /// None until there is an answer.
    status: Option<StatusCode>,
    /// How many bytes the answer has, where its head says so.
    length: Option<u64>,
    bytes: u64,
    complete: bool,
}

impl Entry {
    pub(crate) fn new<B>(request: &Request<B>, id: RequestId) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            id,
            started: Instant::now(),
            plugin: None,
            tenant: None,
            status: None,
            length: None,
            bytes: 0,
            complete: false,
        }
    }

    /// There is an answer.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // These have no body, whatever is said about its length.
        let bare = self.method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.length = if bare { Some(0) } else { length };
        self.complete = self.is_whole();
    }

    /// Nobody asks a body for more than its length, so that its end is not seen.
    fn is_whole(&self) -> bool {
        self.length.is_some_and(|length| length <= self.bytes)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        tracing::info!(
            target: "inferno::access",
            request_id = self.id.as_str(),
            method = self.method.as_str(),
            path = self.path.as_str(),
            plugin = self.plugin.as_deref(),
            tenant = self.tenant.as_deref(),
            // As other servers write it: the client left before there was an answer.
            status = self.status.map_or(499, |status| status.as_u16()),
            bytes = self.bytes,
            ms = self.started.elapsed().as_secs_f64() * 1000.0,
            outcome = if self.complete { "complete" } else { "cut" },
        );
    }
}

/// An answer's body that completes its request's entry.
pub(crate) struct Logged<B> {
    inner: B,
    entry: Entry,
    failure: Option<BodyError>,
}

impl<B: Body> Logged<B> {
    pub(crate) fn new(inner: B, mut entry: Entry) -> Self {
        entry.complete |= inner.is_end_stream();
        Self { inner, entry, failure: None }
    }
}

impl<B> Body for Logged<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match frame {
            None => {
                self.entry.complete = true;
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                self.entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.entry.complete = self.inner.is_end_stream() || self.entry.is_whole();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                tracing::warn!(request_id = self.entry.id.as_str(), %error, "an answer ended in failure");
                // hyper closes at once on a failure; one round later, what came before it has been sent.
                self.failure = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
