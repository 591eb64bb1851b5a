//! Messages as lines of a body, and lines of a body as messages.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame};
use inferno_sandbox::BodyError;
use tokio::sync::mpsc;

/// Messages that wait for the plugin. The client is not read further until it has taken one.
const WAITING: usize = 4;

/// Where messages become lines.
pub(crate) type Said = mpsc::Sender<Bytes>;

/// What the plugin reads. It ends when the other end is dropped.
pub(crate) struct Lines(mpsc::Receiver<Bytes>);

/// A body and where its lines come from.
pub(crate) fn channel() -> (Said, Lines) {
    let (said, lines) = mpsc::channel(WAITING);
    (said, Lines(lines))
}

/// A message as a line; none if it cannot be one.
pub(super) fn line(message: &[u8]) -> Option<Bytes> {
    if message.contains(&b'\n') {
        return None;
    }
    let mut line = BytesMut::with_capacity(message.len() + 1);
    line.put_slice(message);
    line.put_u8(b'\n');
    Some(line.freeze())
}

impl Body for Lines {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

/// Cuts a body into lines.
#[derive(Default)]
pub(super) struct Cutter(BytesMut);

impl Cutter {
    /// Takes a piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// The next line, without its end.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let mut line = self.0.split_to(end + 1);
        line.truncate(end);
        Some(line.freeze())
    }

    /// Bytes of a line that has not ended.
    pub(super) fn held(&self) -> usize {
        self.0.len()
    }

    /// What comes after the last end of a line.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.0.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_wherever_its_pieces_end() {
        let mut cutter = Cutter::default();
        let mut lines = Vec::new();
        for piece in ["a", "b\n\nc", "", "d\ne"] {
            cutter.push(piece.as_bytes());
            lines.extend(std::iter::from_fn(|| cutter.next()));
        }
        assert_eq!(lines, ["ab", "", "cd"]);
        assert_eq!(cutter.held(), 1);
        assert_eq!(cutter.rest().unwrap(), "e");
    }

    #[test]
    fn a_message_with_a_line_break_is_none() {
        assert_eq!(line(b"{}").unwrap(), "{}\n");
        assert_eq!(line(b"").unwrap(), "\n");
        assert!(line(b"a\nb").is_none());
    }
}
