//! What a command prints, as calls: one for each line, however it was cut on its way.

use serde_json::json;

use super::Tape;
use super::lines::Bytes;

/// A longer line is cut.
const MAX_LINE: usize = 4096;

/// A standard stream of a command whose run is on tape.
pub(crate) struct Output {
    tape: Tape,
    name: &'static str,
    line: Vec<u8>,
}

impl Output {
    pub(crate) fn new(tape: Tape, name: &'static str) -> Self {
        Self { tape, name, line: Vec::new() }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut piece = piece;
            while !piece.is_empty() {
                let (now, later) = piece.split_at(piece.len().min(MAX_LINE - self.line.len()));
                self.line.extend_from_slice(now);
                piece = later;
                if self.line.len() == MAX_LINE || self.line.ends_with(b"\n") {
                    self.write();
                }
            }
        }
    }

    fn write(&mut self) {
        let line = Bytes(std::mem::take(&mut self.line));
        self.tape.instant(self.name, || json!({ "line": line }), || ());
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.write();
        }
    }
}
