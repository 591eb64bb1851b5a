//! The only code that reads: nothing gets past the end, and nothing is allocated before it is known to be there.

use std::io::{self, BufRead, BufReader, Read, Seek};

use super::{Fault, GgufError};

/// Vocabularies are hundreds of thousands of short strings, so their lengths come from a buffer.
const BUFFER: usize = 64 * 1024;

pub(super) struct Cursor<R> {
    reader: BufReader<R>,
    at: u64,
    size: u64,
}

impl<R: Read + Seek> Cursor<R> {
    pub(super) fn new(reader: R, size: u64) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER, reader), at: 0, size }
    }

    /// Bytes read or skipped so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes from here to the end of the file.
    pub(super) fn left(&self) -> u64 {
        self.size - self.at
    }

    /// An error unless `bytes` more are there.
    pub(super) fn need(&self, bytes: u64, what: &str) -> Result<(), GgufError> {
        if bytes <= self.left() {
            return Ok(());
        }
        Err(GgufError::new(
            Fault::Truncated,
            self.at,
            format!("{what} needs {bytes} bytes, but only {} are left of {}", self.left(), self.size),
        ))
    }

    /// A count of things that take at least `each` bytes apiece, of which `most` are allowed.
    pub(super) fn count(&mut self, what: &str, each: u64, most: u64) -> Result<u64, GgufError> {
        let offset = self.at;
        let count = self.u64(what)?;
        self.check_count(offset, what, count, each, most)?;
        Ok(count)
    }

    /// Holds a count against the cap and against what is left.
    pub(super) fn check_count(
        &self,
        offset: u64,
        what: &str,
        count: u64,
        each: u64,
        most: u64,
    ) -> Result<(), GgufError> {
        if count > most {
            let message = format!("{what} is {count}, but at most {most} are allowed");
            return Err(GgufError::new(Fault::Excessive, offset, message));
        }
        let least = count.saturating_mul(each);
        if least > self.left() {
            let message = format!(
                "{what} is {count}, which takes at least {least} bytes, but only {} are left of {}",
                self.left(),
                self.size
            );
            return Err(GgufError::new(Fault::Truncated, offset, message));
        }
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A string of at most `most` bytes, which need not be UTF-8.
    pub(super) fn string(&mut self, what: &str, most: u64) -> Result<Vec<u8>, GgufError> {
        let offset = self.at;
        let length = self.string_length(what)?;
        if length > most {
            let message = format!("{what} has {length} bytes, but at most {most} are allowed");
            return Err(GgufError::new(Fault::Excessive, offset, message));
        }
        // Both checks are behind us: this allocates at most `most` bytes, and all of them are in the file.
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn skip_string(&mut self, what: &str) -> Result<(), GgufError> {
        let length = self.string_length(what)?;
        self.skip(length, what)
    }

    /// Skips many strings. Those that lie in the buffer are walked over without a call for each.
    pub(super) fn skip_strings(&mut self, count: u64, what: &str) -> Result<(), GgufError> {
        let mut to_go = count;
        while to_go > 0 {
            // A reader may have more than the size that it was said to have.
            let inside = usize::try_from(self.left()).unwrap_or(usize::MAX);
            let buffered = self.reader.buffer();
            let (strings, bytes) = walk(&buffered[..buffered.len().min(inside)], to_go);
            self.reader.consume(bytes);
            self.at += bytes as u64;
            to_go -= strings;
            if to_go > 0 {
                self.skip_string(what)?;
                to_go -= 1;
            }
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, bytes: u64, what: &str) -> Result<(), GgufError> {
        self.need(bytes, what)?;
        let step = i64::try_from(bytes).map_err(|_| {
            GgufError::new(Fault::Excessive, self.at, format!("{what} has {bytes} bytes, beyond every file"))
        })?;
        self.reader.seek_relative(step).map_err(|error| self.unreadable(&error, what))?;
        self.at += bytes;
        Ok(())
    }

    fn string_length(&mut self, what: &str) -> Result<u64, GgufError> {
        let offset = self.at;
        let length = self.u64(what)?;
        self.need(length, what).map_err(|error| GgufError { offset, ..error })?;
        Ok(length)
    }

    /// Fills `bytes`.
    pub(super) fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<(), GgufError> {
        self.need(bytes.len() as u64, what)?;
        self.reader.read_exact(bytes).map_err(|error| self.unreadable(&error, what))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn unreadable(&self, error: &io::Error, what: &str) -> GgufError {
        let fault = match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Truncated,
            _ => Fault::Unreadable,
        };
        GgufError::new(fault, self.at, format!("{what} could not be read: {error}"))
    }
}

/// How many whole strings, at most `most`, `buffer` begins with, and how many bytes they take.
fn walk(buffer: &[u8], most: u64) -> (u64, usize) {
    let mut rest = buffer;
    let mut strings = 0;
    while strings < most
        && let Some((length, after)) = rest.split_first_chunk::<8>()
        && let Some(after) =
            usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| after.get(length..))
    {
        rest = after;
        strings += 1;
    }
    (strings, buffer.len() - rest.len())
}
