//! What goes through a pipeline.

use std::borrow::Cow;

use serde_json::Value;

/// A record: an id and JSON data. The data stays text until somebody asks for its value, and is printed again only if
/// somebody has changed it, so that a record that nobody looks into costs no more than its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Stays the same from source to sink, and when the run is repeated: where it comes from, such as `in.jsonl:12`.
    /// Records that a step makes of one have its id and more, such as `in.jsonl:12#3`.
    pub(crate) id: String,
    /// At least one of the two is there; if both are, they say the same.
    text: Option<String>,
    value: Option<Value>,
}

impl Record {
    /// A record whose data is JSON text, which nobody has looked at yet.
    pub(crate) fn from_text(id: impl Into<String>, text: String) -> Self {
        Self { id: id.into(), text: Some(text), value: None }
    }

    /// A record with a value.
    pub(crate) fn from_value(id: impl Into<String>, value: Value) -> Self {
        Self { id: id.into(), text: None, value: Some(value) }
    }

    /// Its data. Text that is no JSON is told in words for people.
    pub(crate) fn value(&mut self) -> Result<&Value, String> {
        let text = self.text.as_deref().unwrap_or_default();
        match &mut self.value {
            Some(value) => Ok(value),
            none => Ok(none.insert(parse(text)?)),
        }
    }

    /// Its data, to change.
    pub(crate) fn value_mut(&mut self) -> Result<&mut Value, String> {
        let text = self.text.take();
        if self.value.is_none() {
            let text = text.unwrap_or_default();
            match parse(&text) {
                Ok(value) => self.value = Some(value),
                Err(why) => {
                    self.text = Some(text);
                    return Err(why);
                }
            }
        }
        Ok(self.value.get_or_insert(Value::Null))
    }

    /// Its data as text. Whether text that came from outside is JSON, nobody has looked.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match (&self.text, &self.value) {
            (Some(text), _) => Cow::Borrowed(text),
            (None, value) => Cow::Owned(value.as_ref().unwrap_or(&Value::Null).to_string()),
        }
    }

    /// Its id, and its data as text.
    pub(crate) fn into_parts(self) -> (String, String) {
        let text = match (self.text, self.value) {
            (Some(text), _) => text,
            (None, value) => value.unwrap_or(Value::Null).to_string(),
        };
        (self.id, text)
    }

    /// Whether its text is known to be JSON, since it was parsed or printed here.
    pub(crate) fn is_checked(&self) -> bool {
        self.value.is_some()
    }

    /// About how many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        let data = match (&self.text, &self.value) {
            (Some(text), _) => text.len(),
            (None, value) => value.as_ref().map_or(0, weight),
        };
        self.id.len() + data
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))
}

/// About how long a value's text is.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(key, item)| key.len() + weight(item) + 4).sum::<usize>() + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_changes_keeps_its_bytes() {
        let mut record = Record::from_text("1", r#"{ "b": 1.0,  "a": 2 }"#.to_owned());
        assert!(!record.is_checked());
        assert_eq!(record.value().unwrap()["a"], 2);
        assert!(record.is_checked());
        assert_eq!(record.text(), r#"{ "b": 1.0,  "a": 2 }"#);
        record.value_mut().unwrap()["a"] = 3.into();
        assert_eq!(record.into_parts(), ("1".to_owned(), r#"{"b":1.0,"a":3}"#.to_owned()));
    }

    #[test]
    fn text_that_is_no_json_stays_as_it_is() {
        let mut record = Record::from_text("1", "{oops".to_owned());
        assert!(record.value().unwrap_err().starts_with("it is no JSON: key must be a string"));
        assert!(record.value_mut().is_err());
        assert_eq!(record.text(), "{oops");
        assert!(!record.is_checked());
    }
}
