//! Pipeline files in YAML: read into the same tables as those in TOML, each value with its place.
//!
//! Of YAML this takes what has a meaning in a pipeline: mappings, lists and scalars of one document. What plain words mean
//! is as the core schema of YAML 1.2 has it: `no` and `1:30` are texts.

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::error::Error;

/// How deep values may lie in one another.
const DEEPEST: usize = 64;

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Error> {
    let mut reader = Reader { text, parser: Parser::new_from_str(text), bytes: bytes(text) };
    let value = reader.document()?;
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok(Spanned::new(span, table)),
        _ => Err(Error::new("the file has to be a mapping, with `source`, `step` and `sink` in it").at(span)),
    }
}

struct Reader<'i> {
    text: &'i str,
    parser: Parser<'i, StrInput<'i>>,
    /// Where each character begins, if not all are of one byte.
    bytes: Option<Vec<usize>>,
}

fn bytes(text: &str) -> Option<Vec<usize>> {
    let all = || text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
    (!text.is_ascii()).then(all)
}

impl<'i> Reader<'i> {
    fn byte(&self, marker: &Marker) -> usize {
        let byte = match &self.bytes {
            Some(bytes) => bytes.get(marker.index()).copied(),
            None => Some(marker.index()),
        };
        byte.unwrap_or(self.text.len()).min(self.text.len())
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(&span.start);
        start..self.byte(&span.end).max(start)
    }

    fn next(&mut self) -> Result<(Event<'i>, Range<usize>), Error> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.range(&span))),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
        }
    }

    fn broken(&self, error: &ScanError) -> Error {
        let at = self.byte(error.marker());
        Error::new(error.info()).at(at..at)
    }

    fn document(&mut self) -> Result<Spanned<DeValue<'i>>, Error> {
        let mut found = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                _ if found.is_some() => {
                    return Err(Error::new("the file has a second document")
                        .hint("write each pipeline into a file of its own")
                        .at(span));
                }
                event => found = Some(self.value(event, span, 0)?),
            }
        }
        // A file without anything in it says nothing of a pipeline, as in TOML.
        Ok(found.unwrap_or_else(|| Spanned::new(0..0, DeValue::Table(DeTable::new()))))
    }

    fn value(
        &mut self,
        event: Event<'i>,
        span: Range<usize>,
        depth: usize,
    ) -> Result<Spanned<DeValue<'i>>, Error> {
        if depth > DEEPEST {
            return Err(Error::new(format!("this lies in more than {DEEPEST} others")).at(span));
        }
        let value = match event {
            Event::Scalar(text, style, _, None) => scalar(text, style, &self.text[span.clone()], &span)?,
            Event::SequenceStart(_, None) => DeValue::Array(self.list(depth)?),
            Event::MappingStart(_, None) => DeValue::Table(self.mapping(depth)?),
            Event::Alias(_) => {
                return Err(Error::new("a pipeline file repeats nothing by its name")
                    .hint("write again what it stands for")
                    .at(span));
            }
            _ => return Err(Error::new("a pipeline file has no tags").hint("leave it out").at(span)),
        };
        Ok(Spanned::new(span, value))
    }

    fn list(&mut self, depth: usize) -> Result<DeArray<'i>, Error> {
        let mut list = DeArray::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(list);
            }
            list.push(self.value(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<DeTable<'i>, Error> {
        let mut table = DeTable::new();
        loop {
            let (event, span) = self.next()?;
            let key: DeString<'i> = match event {
                Event::MappingEnd => return Ok(table),
                Event::Scalar(key, _, _, None) => key,
                _ => return Err(Error::new("the name of a field has to be a text").at(span)),
            };
            if table.contains_key(key.as_ref()) {
                return Err(Error::new(format!("`{key}` is there twice")).at(span));
            }
            let (event, place) = self.next()?;
            let value = self.value(event, place, depth + 1).map_err(|error| match error.span {
                Some(Range { start, end }) if start == end && start >= span.end => {
                    Error { span: Some(span.clone()), ..error }
                }
                _ => error,
            })?;
            table.insert(Spanned::new(span, key), value);
        }
    }
}

