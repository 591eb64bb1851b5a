//! Frames on their way to the host.

use std::io::Write;
use std::os::unix::net::UnixStream;

use crate::Error;
use crate::frames::{self, Frame};
use crate::worker::is_hang_up;

/// Collects frames, so that those of one step go out with one write.
pub(crate) struct Output {
    socket: UnixStream,
    bytes: Vec<u8>,
}

impl Output {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, bytes: Vec::new() }
    }

    /// Adds a frame to those that wait.
    pub(crate) fn add(&mut self, frame: &Frame) -> Result<(), Error> {
        frames::encode(frame, &mut self.bytes)
            .map_err(|error| Error::internal(format!("cannot tell the host: {error}")))
    }

    /// Writes what waits. False: the host has hung up.
    pub(crate) fn flush(&mut self) -> Result<bool, Error> {
        let written = self.socket.write_all(&self.bytes);
        self.bytes.clear();
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_hang_up(&error) => Ok(false),
            Err(error) => Err(Error::internal(format!("cannot write to the host: {error}"))),
        }
    }
}
