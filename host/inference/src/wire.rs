//! Frames on a worker's socket.

use std::io;

use inferno_backend::{
    Error, LoadOptions, Work,
    frames::{self, Frame, FrameError, Load},
};
use inferno_models::Model;
use tokio::{io::AsyncReadExt, net::unix::OwnedReadHalf};

/// What one read takes in at most, unless a single frame is longer: thousands of tokens.
const CHUNK: usize = 64 << 10;

/// The host's reading end. Its buffer grows with what has come, never with what a length promises.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Wire {
    pub(crate) fn new(socket: OwnedReadHalf) -> Self {
        Self { socket, buffer: vec![0; CHUNK], begin: 0, end: 0 }
    }

    /// Reads what is there, or waits for something; false at the end.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let count = self.socket.read(&mut self.buffer[self.end..]).await?;
        self.end += count;
        Ok(count > 0)
    }

    /// The next frame of what was read.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        Ok(frames::decode(&self.buffer[self.begin..self.end])?.map(|(frame, taken)| {
            self.begin += taken;
            frame
        }))
    }

    /// The next frame; nothing at the end.
    pub(crate) async fn wait(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.next()? {
                return Ok(Some(frame));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }
}

/// The first thing that a worker is told.
pub(crate) fn load(model: &Model, options: LoadOptions) -> Result<Vec<u8>, Error> {
    encode(&Frame::Load(Load { backend: None, format: model.format.to_string(), options }))
}

pub(crate) fn submit(id: u64, work: Work) -> Result<Vec<u8>, Error> {
    encode(&Frame::Submit { id, work })
}

pub(crate) fn cancel(id: u64) -> Result<Vec<u8>, Error> {
    encode(&Frame::Cancel { id })
}

fn encode(frame: &Frame) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match frames::encode(frame, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(FrameError::Length(length)) => Err(Error::invalid(format!(
            "the request takes {length} bytes, but a worker takes at most {}",
            frames::MAX_PAYLOAD
        ))),
        Err(error) => Err(Error::internal(format!("the request could not be put into a frame: {error}"))),
    }
}
