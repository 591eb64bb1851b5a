//! Server-sent events, taken apart as they arrive.
//!
//! [`Events`] takes pieces of a stream, cut anywhere, and hands over each [`Event`] as soon as it is whole. An event
//! goes on byte by byte as it came, or with other data:
//!
//! ```
//! use inferno_sdk::Error;
//! use inferno_sdk::filter::sse::Events;
//!
//! # fn main() -> Result<(), Error> {
//! let mut events = Events::new();
//! let mut out = Vec::new();
//! for piece in ["id: 1\nda", "ta: bad\n\n: be", "at\n\ndata: good\n\n"] {
//!     events.push(piece.as_bytes(), |event| {
//!         match event.data().as_deref() {
//!             Some("bad") => event.write_with("better", &mut out),
//!             _ => out.extend_from_slice(event.raw()),
//!         }
//!         Ok(())
//!     })?;
//! }
//! events.finish(|event| Ok(out.extend_from_slice(event.raw())))?;
//! assert_eq!(out, b"id: 1\ndata: better\n\n: beat\n\ndata: good\n\n");
//! # Ok(())
//! # }
//! ```
//!
//! An event that is to be left out is not written, and one more is [`Event::new`].

use std::borrow::Cow;

use crate::{Error, ErrorKind};

/// The largest event that is waited for, unless [`Events::with_limit`] says otherwise.
const LIMIT: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What has arrived of a stream and is no whole event yet.
#[derive(Debug)]
pub struct Events {
    held: Vec<u8>,
    /// Where the first line of `held` begins that has not ended.
    line: usize,
    limit: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// The beginning of a stream. Events may have up to 1 MiB.
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    /// The beginning of a stream whose events may have up to `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), line: 0, limit }
    }

    /// Takes the next piece and hands over the events that are whole now: also those without data, such as comments,
    /// so that nothing is lost on the way. The first error of `each` ends it.
    pub fn push(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(Event<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut joined = std::mem::take(&mut self.held);
        let whole = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            &joined
        };
        let mut rest = whole;
        while let Some(end) = event_end(rest, &mut self.line) {
            let (event, after) = rest.split_at(end);
            each(Event { raw: Cow::Borrowed(event) })?;
            rest = after;
            self.line = 0;
        }
        if rest.len() > self.limit {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("an event of the stream is larger than {} bytes", self.limit),
            ));
        }
        self.held = if rest.len() == joined.len() { joined } else { rest.to_vec() };
        Ok(())
    }

    /// Takes the end of the stream. What arrived of an event that never became whole is handed over as one.
    pub fn finish(&mut self, mut each: impl FnMut(Event<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.line = 0;
        let rest = std::mem::take(&mut self.held);
        if rest.is_empty() { Ok(()) } else { each(Event { raw: Cow::Owned(rest) }) }
    }
}

/// Where the first event ends, the empty line after it included. `line` is where to begin, and is left at the last
/// line that has not ended.
fn event_end(bytes: &[u8], line: &mut usize) -> Option<usize> {
    loop {
        let from = bytes.get(*line..)?;
        let length = from.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let ending = match &from[length..] {
            [b'\r', b'\n', ..] => 2,
            // Whether a line feed follows is not known yet.
            [b'\r'] => return None,
            _ => 1,
        };
        let next = *line + length + ending;
        if length == 0 {
            return Some(next);
        }
        *line = next;
    }
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    raw: Cow<'a, [u8]>,
}

impl Event<'static> {
    /// An event that has nothing but data.
    pub fn new(data: &str) -> Self {
        let mut raw = Vec::with_capacity(data.len() + 8);
        write_data(data, true, b"\n", &mut raw);
        raw.extend_from_slice(b"\n\n");
        Self { raw: Cow::Owned(raw) }
    }
}

impl Event<'_> {
    /// The bytes as they came, with the empty line that ends it.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same event, to be kept.
    pub fn into_owned(self) -> Event<'static> {
        Event { raw: Cow::Owned(self.raw.into_owned()) }
    }

    /// Its data; several `data` lines are joined with line feeds. `None` if it has no such line, as a comment.
    pub fn data(&self) -> Option<Cow<'_, str>> {
        let mut lines = lines(&self.raw).filter_map(|(line, _)| value(line, "data"));
        let first = String::from_utf8_lossy(lines.next()?);
        Some(lines.fold(first, |mut all, line| {
            all.to_mut().push('\n');
            all.to_mut().push_str(&String::from_utf8_lossy(line));
            all
        }))
    }

    /// Its name, the value of the last `event` line.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        lines(&self.raw).filter_map(|(line, _)| value(line, "event")).last().map(String::from_utf8_lossy)
    }

    /// Writes it with other data and everything else, the spelling included, as it came.
    pub fn write_with(&self, data: &str, out: &mut Vec<u8>) {
        out.reserve(self.raw.len() + data.len());
        let mut written = false;
        if !lines(&self.raw).any(|(line, _)| value(line, "data").is_some()) {
            write_data(data, true, b"\n", out);
            out.push(b'\n');
            written = true;
        }
        for (line, ending) in lines(&self.raw) {
            if value(line, "data").is_none() {
                out.extend_from_slice(line);
            } else if written {
                continue;
            } else {
                if line.starts_with(BYTE_ORDER_MARK) {
                    out.extend_from_slice(BYTE_ORDER_MARK);
                }
                let spaced = line.contains(&b':').then(|| line.split(|byte| *byte == b':').nth(1));
                let spaced = spaced.flatten().is_none_or(|value| value.is_empty() || value[0] == b' ');
                write_data(data, spaced, if ending.is_empty() { b"\n" } else { ending }, out);
                written = true;
            }
            out.extend_from_slice(ending);
        }
    }
}