/// What a scalar means; `raw` is how it stands in the file.
fn scalar<'i>(
    text: Cow<'i, str>,
    style: ScalarStyle,
    raw: &'i str,
    span: &Range<usize>,
) -> Result<DeValue<'i>, Error> {
    if style != ScalarStyle::Plain {
        return Ok(DeValue::String(text));
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => {
            return Err(Error::new("there is no value")
                .hint("leave the field out, or write \"\"")
                .at(span.clone()));
        }
        "true" | "True" | "TRUE" => return Ok(DeValue::Boolean(true)),
        "false" | "False" | "FALSE" => return Ok(DeValue::Boolean(false)),
        _ => {}
    }
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let based = ["0x", "0o"].iter().any(|base| text.starts_with(base));
    let number = text.chars().all(digits) && text.parse::<f64>().is_ok();
    if !(number || based) {
        return Ok(DeValue::String(text));
    }
    // What stands before it is the name of an anchor.
    let raw = raw.get(raw.len().saturating_sub(text.len())..).unwrap_or(raw);
    match DeValue::parse(raw).map(Spanned::into_inner) {
        Ok(value @ (DeValue::Integer(_) | DeValue::Float(_))) => Ok(value),
        // Such as 007, .5 or 0xno.
        _ => Err(Error::new(format!("{text} may be a number or a text"))
            .hint(format!("write a text as \"{text}\", and a number without zeros or points at its ends"))
            .at(span.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::table::Table;
    use super::*;

    fn read(text: &str) -> Result<Value, Error> {
        Table::from(parse(text)?).deserialize()
    }

    #[track_caller]
    fn wrong(text: &str, message: &str, at: &str) {
        let error = read(text).unwrap_err();
        assert_eq!((error.message.as_str(), &text[error.span.clone().unwrap()]), (message, at), "{error:?}");
    }

    #[test]
    fn words_mean_what_they_mean_in_yaml() {
        let text = "a: no\nb: true\nc: -12\nd: 1.5e3\ne: '7'\nf: 0x1F\ng: 1:30\nh: \"x\\ty\"\ni: 2024-01-31\nj: 1_000\n\
            k: |\n  two\n  lines\nl: [1, [x, {y: z}]]\nm: >-\n  one\n  line\nn: ä # with a note\n";
        assert_eq!(
            read(text).unwrap(),
            json!({ "a": "no", "b": true, "c": -12, "d": 1500.0, "e": "7", "f": 31, "g": "1:30", "h": "x\ty",
                "i": "2024-01-31", "j": "1_000", "k": "two\nlines\n", "l": [1, ["x", { "y": "z" }]], "m": "one line",
                "n": "ä" })
        );
        assert_eq!(read("").unwrap(), json!({}));
    }

    #[test]
    fn what_has_no_meaning_here_is_told_with_its_place() {
        wrong("ä: 1\nb: 007", "007 may be a number or a text", "007");
        wrong("a: 1\na: 2", "`a` is there twice", "a");
        wrong("a: &x 1\nb: *x", "a pipeline file repeats nothing by its name", "*x");
        wrong("a: 1\nb:\n", "there is no value", "b");
        wrong("a: !!int 1", "a pipeline file has no tags", "!!int 1");
        wrong("[a]: 1", "the name of a field has to be a text", "[");
        wrong("- a\n- b", "the file has to be a mapping, with `source`, `step` and `sink` in it", "");
        assert!(read("a: 1\n---\nb: 2").unwrap_err().message.contains("second document"));
        let error = read("a: [1, 2\nb: 3\n").unwrap_err();
        assert!(error.span.is_some(), "{error:?}");
        assert!(read(&format!("{}1", "- ".repeat(200))).is_err());
        let deep = format!("a: {}1{}", "[".repeat(90), "]".repeat(90));
        assert_eq!(read(&deep).unwrap_err().message, "this lies in more than 64 others");
    }
}
