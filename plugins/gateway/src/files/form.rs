//! Forms (`multipart/form-data`, RFC 7578), part by part as they come: of what is sent, no more than a chunk is in memory.

use std::borrow::Cow;

use inferno_sdk::http::{BodyError, Request};
use memchr::memmem;

use crate::error::ApiError;

/// The longest head of a part.
const MAX_HEAD: usize = 8 * 1024;
/// The longest boundary that the standard allows.
const MAX_BOUNDARY: usize = 70;
/// More parts than this are no form.
const MAX_PARTS: usize = 100;

/// Where the bytes come from.
pub(super) trait Source {
    /// The next of them; none at the end.
    async fn more(&mut self) -> Result<Option<Vec<u8>>, BodyError>;
}

impl Source for Request {
    async fn more(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        self.read_chunk().await
    }
}

/// A form that is being read.
pub(super) struct Form<S> {
    source: S,
    /// A line break, two hyphens and the boundary.
    delimiter: Vec<u8>,
    /// What came and was not taken.
    buffer: Vec<u8>,
    parts: usize,
    /// Whether the data of a part is not taken to its end.
    within: bool,
}

/// What a part says about itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
}

impl<S: Source> Form<S> {
    /// A form with this `content-type`.
    pub(super) fn new(content_type: Option<&str>, source: S) -> Result<Self, ApiError> {
        let boundary = content_type.and_then(boundary).ok_or_else(|| {
            ApiError::form("send it as multipart/form-data, with a boundary in the header content-type.")
        })?;
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first delimiter may stand at the very beginning.
        Ok(Self { source, delimiter, buffer: b"\r\n".to_vec(), parts: 0, within: true })
    }

    /// The next part; what is left of the one before is passed over.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, ApiError> {
        while self.within {
            self.data().await?;
        }
        self.until(2).await?;
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(ApiError::form(format_args!("it has more than {MAX_PARTS} parts.")));
        }
        let head = self.head().await?;
        self.within = true;
        Ok(Some(part(&head)?))
    }

    /// More of the data of a part; none at its end.
    pub(super) async fn data(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        while self.within {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.buffer.drain(..at).collect()));
                }
                self.buffer.drain(..self.delimiter.len());
                self.within = false;
                break;
            }
            // What may be the beginning of the delimiter stays.
            let sure = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
            if sure > 0 {
                return Ok(Some(self.buffer.drain(..sure).collect()));
            }
            self.fill().await?;
        }
        Ok(None)
    }

    /// All of a part that is short.
    pub(super) async fn text(&mut self, part: &Part, longest: usize) -> Result<String, ApiError> {
        let mut all = Vec::new();
        while let Some(data) = self.data().await? {
            all.extend(data);
            if all.len() > longest {
                return Err(ApiError::value(&part.name, format_args!("it is longer than {longest} bytes.")));
            }
        }
        String::from_utf8(all).map_err(|_| ApiError::value(&part.name, "it is not UTF-8."))
    }

    /// The lines between a delimiter and the data.
    async fn head(&mut self) -> Result<Vec<u8>, ApiError> {
        loop {
            // The line of the delimiter itself ends where the head begins, which may be empty.
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer[..end].to_vec();
                self.buffer.drain(..end + 4);
                return Ok(head);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(ApiError::form(format_args!(
                    "the head of a part is longer than {MAX_HEAD} bytes."
                )));
            }
            self.fill().await?;
        }
    }

    async fn until(&mut self, length: usize) -> Result<(), ApiError> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), ApiError> {
        match self.source.more().await? {
            Some(bytes) => {
                self.buffer.extend(bytes);
                Ok(())
            }
            None => Err(ApiError::form("it ends before its last boundary.")),
        }
    }
}

/// The boundary that a `content-type` names.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?.into_owned();
    (1..=MAX_BOUNDARY).contains(&boundary.len()).then_some(boundary)
}

/// The value of a parameter among `; name=value; name="value"`.
fn parameter<'a>(mut text: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    loop {
        text = text.trim_start_matches([';', ' ', '\t']);
        let (name, rest) = text.split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(';').unwrap_or(rest.len());
                (Cow::Borrowed(rest[..end].trim()), &rest[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = rest;
    }
}

