//! Objects of JSON that are read key by key, each error with the file and the key.

use serde_json::{Map, Value};

use super::Error;

/// An object, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Object {
    file: String,
    /// What leads to it inside the file, with a dot at the end; empty for the file's own object.
    place: String,
    map: Map<String, Value>,
}

impl Object {
    pub(super) fn new(file: &str, value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Ok(Self { file: file.to_owned(), place: String::new(), map }),
            other => Err(Error::new(file, format!("it must be an object, but is {}", told(&other)))),
        }
    }

    /// One with nothing in it, for a file that is not there.
    pub(super) fn empty(file: &str) -> Self {
        Self { file: file.to_owned(), place: String::new(), map: Map::new() }
    }

    /// An error about a key.
    pub(super) fn wrong(&self, key: &str, message: impl AsRef<str>) -> Error {
        Error::new(&self.file, format!("{}{key} {}", self.place, message.as_ref()))
    }

    fn must(&self, key: &str, expected: &str, found: &Value) -> Error {
        self.wrong(key, format!("must be {expected}, but is {}", told(found)))
    }

    fn missing(&self, key: &str, expected: &str) -> Error {
        self.wrong(key, format!("is missing; it must be {expected}"))
    }

    /// What stands there, unless it is null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A whole number of at most 32 bits.
    pub(super) fn count(&self, key: &str) -> Result<Option<u32>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        // Some tools write whole numbers with a point.
        let whole = value.as_u64().or_else(|| {
            value
                .as_f64()
                .filter(|number| number.fract() == 0.0 && *number >= 0.0)
                .map(|number| number as u64)
        });
        whole
            .and_then(|whole| u32::try_from(whole).ok())
            .map(Some)
            .ok_or_else(|| self.must(key, &format!("a whole number up to {}", u32::MAX), value))
    }

    /// A whole number of at most 32 bits that is not zero.
    pub(super) fn size(&self, key: &str) -> Result<Option<u32>, Error> {
        match self.count(key)? {
            Some(0) => Err(self.wrong(key, "is 0, but must be at least 1")),
            size => Ok(size),
        }
    }

    /// A size that has to be there.
    pub(super) fn need(&self, key: &str) -> Result<u32, Error> {
        self.size(key)?.ok_or_else(|| self.missing(key, "a whole number of at least 1"))
    }

    /// A number.
    pub(super) fn float(&self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| self.must(key, "a number", value))
    }

    /// A number that has to be there.
    pub(super) fn need_float(&self, key: &str) -> Result<f64, Error> {
        self.float(key)?.ok_or_else(|| self.missing(key, "a number"))
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.must(key, "true or false", value))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.must(key, "a text", value))
    }

    /// A text that has to be there.
    pub(super) fn need_text(&self, key: &str) -> Result<&str, Error> {
        self.text(key)?.ok_or_else(|| self.missing(key, "a text"))
    }

    /// A list.
    pub(super) fn list(&self, key: &str) -> Result<Option<&[Value]>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_array().map(|list| Some(list.as_slice())).ok_or_else(|| self.must(key, "a list", value))
    }

    /// A list of numbers.
    pub(super) fn floats(&self, key: &str) -> Result<Option<Vec<f64>>, Error> {
        let Some(list) = self.list(key)? else { return Ok(None) };
        list.iter()
            .map(|value| value.as_f64().ok_or_else(|| self.must(key, "a list of numbers", value)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An object inside this one.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                file: self.file.clone(),
                place: format!("{}{key}.", self.place),
                map: map.clone(),
            })),
            Some(other) => Err(self.must(key, "an object", other)),
        }
    }

    /// The objects of a list.
    pub(super) fn objects(&self, key: &str) -> Result<Vec<Self>, Error> {
        let list = self.list(key)?.unwrap_or_default();
        let place = |number: usize| format!("{}{key}[{number}].", self.place);
        let each = list.iter().enumerate().map(|(number, value)| match value {
            Value::Object(map) => {
                Ok(Self { file: self.file.clone(), place: place(number), map: map.clone() })
            }
            other => Err(self.must(key, "a list of objects", other)),
        });
        each.collect()
    }

    /// This object where another one inside it stands above it: what the inner one says counts.
    pub(super) fn under(mut self, inner: &Self) -> Self {
        for (key, value) in &inner.map {
            self.map.insert(key.clone(), value.clone());
        }
        self
    }
}

/// A value as an error shows it, short.
pub(super) fn told(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_name_the_file_and_the_key() {
        let object =
            Object::new("config.json", json!({"a": {"b": -1, "c": "x", "d": null}, "l": [1]})).unwrap();
        let inner = object.object("a").unwrap().unwrap();
        let told = |error: Error| error.to_string();
        assert_eq!(
            told(inner.count("b").unwrap_err()),
            "config.json: a.b must be a whole number up to 4294967295, but is -1"
        );
        assert_eq!(
            told(inner.need_float("c").unwrap_err()),
            "config.json: a.c must be a number, but is \"x\""
        );
        assert_eq!(
            told(inner.need("d").unwrap_err()),
            "config.json: a.d is missing; it must be a whole number of at least 1"
        );
        assert_eq!(
            told(object.objects("l").unwrap_err()),
            "config.json: l must be a list of objects, but is 1"
        );
        assert_eq!(told(Object::new("x", json!([1])).unwrap_err()), "x: it must be an object, but is [1]");
    }
}
