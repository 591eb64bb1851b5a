//! Finds the values of a JSON text without taking it apart, so that all but what changes stays byte by byte.
//!
//! It takes every JSON text as any parser does, and some that is none: whoever reads it next refuses that.

use std::borrow::Cow;
use std::ops::Range;

/// As deep as the readers go that come after it.
const DEPTH: usize = 128;

/// A step on the way to a value. Keys are as they are written, without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Key(&'a str),
    Index(usize),
}

/// A value that is no object and no array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string, with its quotes.
    Text(Range<usize>),
    /// A number, `true`, `false` or `null`.
    Other(Range<usize>),
}

/// The text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Hands over each value with the way to it, in order.
pub(crate) fn walk<'a>(
    json: &'a str,
    mut visit: impl FnMut(&[Part<'a>], Value) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut walk = Walk { json, at: 0, path: Vec::with_capacity(8), visit: &mut visit };
    walk.value()?;
    walk.space();
    if walk.at == json.len() { Ok(()) } else { Err(Malformed) }
}

/// What a string says; `quoted` is as it is written.
pub(crate) fn decode(quoted: &str) -> Result<Cow<'_, str>, Malformed> {
    if quoted.contains('\\') {
        return serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| Malformed);
    }
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(Cow::Borrowed).ok_or(Malformed)
}

/// How `text` is written in the place of a string that was written as `quoted`, of whose characters it is made.
pub(crate) fn encode(text: &str, quoted: &str) -> String {
    if quoted.contains('\\') { serde_json::Value::from(text).to_string() } else { format!("\"{text}\"") }
}

/// The text with other strings, as they are written, in the place of what is there; they are in order.
pub(crate) fn replace(json: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    let mut done = 0;
    for (range, text) in edits {
        out.push_str(&json[done..range.start]);
        out.push_str(text);
        done = range.end;
    }
    out.push_str(&json[done..]);
    out
}

struct Walk<'a, 'v, V> {
    json: &'a str,
    at: usize,
    path: Vec<Part<'a>>,
    visit: &'v mut V,
}

impl<'a, V: FnMut(&[Part<'a>], Value) -> Result<(), Malformed>> Walk<'a, '_, V> {
    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.space();
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(Malformed)
    }

    fn value(&mut self) -> Result<(), Malformed> {
        self.space();
        match self.peek().ok_or(Malformed)? {
            b'{' => self.many(b'}', |walk, _| {
                walk.space();
                let key = walk.string()?;
                walk.expect(b':')?;
                Ok(Part::Key(&walk.json[key.start + 1..key.end - 1]))
            }),
            b'[' => self.many(b']', |_, index| Ok(Part::Index(index))),
            b'"' => {
                let range = self.string()?;
                (self.visit)(&self.path, Value::Text(range))
            }
            _ => {
                let rest = &self.json.as_bytes()[self.at..];
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let length = rest.iter().take_while(|byte| word(byte)).count();
                if length == 0 {
                    return Err(Malformed);
                }
                self.at += length;
                (self.visit)(&self.path, Value::Other(self.at - length..self.at))
            }
        }
    }

    /// The members of an object or the elements of an array.
    fn many(
        &mut self,
        end: u8,
        mut part: impl FnMut(&mut Self, usize) -> Result<Part<'a>, Malformed>,
    ) -> Result<(), Malformed> {
        if self.path.len() == DEPTH {
            return Err(Malformed);
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            let part = part(self, index)?;
            self.path.push(part);
            self.value()?;
            self.path.pop();
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => break,
                _ => return Err(Malformed),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<Range<usize>, Malformed> {
        let from = self.at;
        self.expect(b'"')?;
        let next = |character, from| Some(from + self.json.get(from..)?.find(character)?);
        let mut quote = next('"', self.at).ok_or(Malformed)?;
        while let Some(backslash) = self.json.get(self.at..quote).ok_or(Malformed)?.find('\\') {
            self.at += backslash + 2;
            if self.at > quote {
                quote = next('"', self.at).ok_or(Malformed)?;
            }
        }
        self.at = quote + 1;
        Ok(from..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(json: &str) -> Result<Vec<(String, String)>, Malformed> {
        let mut all = Vec::new();
        walk(json, |path, value| {
            let name: Vec<String> = path
                .iter()
                .map(|part| match part {
                    Part::Key(key) => (*key).to_owned(),
                    Part::Index(index) => index.to_string(),
                })
                .collect();
            let (Value::Text(range) | Value::Other(range)) = value;
            all.push((name.join("."), json[range].to_owned()));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn each_value_comes_with_the_way_to_it() {
        let json = r#" { "a" : [ 1, "x\"\\", {"b\"":null}, [], {} ], "c":{"d":-1.5e+3 , "e": true} } "#;
        let expect = [
            ("a.0", "1"),
            ("a.1", r#""x\"\\""#),
            (r#"a.2.b\""#, "null"),
            ("c.d", "-1.5e+3"),
            ("c.e", "true"),
        ];
        let values = values(json).unwrap();
        let values: Vec<_> = values.iter().map(|(path, value)| (&**path, &**value)).collect();
        assert_eq!(values, expect);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for json in [
            "",
            "{",
            "[1",
            "{\"a\"}",
            "{\"a\":}",
            "[1 2]",
            "\"a",
            "\"a\\",
            "\"\\é\"",
            "1 2",
            "{1:2}",
            "[,]",
            "{\"a\":1,}",
        ] {
            assert_eq!(values(json), Err(Malformed), "{json}");
        }
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(values(&nested(DEPTH)).is_ok());
        assert_eq!(values(&nested(DEPTH + 1)), Err(Malformed));
        assert_eq!(decode(r#""\ud800""#), Err(Malformed));
    }

    #[test]
    fn strings_are_replaced_in_place() {
        assert_eq!(decode(r#""a\u0040\n""#).unwrap(), "a@\n");
        assert_eq!(encode("a@\n", r#""a\u0040\n""#), r#""a@\n""#);
        assert_eq!(encode("é[x]", "\"é@\""), "\"é[x]\"");
        let edits = [(6..9, "\"x\"".to_owned()), (16..19, "\"\"".to_owned())];
        assert_eq!(replace(r#"{"a": "b" , "c":"d"}"#, &edits), r#"{"a": "x" , "c":""}"#);
    }
}