/// What stands in quotes, and what follows them. As browsers write it, a quote in it is `%22` or follows a backslash.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (value, rest) = (&text[..end], &text[end + 1..]);
    let plain = if value.contains(['\\', '%']) {
        Cow::Owned(value.replace("\\\"", "\"").replace("%22", "\""))
    } else {
        Cow::Borrowed(value)
    };
    Some((plain, rest))
}

/// What the head of a part says.
fn part(head: &[u8]) -> Result<Part, ApiError> {
    let head = std::str::from_utf8(head).map_err(|_| ApiError::form("the head of a part is not UTF-8."))?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    });
    let parameters = disposition.and_then(|value| Some(value.split_once(';')?.1));
    let name = parameters.and_then(|text| parameter(text, "name"));
    let name = name.ok_or_else(|| ApiError::form("a part has no name in its content-disposition."))?;
    let filename = parameters.and_then(|text| parameter(text, "filename"));
    Ok(Part { name: name.into_owned(), filename: filename.map(Cow::into_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{now, refused};

    /// Bytes that come so many at once.
    struct Chunks<'a>(std::slice::Chunks<'a, u8>);

    impl Source for Chunks<'_> {
        async fn more(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
            Ok(self.0.next().map(<[u8]>::to_vec))
        }
    }

    fn read(body: &[u8], at_once: usize) -> Result<Vec<(Part, Vec<u8>)>, ApiError> {
        let mut form = Form::new(Some("multipart/form-data; boundary=xYz"), Chunks(body.chunks(at_once)))?;
        let mut parts = Vec::new();
        while let Some(part) = now(form.next())? {
            let mut all = Vec::new();
            while let Some(data) = now(form.data())? {
                all.extend(data);
            }
            parts.push((part, all));
        }
        Ok(parts)
    }

    const BODY: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --xYz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".jsonl\"\r\n\
        Content-Type: text/plain\r\n\r\n{}\r\n--xY\r\n-\r\r\n\r\n--xYz  \r\n\
        Content-Disposition: form-data; name=empty\r\n\r\n\r\n--xYz--\r\nafter";

    #[test]
    fn parts_are_the_same_however_they_are_cut() {
        for at_once in 1..BODY.len() {
            let parts = read(BODY, at_once).unwrap();
            let seen: Vec<(&str, Option<&str>, &[u8])> =
                parts.iter().map(|(part, data)| (&*part.name, part.filename.as_deref(), &**data)).collect();
            assert_eq!(
                seen,
                [
                    ("purpose", None, &b"batch"[..]),
                    ("file", Some("a \"b\".jsonl"), b"{}\r\n--xY\r\n-\r\r\n"),
                    ("empty", None, b""),
                ],
                "{at_once} at once"
            );
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let check = |body: &[u8], says| refused(read(body, 7), 400, "", "", says);
        check(b"", "ends before its last boundary");
        for length in 0..BODY.len() - "\r\nafter".len() {
            check(&BODY[..length], "ends before its last boundary");
        }
        check(b"--xYz\r\nContent-Type: text/plain\r\n\r\nx\r\n--xYz--", "no name");
        check(&[b"--xYz\r\n", &b"x".repeat(9000)[..]].concat(), "longer than 8192");
        let many = b"--xYz\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n".repeat(101);
        check(&many, "more than 100 parts");
        for kind in
            [None, Some("application/json"), Some("multipart/form-data"), Some("multipart/form-data; a=b")]
        {
            refused(Form::new(kind, Chunks(b"".chunks(1))), 400, "", "", "boundary");
        }
    }

    #[test]
    fn a_boundary_may_be_quoted() {
        let found = |text| boundary(text);
        assert_eq!(found("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(found("multipart/form-data;boundary=a-b; x=y").as_deref(), Some("a-b"));
        assert_eq!(found(&format!("multipart/form-data;boundary={}", "a".repeat(71))), None);
    }
}
