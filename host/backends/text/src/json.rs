//! The `tojson` filter of chat templates, which they expect to write JSON as Python's `json.dumps` does.

use std::fmt::Write;

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Deeper values come only from templates that mean harm.
const DEEPEST: usize = 100;

/// How to write.
struct Style {
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sorted: bool,
}

/// `tojson(value, ensure_ascii=false, indent=none, separators=none, sort_keys=false)`.
pub(crate) fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent = match options.get::<Option<Value>>("indent")? {
        Some(indent) if !indent.is_none() && !indent.is_undefined() => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(indent)?.min(16)),
        }),
        _ => None,
    };
    let (item, key) = match options.get::<Option<Vec<String>>>("separators")?.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(wrong("separators must be two texts")),
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let style = Style {
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        indent,
        item,
        key,
        sorted: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    style.value(value, 0, &mut out)?;
    Ok(out.into())
}

impl Style {
    fn value(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(wrong("the value is nested too deep"));
        }
        match value.kind() {
            ValueKind::None | ValueKind::Undefined => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => {
                let _ = write!(out, "{value}");
            }
            ValueKind::String => self.text(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                self.items(['[', ']'], value.try_iter()?, depth, out, |item, out| {
                    self.value(&item, depth + 1, out)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sorted {
                    keys.sort();
                }
                self.items(['{', '}'], keys, depth, out, |key, out| {
                    self.text(&key.to_string(), out);
                    out.push_str(&self.key);
                    self.value(&value.get_item(&key)?, depth + 1, out)
                })?;
            }
            other => return Err(wrong(format!("a value of type {other} has no JSON form"))),
        }
        Ok(())
    }

    fn items(
        &self,
        [open, close]: [char; 2],
        items: impl IntoIterator<Item = Value>,
        depth: usize,
        out: &mut String,
        mut write: impl FnMut(Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        out.push(open);
        let mut any = false;
        for item in items {
            if any {
                out.push_str(&self.item);
            }
            any = true;
            self.line(depth + 1, out);
            write(item, out)?;
        }
        if any {
            self.line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        out.push('"');
        for char in text.chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                // Private characters mark what must not be read as control tokens, and stay as they are.
                '\u{e000}'..='\u{f8ff}' => out.push(char),
                _ if char < ' ' || (self.ascii && !char.is_ascii()) || (self.ascii && char == '\u{7f}') => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                _ => out.push(char),
            }
        }
        out.push('"');
    }
}

fn wrong(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson: {}", detail.into()))
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    fn check(expression: &str, expect: &str) {
        let mut env = Environment::new();
        env.add_filter("tojson", super::tojson);
        let text = env.render_str(&format!("{{{{ {expression} }}}}"), context! {}).unwrap();
        assert_eq!(text, expect, "{expression}");
    }

    #[test]
    fn json_is_written_as_python_does() {
        check("{'a': [1, 2.5, true, none], 'b': {}} | tojson", r#"{"a": [1, 2.5, true, null], "b": {}}"#);
        check("'<é \"x\"\\n>' | tojson", r#""<é \"x\"\n>""#);
        check("'é🦊' | tojson(ensure_ascii=true)", r#""\u00e9\ud83e\udd8a""#);
        check("'\u{e001}é' | tojson(ensure_ascii=true)", "\"\u{e001}\\u00e9\"");
        check("[1, {'k': 'v'}] | tojson(separators=(',', ':'))", r#"[1,{"k":"v"}]"#);
        check("{'z': [1], 'a': []} | tojson(indent=2)", "{\n  \"z\": [\n    1\n  ],\n  \"a\": []\n}");
        check("{'z': 1, 'a': 2} | tojson(sort_keys=true)", r#"{"a": 2, "z": 1}"#);
    }

    #[test]
    fn nonsense_is_an_error() {
        let mut env = Environment::new();
        env.add_filter("tojson", super::tojson);
        for bad in [
            "{{ 1 | tojson(sepparators=1) }}",
            "{{ 1 | tojson(separators=['a']) }}",
            "{% set ns = namespace(x=[]) %}{% for i in range(200) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        ] {
            assert!(env.render_str(bad, context! {}).is_err(), "{bad}");
        }
    }
}
