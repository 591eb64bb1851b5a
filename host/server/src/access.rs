//! One log line for each request, written when its answer is over, however that came about, and what is counted of it.
//! The line has no header, no query and no body, so no secret can be in it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use inferno_sandbox::BodyError;

use tracing::Span;

use crate::figures::{Figures, Finished, Present};
use crate::request_id::RequestId;

/// What is known about a request so far. Dropping it writes the line.
pub(crate) struct Entry {
    method: Method,
    path: String,
    id: RequestId,
    started: Instant,
    figures: Arc<Figures>,
    _present: Present,
    /// For traces, if somebody makes them.
    pub(crate) span: Span,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<String>,
    /// The mount that it lies under.
    pub(crate) mount: Arc<str>,
    /// The plugin that it went to.
    pub(crate) plugin: Option<String>,
    /// Who it was for.
    pub(crate) tenant: Option<String>,
    /// None until there is an answer.
    status: Option<StatusCode>,
    /// How many bytes the answer has, where its head says so.
    length: Option<u64>,
    /// Bytes of the request's body.
    pub(crate) received: Arc<AtomicU64>,
    bytes: u64,
    complete: bool,
}

impl Entry {
    pub(crate) fn new<B>(request: &Request<B>, id: RequestId, figures: &Arc<Figures>) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            id,
            started: Instant::now(),
            _present: figures.request(),
            figures: Arc::clone(figures),
            span: Span::none(),
            trace: None,
            mount: Arc::default(),
            plugin: None,
            tenant: None,
            status: None,
            length: None,
            received: Arc::default(),
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

    /// For other lines about it.
    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Something of the answer is on its way.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The answer has ended, in order or not.
    pub(crate) fn ended(&mut self, complete: bool) {
        self.complete = complete;
    }

    /// Nobody asks a body for more than its length, so that its end is not seen.
    fn is_whole(&self) -> bool {
        self.length.is_some_and(|length| length <= self.bytes)
    }
}

impl Entry {
    fn tell_trace(&self, status: u16) {
        if self.span.is_disabled() {
            return;
        }
        self.span.record("http.response.status_code", status);
        self.span.record("http.response.body.size", self.bytes);
        if let Some(plugin) = &self.plugin {
            self.span.record("inferno.plugin", plugin.as_str());
        }
        if let Some(tenant) = &self.tenant {
            self.span.record("inferno.tenant", tenant.as_str());
        }
        if status >= 500 || !self.complete {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // As other servers write it: the client left before there was an answer.
        let status = self.status.map_or(499, |status| status.as_u16());
        let took = self.started.elapsed();
        tracing::info!(
            target: "inferno::access",
            request_id = self.id.as_str(),
            trace_id = self.trace.as_deref(),
            method = self.method.as_str(),
            path = self.path.as_str(),
            plugin = self.plugin.as_deref(),
            tenant = self.tenant.as_deref(),
            status,
            bytes = self.bytes,
            ms = took.as_secs_f64() * 1000.0,
            outcome = if self.complete { "complete" } else { "cut" },
        );
        self.tell_trace(status);
        self.figures.finished(Finished {
            method: &self.method,
            mount: Arc::clone(&self.mount),
            plugin: self.plugin.take(),
            tenant: self.tenant.take(),
            status,
            took,
            received: self.received.load(Relaxed),
            sent: self.bytes,
            complete: self.complete,
        });
    }
}

/// An answer's body that completes its request's entry.
pub(crate) struct Logged<B> {
    inner: B,
    /// None where the entry lives on beyond the answer.
    entry: Option<Entry>,
    failure: Option<BodyError>,
}

impl<B: Body> Logged<B> {
    pub(crate) fn new(inner: B, mut entry: Entry) -> Self {
        entry.complete |= inner.is_end_stream();
        Self { inner, entry: Some(entry), failure: None }
    }

    pub(crate) fn without_entry(inner: B) -> Self {
        Self { inner, entry: None, failure: None }
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
        let this = &mut *self;
        let span = this.entry.as_ref().map_or_else(Span::none, |entry| entry.span.clone());
        // The plugin has its turns in here.
        let _entered = span.enter();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        let Some(entry) = &mut this.entry else { return Poll::Ready(frame) };
        match frame {
            None => {
                entry.complete = true;
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                entry.sent(frame.data_ref().map_or(0, Bytes::len));
                entry.complete = this.inner.is_end_stream() || entry.is_whole();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                tracing::warn!(request_id = entry.id.as_str(), %error, "an answer ended in failure");
                // hyper closes at once on a failure; one round later, what came before it has been sent.
                this.failure = Some(error);
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