/// Writes data as lines; the last one does not end.
fn write_data(data: &str, spaced: bool, ending: &[u8], out: &mut Vec<u8>) {
    for (index, (line, _)) in lines(data.as_bytes()).chain(after_last(data)).enumerate() {
        if index > 0 {
            out.extend_from_slice(ending);
        }
        let prefix: &[u8] = if spaced || line.starts_with(b" ") { b"data: " } else { b"data:" };
        out.extend_from_slice(prefix);
        out.extend_from_slice(line);
    }
}

/// The empty line at the end of data that is empty or ends with a line break.
fn after_last(data: &str) -> Option<(&'static [u8], &'static [u8])> {
    (data.is_empty() || data.ends_with(['\n', '\r'])).then_some((b"", b""))
}

/// Lines and what ends them: a carriage return, a line feed, both, or the end of the bytes.
fn lines(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        let (ending, after) = rest.split_at(match rest {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        });
        bytes = after;
        Some((line, ending))
    })
}

/// The value of a line, if it is of that field.
fn value<'a>(line: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let rest = line.strip_prefix(field.as_bytes())?;
    match rest {
        [] => Some(rest),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The raw text and the data of each event, for a stream cut at these places.
    fn events(stream: &[u8], cuts: &[usize]) -> Vec<(String, Option<String>)> {
        let mut all = Vec::new();
        let mut events = Events::new();
        let mut each = |event: Event<'_>| {
            let raw = String::from_utf8(event.raw().to_vec()).unwrap();
            all.push((raw, event.data().map(Cow::into_owned)));
            Ok(())
        };
        let mut from = 0;
        for &cut in cuts {
            events.push(&stream[from..cut], &mut each).unwrap();
            from = cut;
        }
        events.push(&stream[from..], &mut each).unwrap();
        events.finish(&mut each).unwrap();
        all
    }

    const STREAM: &str = "data: {\"a\":1}\n\n: beat\n\nevent: x\r\ndata:one\r\ndata: two\r\nid: 7\r\n\r\ndata\r\rdata: [DONE]\n\ndata: tail";

    #[test]
    fn events_are_whole_however_the_stream_is_cut() {
        let whole = events(STREAM.as_bytes(), &[]);
        let data: Vec<_> = whole.iter().map(|(_, data)| data.as_deref()).collect();
        let expect = [Some("{\"a\":1}"), None, Some("one\ntwo"), Some(""), Some("[DONE]"), Some("tail")];
        assert_eq!(data, expect);
        assert_eq!(whole.iter().map(|(raw, _)| &**raw).collect::<String>(), STREAM);
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                assert_eq!(events(STREAM.as_bytes(), &[first, second]), whole, "cut at {first} and {second}");
            }
        }
        let each_byte: Vec<_> = (0..STREAM.len()).collect();
        assert_eq!(events(STREAM.as_bytes(), &each_byte), whole);
    }

    #[test]
    fn other_data_leaves_the_rest_as_it_is() {
        let check = |raw: &str, data: &str, expect: &str| {
            let mut out = Vec::new();
            Event { raw: Cow::Borrowed(raw.as_bytes()) }.write_with(data, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check("data: a\n\n", "b", "data: b\n\n");
        check("data:a\n\n", "b", "data:b\n\n");
        check("data:a\n\n", " b", "data:  b\n\n");
        check("data\n\n", "b", "data: b\n\n");
        check(
            "id: 1\r\ndata: a\r\n:c\r\ndata: b\r\n\r\n",
            "x\ny",
            "id: 1\r\ndata: x\r\ndata: y\r\n:c\r\n\r\n",
        );
        check("data: a", "b\nc", "data: b\ndata: c");
        check("data: a\n\n", "", "data: \n\n");
        check(": beat\n\n", "b", "data: b\n: beat\n\n");
        check("\u{feff}data: a\n\n", "b", "\u{feff}data: b\n\n");
        check("database: a\ndata: b\n\n", "c", "database: a\ndata: c\n\n");
    }

    #[test]
    fn a_new_event_is_read_as_it_was_written() {
        for data in ["a", "", "a\nb", " a", "a\n"] {
            let event = Event::new(data);
            let read = events(event.raw(), &[]);
            assert_eq!(read.len(), 1, "{data:?}");
            assert_eq!(read[0].1.as_deref(), Some(data));
        }
    }

    #[test]
    fn an_event_without_end_is_not_waited_for() {
        let mut events = Events::with_limit(8);
        events.push(b"data: ab", |_| Ok(())).unwrap();
        let error = events.push(b"c", |_| Ok(())).unwrap_err();
        assert!(error.message.contains("larger than 8 bytes"), "{error}");
    }

    #[test]
    fn the_name_is_that_of_the_last_line() {
        let event = Event { raw: Cow::Borrowed(b"event: a\nevent: b\ndata: x\n\n") };
        assert_eq!(event.name().as_deref(), Some("b"));
        assert_eq!(Event::new("x").name(), None);
    }
}
