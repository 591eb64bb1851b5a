//! What a job prints: one file for each time that it is run.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use inferno_sandbox::Writer;

/// The longest last line that is kept as the reason of a failure.
const MAX_REASON: usize = 500;

/// Where the files of a job are.
fn folder(data_dir: &Path, job: &str) -> PathBuf {
    data_dir.join("jobs").join(job)
}

/// The file of one run.
pub(crate) fn file(data_dir: &Path, job: &str, run: u32) -> PathBuf {
    folder(data_dir, job).join(format!("{run}.log"))
}

/// A file that takes so many bytes and no more.
pub(crate) struct Log(Arc<Mutex<Inner>>);

struct Inner {
    file: File,
    room: u64,
    /// The last line that was printed as an error.
    last: Vec<u8>,
    line: Vec<u8>,
}

impl Log {
    /// A new file, which only its owner may read.
    pub(crate) fn create(path: &Path, most: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let inner = Inner { file, room: most, last: Vec::new(), line: Vec::new() };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// For what the job has to say.
    pub(crate) fn stdout(&self) -> Writer {
        Writer::new(Stream { log: self.0.clone(), errors: false })
    }

    /// For what went wrong.
    pub(crate) fn stderr(&self) -> Writer {
        Writer::new(Stream { log: self.0.clone(), errors: true })
    }

    /// The last line that was printed as an error.
    pub(crate) fn last_error(&self) -> Option<String> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = if inner.line.is_empty() { &inner.last } else { &inner.line };
        let text = String::from_utf8_lossy(line).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

struct Stream {
    log: Arc<Mutex<Inner>>,
    errors: bool,
}

impl Inner {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.room == 0 {
            return Ok(());
        }
        let fits = bytes.len().min(usize::try_from(self.room).unwrap_or(usize::MAX));
        self.file.write_all(&bytes[..fits])?;
        self.room -= fits as u64;
        if self.room == 0 {
            self.file.write_all(b"\n(the rest was not kept: jobs.log_bytes)\n")?;
        }
        Ok(())
    }

    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.line.is_empty() => {}
                b'\n' => self.last = std::mem::take(&mut self.line),
                _ if self.line.len() < MAX_REASON => self.line.push(*byte),
                _ => {}
            }
        }
    }
}

impl Write for Stream {
    /// Takes everything: a job does not fail because it prints much.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        inner.put(bytes)?;
        if self.errors {
            inner.note(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }
}

/// Removes what was kept of a job, if anything was.
pub(crate) fn remove(data_dir: &Path, job: &str) {
    if let Err(error) = fs::remove_dir_all(folder(data_dir, job))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(job, %error, "what a job printed was not removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_takes_what_it_has_room_for_and_knows_the_last_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "job_1", 2);
        let log = Log::create(&path, 20).unwrap();
        let mut out = Stream { log: log.0.clone(), errors: false };
        let mut err = Stream { log: log.0.clone(), errors: true };
        assert_eq!(log.last_error(), None);
        out.write_all(b"one\n").unwrap();
        err.write_all(b"first\nno lu").unwrap();
        err.write_all(b"ck\n\n").unwrap();
        out.write_all(b"much more than there is room for\n").unwrap();
        err.write_all(b"unheard").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "one\nfirst\nno luck\n\nm\n(the rest was not kept: jobs.log_bytes)\n");
        assert_eq!(log.last_error().as_deref(), Some("unheard"), "even where it is not kept");
        remove(dir.path(), "job_1");
        remove(dir.path(), "job_1");
        assert!(!path.exists());
    }
}
