//! The metadata of a GGUF file that is being put together.

use inferno_formats::gguf::{Array, Kind, Value};

use super::Error;

/// Keys and values in the order in which they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    entries: Vec<(String, Value)>,
    /// What somebody typed, which is set last.
    typed: Vec<(String, String)>,
}

impl Keys {
    pub(super) fn new(typed: &[(String, String)]) -> Self {
        Self { entries: Vec::new(), typed: typed.to_vec() }
    }

    /// Fails with `error`, which is about a key, unless that key was typed.
    pub(super) fn unless_typed(&self, key: &str, error: Error) -> Result<(), Error> {
        if self.typed.iter().any(|(typed, _)| typed == key) { Ok(()) } else { Err(error) }
    }

    pub(super) fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key, value)),
        }
    }

    pub(super) fn text(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.set(key, Value::Text(text.into()));
    }

    pub(super) fn count(&mut self, key: impl Into<String>, number: u32) {
        self.set(key, Value::U32(number));
    }

    pub(super) fn float(&mut self, key: impl Into<String>, number: f64) {
        self.set(key, Value::F32(number as f32));
    }

    pub(super) fn flag(&mut self, key: impl Into<String>, yes: bool) {
        self.set(key, Value::Bool(yes));
    }

    pub(super) fn texts<T: AsRef<[u8]>>(&mut self, key: &str, texts: impl IntoIterator<Item = T>) {
        self.set(key, Value::Array(Array::of_texts(texts)));
    }

    pub(super) fn extend(&mut self, other: Self) {
        for (key, value) in other.entries {
            self.set(key, value);
        }
    }

    /// All of it, with what was typed in its place.
    pub(super) fn finish(mut self) -> Result<Vec<(String, Value)>, Error> {
        for (key, text) in std::mem::take(&mut self.typed) {
            self.type_in(&key, &text)?;
        }
        Ok(self.entries)
    }

    /// Sets a key to what somebody typed. Where the key is there already the text must be of its kind; otherwise it is
    /// true or false, a number, or else a text.
    fn type_in(&mut self, key: &str, text: &str) -> Result<(), Error> {
        let known = self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let value = match known {
            Some(known) => typed(known, text).ok_or_else(|| {
                Error::new("--metadata", format!("{key} cannot be {text:?}, since it is {}", kind(known)))
            })?,
            None => guessed(text),
        };
        self.set(key, value);
        Ok(())
    }
}

fn typed(known: &Value, text: &str) -> Option<Value> {
    Some(match known {
        Value::U8(_) => Value::U8(text.parse().ok()?),
        Value::I8(_) => Value::I8(text.parse().ok()?),
        Value::U16(_) => Value::U16(text.parse().ok()?),
        Value::I16(_) => Value::I16(text.parse().ok()?),
        Value::U32(_) => Value::U32(text.parse().ok()?),
        Value::I32(_) => Value::I32(text.parse().ok()?),
        Value::U64(_) => Value::U64(text.parse().ok()?),
        Value::I64(_) => Value::I64(text.parse().ok()?),
        Value::F32(_) => Value::F32(text.parse().ok()?),
        Value::F64(_) => Value::F64(text.parse().ok()?),
        Value::Bool(_) => Value::Bool(text.parse().ok()?),
        Value::Text(_) => Value::Text(text.to_owned()),
        Value::Array(_) | Value::Skipped => return None,
    })
}

fn guessed(text: &str) -> Value {
    if let Ok(yes) = text.parse() {
        return Value::Bool(yes);
    }
    if let Ok(number) = text.parse() {
        return Value::U32(number);
    }
    if let Ok(number) = text.parse() {
        return Value::I32(number);
    }
    match text.parse::<f32>() {
        Ok(number) if number.is_finite() => Value::F32(number),
        _ => Value::Text(text.to_owned()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::F32(_) | Value::F64(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Text(_) | Value::Skipped => "a text",
        Value::Array(array) if array.kind == Kind::Text => "a list of texts",
        Value::Array(_) => "a list",
        _ => "a whole number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_has_the_kind_of_what_was_there() {
        let mut keys = Keys::default();
        keys.text("name", "a");
        keys.count("size", 1);
        keys.texts("list", ["x"]);
        keys.type_in("name", "12").unwrap();
        keys.type_in("size", "12").unwrap();
        for (key, text) in [
            ("new.flag", "true"),
            ("new.size", "7"),
            ("new.less", "-7"),
            ("new.part", "0.5"),
            ("new.text", "7b"),
        ] {
            keys.type_in(key, text).unwrap();
        }
        let error = keys.type_in("size", "many").unwrap_err();
        assert_eq!(error.to_string(), "--metadata: size cannot be \"many\", since it is a whole number");
        assert!(keys.type_in("list", "x").unwrap_err().message.contains("a list of texts"));
        let values: Vec<_> = keys.finish().unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values[..2], [Value::Text("12".to_owned()), Value::U32(12)]);
        let text = Value::Text("7b".to_owned());
        assert_eq!(values[3..], [Value::Bool(true), Value::U32(7), Value::I32(-7), Value::F32(0.5), text]);
    }
}
