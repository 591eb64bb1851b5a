//! The body of an answer, which drives the plugin that writes it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use crate::call::{Call, Turn};
use crate::error::{BodyError, Error, ErrorKind};

pub(super) struct Answer {
    plugin: String,
    body: WasiBody,
    /// Taken out when it is dropped.
    call: Option<Call>,
    /// The body has been read to its end.
    read: bool,
}

impl Answer {
    pub(super) fn new(body: WasiBody, call: Call, plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), body, call: Some(call), read: false }
    }

    fn turn(&self, cx: &mut Context<'_>) -> Turn {
        self.call.as_ref().map_or(Turn::Over(Ok(())), |call| call.turn(cx))
    }

    /// Hands on what came out of the body; at its end the plugin has the last word.
    fn pass(
        &mut self,
        next: Option<Result<Frame<Bytes>, WasiError>>,
        cx: &mut Context<'_>,
    ) -> Option<Result<Frame<Bytes>, BodyError>> {
        let end = match next {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                return Some(match self.call.as_ref().map_or(Ok(()), |call| call.give_back(bytes)) {
                    Ok(()) => Ok(frame),
                    Err(error) => {
                        self.read = true;
                        self.call = None;
                        Err(error.into())
                    }
                });
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        self.read = true;
        // A plugin that failed has dropped its end of the body, which looks like an end in order.
        let mut turn = self.turn(cx);
        if matches!(turn, Turn::Ends) {
            turn = self.turn(cx);
        }
        if let Turn::Over(Err(error)) = turn {
            return Some(Err(error.into()));
        }
        end.map(|error| {
            let message = format!("plugin \"{}\" broke off its answer: {error}", self.plugin);
            Err(Error::new(ErrorKind::Answer(502), message).into())
        })
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.read {
            return Poll::Ready(None);
        }
        loop {
            if let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) {
                return Poll::Ready(self.pass(next, cx));
            }
            match self.turn(cx) {
                Turn::Ends => {}
                Turn::Over(_) => return Poll::Pending,
                Turn::Waits => {
                    return match Pin::new(&mut self.body).poll_frame(cx) {
                        Poll::Ready(next) => Poll::Ready(self.pass(next, cx)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Before the plugin has ended it may still fail, and then the body must not look whole.
        self.read || self.body.is_end_stream() && self.call.as_ref().is_none_or(Call::ended_well)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some(call) = self.call.take().filter(|call| !call.ended_well()) else { return };
        // The answer is out, but the plugin may have something left to do, such as to count it. If the answer is not
        // out, nobody wants it any more, and the call ends here.
        let whole = self.read || self.body.is_end_stream() || self.body.size_hint().exact() == Some(0);
        if whole && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let plugin = std::mem::take(&mut self.plugin);
            runtime.spawn(async move {
                if let Err(error) = call.await {
                    tracing::warn!(plugin, "after its answer: {error}");
                }
            });
        }
    }
}
