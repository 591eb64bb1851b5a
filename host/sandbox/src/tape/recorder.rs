//! Writes a tape, line by line as things happen, so that nothing of it waits in memory.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::lines::{Call, Done, End, Head, Line, Part};
use super::reader::MAX_LINE;
use crate::error::{Error, ErrorKind};

pub(super) struct Recorder {
    path: PathBuf,
    tape: Mutex<Writing>,
}

struct Writing {
    /// None: the last line has been written.
    file: Option<BufWriter<std::fs::File>>,
    calls: u64,
}

impl Recorder {
    /// Begins a tape in a file that is not there yet.
    pub(super) fn create(path: &Path, head: &Head) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            let failed = failed(path, &error);
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    failed.with_hint("a tape is never written over: remove the file, or name another")
                }
                _ => failed,
            }
        })?;
        let tape = Writing { file: Some(BufWriter::new(file)), calls: 0 };
        let recorder = Self { path: path.to_owned(), tape: Mutex::new(tape) };
        recorder.write(&mut recorder.lock(), &Line::Tape(head.clone()))?;
        Ok(recorder)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Writing> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of the call.
    pub(super) fn begin(&self, name: &str, args: Value) -> Result<u64, Error> {
        let mut tape = self.lock();
        tape.calls += 1;
        let number = tape.calls;
        self.write(&mut tape, &Line::Call(Call { number, name: name.to_owned(), args }))?;
        Ok(number)
    }

    pub(super) fn part(&self, number: u64, value: Value) -> Result<(), Error> {
        self.write(&mut self.lock(), &Line::Part(Part { number, value }))
    }

    pub(super) fn done(&self, number: u64, result: Value, note: Value) -> Result<(), Error> {
        self.write(&mut self.lock(), &Line::Done(Done { number, result, note }))
    }

    /// The last line. What comes later belongs to nobody's run.
    pub(super) fn end(&self, outcome: Value) -> Result<u64, Error> {
        let mut tape = self.lock();
        let calls = tape.calls;
        self.write(&mut tape, &Line::End(End { calls, outcome }))?;
        if let Some(file) = tape.file.take() {
            let synced =
                file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
            synced.map_err(|error| failed(&self.path, &error))?;
        }
        Ok(calls)
    }

    fn write(&self, tape: &mut Writing, line: &Line) -> Result<(), Error> {
        let Some(file) = &mut tape.file else { return Ok(()) };
        let mut text = serde_json::to_string(line).map_err(|error| failed(&self.path, &error.into()))?;
        if text.len() as u64 >= MAX_LINE {
            let what =
                format!("a call hands over more than the {MAX_LINE} bytes that a line of a tape may have");
            return Err(failed(&self.path, &io::Error::other(what)));
        }
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Tape, format!("cannot write the tape {}: {error}", path.display()))
}
