//! Frames on their way to the host.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::frames::{self, Frame};
use crate::worker::is_hang_up;
use crate::{Error, Event};

/// How long text may wait for more of it. Each write wakes up the host, its plugin and the client; a model that takes
/// less than this for a token would spend a good part of its time on that.
const PACE: Duration = Duration::from_millis(1);

/// Collects frames, so that those of one step, and the text of a few quick ones, go out with one write.
pub(crate) struct Output {
    socket: UnixStream,
    bytes: Vec<u8>,
    /// Something other than text waits.
    urgent: bool,
    written: Instant,
}

impl Output {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, bytes: Vec::new(), urgent: false, written: Instant::now() }
    }

    /// Adds a frame to those that wait.
    pub(crate) fn add(&mut self, frame: &Frame) -> Result<(), Error> {
        self.urgent |= !matches!(frame, Frame::Event { event: Event::Text(_), .. });
        frames::encode(frame, &mut self.bytes)
            .map_err(|error| Error::internal(format!("cannot tell the host: {error}")))
    }

    /// Writes what waits, unless it is text that another step, which comes at once, may add to. False: the host has
    /// hung up.
    pub(crate) fn pace(&mut self) -> Result<bool, Error> {
        if !self.urgent && (self.bytes.is_empty() || self.written.elapsed() < PACE) {
            return Ok(true);
        }
        self.flush()
    }

    /// Writes what waits. False: the host has hung up.
    pub(crate) fn flush(&mut self) -> Result<bool, Error> {
        let written = self.socket.write_all(&self.bytes);
        self.bytes.clear();
        self.urgent = false;
        self.written = Instant::now();
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_hang_up(&error) => Ok(false),
            Err(error) => Err(Error::internal(format!("cannot write to the host: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finish, Usage};

    #[test]
    fn quick_text_waits_for_more_and_its_end_does_not() {
        let (socket, mut host) = UnixStream::pair().unwrap();
        host.set_nonblocking(true).unwrap();
        let mut waiting = || {
            let mut bytes = [0; 64];
            std::io::Read::read(&mut host, &mut bytes).is_ok()
        };
        let mut output = Output::new(socket);
        let text = Frame::Event { id: 1, event: Event::Text("a".into()) };
        output.written = Instant::now() + Duration::from_secs(60);
        output.add(&text).unwrap();
        assert!(output.pace().unwrap());
        assert!(!waiting(), "written a moment ago");

        output.written = Instant::now().checked_sub(PACE).unwrap();
        assert!(output.pace().unwrap());
        assert!(waiting(), "a slow model's text goes out at once");

        output.written = Instant::now() + Duration::from_secs(60);
        output.add(&text).unwrap();
        let event = Event::Done { finish: Finish::Stop, usage: Usage::default() };
        output.add(&Frame::Event { id: 1, event }).unwrap();
        assert!(output.pace().unwrap());
        assert!(waiting(), "whoever waits for the end waits no longer than needed");
    }
}
