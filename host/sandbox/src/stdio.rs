//! The standard streams of a plugin: what one that serves prints goes to the log, line by line; what a command prints
//! goes where this process prints, and is counted.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use serde_json::json;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::capability::log::{Level, write_line};
use crate::meter::{Meter, Reached};
use crate::state::Actor;
use crate::tape::{Output, Tape};

/// A line longer than this is broken.
const MAX_LINE: usize = 4096;

#[derive(Clone)]
pub(crate) struct LogStream {
    actor: Arc<Actor>,
    meter: Arc<Meter>,
    tape: Tape,
    name: &'static str,
}

impl LogStream {
    pub(crate) fn new(actor: Arc<Actor>, meter: Arc<Meter>, tape: Tape, name: &'static str) -> Self {
        Self { actor, meter, tape, name }
    }

    fn lines(&self) -> Lines {
        Lines { stream: self.clone(), line: Vec::new() }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }
}

/// Gathers bytes until a line is whole.
struct Lines {
    stream: LogStream,
    line: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = MAX_LINE - self.line.len();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len()).min(room);
            self.line.extend_from_slice(&bytes[..taken]);
            let whole = end == Some(taken);
            bytes = &bytes[taken + usize::from(whole)..];
            if whole || self.line.len() == MAX_LINE {
                self.write();
            }
        }
    }

    fn write(&mut self) {
        if !self.line.is_empty() {
            // A stream has no good way to end a call.
            if let Err(reached) = self.stream.meter.log_line() {
                self.stream.meter.doom(&reached);
                self.line.clear();
                return;
            }
            let text = String::from_utf8_lossy(&self.line);
            let told = || json!({ "stream": self.stream.name, "line": text });
            self.stream.tape.instant("wasi:cli/print", told, || ());
            write_line(&self.stream.actor, Level::Info, &text, &[("stream", self.stream.name)]);
            self.line.clear();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.write();
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE)
    }
}

/// A stream of this process, for a command: what goes through it counts as given back.
#[derive(Clone)]
pub(crate) struct Counted<S> {
    stream: Arc<S>,
    count: Count,
}

/// What all who write to a stream share.
#[derive(Clone)]
struct Count {
    meter: Arc<Meter>,
    tape: Option<Arc<Mutex<Output>>>,
}

impl<S> Counted<S> {
    pub(crate) fn new(stream: S, (meter, tape): (Arc<Meter>, Option<Output>)) -> Self {
        let count = Count { meter, tape: tape.map(|tape| Arc::new(Mutex::new(tape))) };
        Self { stream: Arc::new(stream), count }
    }
}

impl Count {
    fn take(&self, bytes: &[u8]) -> Result<(), Reached> {
        if let Some(tape) = &self.tape {
            tape.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
        }
        self.meter.give_back(bytes.len())
    }
}

impl<S: IsTerminal> IsTerminal for Counted<S> {
    fn is_terminal(&self) -> bool {
        self.stream.is_terminal()
    }
}

impl<S: StdoutStream + Sync + 'static> StdoutStream for Counted<S> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(CountedWrite { inner: Box::into_pin(self.stream.async_stream()), count: self.count.clone() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(CountedOutput { inner: self.stream.p2_stream(), count: self.count.clone() })
    }
}

struct CountedWrite {
    inner: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    count: Count,
}

impl AsyncWrite for CountedWrite {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(self.inner.as_mut().poll_write(cx, bytes))?;
        if let Err(reached) = self.count.take(&bytes[..written]) {
            self.count.meter.doom(&reached);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_shutdown(cx)
    }
}

struct CountedOutput {
    inner: Box<dyn OutputStream>,
    count: Count,
}

#[wasmtime_wasi::async_trait]
impl Pollable for CountedOutput {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for CountedOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count.take(&bytes).map_err(|reached| StreamError::Trap(reached.into()))?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
