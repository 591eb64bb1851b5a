//! Lines of a file, with a place to go on from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::string::FromUtf8Error;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// How much is read from the file at once.
const BUFFER: usize = 256 * 1024;
/// How much of what came before a place tells a file that has changed.
const TAIL: usize = 64;

/// Between two lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) byte: u64,
    /// How many lines came before.
    pub(super) line: u64,
    /// The digest of the last bytes before, which tells a file that has changed.
    before: String,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Text(String),
    /// Not of use; for people, why.
    Bad(String),
}

/// The lines of a file.
pub(super) struct Lines {
    file: BufReader<File>,
    byte: u64,
    line: u64,
    tail: Vec<u8>,
    longest: usize,
}

impl Lines {
    /// Opens a file and goes to a place in it. A file that is not what it was before that place is an error.
    pub(super) fn open(path: &Path, place: &Place, longest: usize) -> Result<Self, Error> {
        let failed = |error| Error::file("read", path, &error);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let start = place.byte.saturating_sub(TAIL as u64);
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut file = BufReader::with_capacity(BUFFER, file);
        let mut tail = Vec::new();
        file.by_ref().take(place.byte - start).read_to_end(&mut tail).map_err(failed)?;
        if place.byte > length || place.byte > 0 && digest(&tail) != place.before {
            return Err(Error::new(format!(
                "{} is not the file that it was when the run stopped",
                path.display()
            ))
            .hint("put the old one back, or begin again with `--fresh`"));
        }
        Ok(Self { file, byte: place.byte, line: place.line, tail, longest })
    }

    /// The next line. With `whole`, one without an end is not taken yet, since somebody may be writing it.
    pub(super) fn next(&mut self, whole: bool) -> io::Result<Option<Line>> {
        let limit = self.longest as u64 + 1;
        let line = self.line_of(limit)?;
        let taken = line.len() as u64;
        let ended = line.last() == Some(&b'\n');
        if whole && !ended && taken < limit {
            // In WASI a file that was once read to its end has no more, whatever comes, until somebody seeks in it.
            self.file.seek(SeekFrom::Start(self.byte))?;
            return Ok(None);
        }
        if taken == 0 {
            return Ok(None);
        }
        if !ended && taken == limit {
            return self.skip(&line).map(Some);
        }
        self.advance(&line);
        self.line += 1;
        let mut line = line;
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        let bad = |error: FromUtf8Error| Line::Bad(format!("it is no UTF-8 text: {}", error.utf8_error()));
        Ok(Some(String::from_utf8(line).map_or_else(bad, Line::Text)))
    }

    /// What there is up to the end of a line, at most so much. Unlike the standard library's own, which is made for processors
    /// that it knows, this looks at sixteen bytes at once in WebAssembly as well.
    fn line_of(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        while left > 0 {
            let buffer = match self.file.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            let buffer = &buffer[..buffer.len().min(left)];
            let end = memchr::memchr(b'\n', buffer).map(|at| at + 1);
            let taken = end.unwrap_or(buffer.len());
            line.extend_from_slice(&buffer[..taken]);
            self.file.consume(taken);
            left -= taken;
            if end.is_some() || taken == 0 {
                break;
            }
        }
        Ok(line)
    }

    /// Passes over the rest of a line that is too long to be held.
    fn skip(&mut self, begun: &[u8]) -> io::Result<Line> {
        self.advance(begun);
        loop {
            let chunk = self.line_of(BUFFER as u64)?;
            self.advance(&chunk);
            if matches!(chunk.last(), None | Some(&b'\n')) {
                break;
            }
        }
        self.line += 1;
        Ok(Line::Bad(format!("the line is longer than {} bytes", self.longest)))
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.byte += bytes.len() as u64;
        let kept = TAIL.saturating_sub(bytes.len());
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
    }

    /// The number of the line that was given last, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// How many bytes were taken.
    pub(super) fn byte(&self) -> u64 {
        self.byte
    }

    /// Behind the lines that were given.
    pub(super) fn place(&self) -> Place {
        Place { byte: self.byte, line: self.line, before: digest(&self.tail) }
    }
}

fn digest(tail: &[u8]) -> String {
    Sha256::digest(tail)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn all(lines: &mut Lines) -> Vec<Line> {
        std::iter::from_fn(|| lines.next(false).unwrap()).collect()
    }

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    #[test]
    fn lines_come_without_their_ends_and_bad_ones_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in");
        let long = "x".repeat(300_000);
        fs::write(&path, [b"\xef\xbb\xbfa\r\n\nb\xff\n", long.as_bytes(), b"\nlast"].concat()).unwrap();
        let mut lines = Lines::open(&path, &Place::default(), 10).unwrap();
        let Some(Line::Text(first)) = lines.next(false).unwrap() else { panic!() };
        assert_eq!(first, "a");
        let rest = all(&mut lines);
        assert_eq!(rest[0], text(""));
        assert!(matches!(&rest[1], Line::Bad(why) if why.starts_with("it is no UTF-8 text")), "{rest:?}");
        assert_eq!(rest[2], Line::Bad("the line is longer than 10 bytes".to_owned()));
        assert_eq!(rest[3..], [text("last")]);
        assert_eq!(lines.place().line, 5);
    }

    #[test]
    fn every_place_leads_on_to_the_same_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in");
        let text: String = (0..100).map(|n| format!("{}\n", "y".repeat(n * 7 % 150))).collect();
        fs::write(&path, text).unwrap();
        let mut lines = Lines::open(&path, &Place::default(), 120).unwrap();
        while let Some(line) = {
            let mut again = Lines::open(&path, &lines.place(), 120).unwrap();
            let next = lines.next(false).unwrap();
            assert_eq!(again.next(false).unwrap(), next);
            assert_eq!(again.place(), lines.place());
            next
        } {
            drop(line);
        }
        assert_eq!(lines.place().line, 100);
    }

    #[test]
    fn a_file_that_has_changed_is_refused_and_one_that_grew_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in");
        fs::write(&path, "one\ntwo\n").unwrap();
        let mut lines = Lines::open(&path, &Place::default(), 100).unwrap();
        all(&mut lines);
        let place = lines.place();
        fs::write(&path, "one\ntwo\nthree").unwrap();
        let mut grown = Lines::open(&path, &place, 100).unwrap();
        assert_eq!(grown.next(true).unwrap(), None);
        assert_eq!(grown.next(false).unwrap(), Some(text("three")));
        for changed in ["one\nTwo\nthree", "one"] {
            fs::write(&path, changed).unwrap();
            let error = Lines::open(&path, &place, 100).err().unwrap();
            assert!(error.message.contains("is not the file that it was"), "{error}");
        }
    }
}
