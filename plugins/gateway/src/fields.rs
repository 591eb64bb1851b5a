//! The fields of a request, which are taken one by one.

use inferno_sdk::json;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::schema::{self, Object};

/// The fields that nobody has taken yet, checked: each is absent or of the kind that its description says.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    /// The body of a request.
    pub(crate) fn parse(body: Vec<u8>, object: &'static Object) -> Result<Self, ApiError> {
        json::check(&body).map_err(ApiError::malformed)?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(map)) => {
                schema::check(object, &map)?;
                Ok(map.into())
            }
            Ok(other) => {
                Err(ApiError::malformed(format_args!("it is {}, not an object", json::describe(&other))))
            }
            Err(error) => Err(ApiError::malformed(error)),
        }
    }

    /// An object in what was checked.
    pub(crate) fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => map.into(),
            _ => Self::default(),
        }
    }

    /// A field of any type; `null` is as good as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// A field of any type, which stays to be taken.
    pub(crate) fn peek(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    pub(crate) fn number(&mut self, name: &str) -> Option<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "samplers compute in single precision")]
        self.take(name)?.as_f64().map(|number| number as f32)
    }

    /// A whole number; what does not fit the type is absent, which its description rules out.
    pub(crate) fn integer<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T> {
        self.take(name)?.as_i64().and_then(|number| T::try_from(number).ok())
    }

    pub(crate) fn list(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// One text, or several.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        match self.take(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items.into_iter().filter_map(text).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Option<Self> {
        match self.take(name)? {
            Value::Object(map) => Some(map.into()),
            _ => None,
        }
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.map
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(map: Map<String, Value>) -> Self {
        Self { map }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Kind, may};
    use crate::testing::refused;

    static ANY: Object = Object { name: "Any", fields: &[&[may("known", Kind::Text, "")]] };

    fn parse(body: &[u8]) -> Result<Fields, ApiError> {
        Fields::parse(body.to_vec(), &ANY)
    }

    #[test]
    fn malformed_json_says_where() {
        refused(parse(b"{\"a\": 1,\n  oops}"), 400, "", "", "line 2 column 3");
        refused(parse(b"{\"a\": \"\xff\"}"), 400, "", "", "line 1");
        refused(parse(b"{\"a\""), 400, "", "", "EOF");
        refused(parse(b" \n"), 400, "", "", "it is empty");
        refused(parse(b"[1]"), 400, "", "", "it is an array, not an object");
        refused(parse("[".repeat(4000).as_bytes()), 400, "", "", "recursion limit");
        refused(parse(b"{\"known\":1}"), 400, "known", "invalid_type", "a string");
    }

    #[test]
    fn a_large_body_of_tiny_values_is_refused_before_it_fills_memory() {
        let body = format!("{{\"input\":[{}0]}}", "[],".repeat(100_000));
        refused(parse(body.as_bytes()), 400, "", "", "more than 100000 values");
        let text = format!("{{\"input\":\"{}\\\"\"}}", "[],{:".repeat(100_000));
        assert!(parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn fields_are_taken_once_and_null_is_as_good_as_absent() {
        let json = br#"{"a":null,"b":true,"c":1.5,"d":7,"e":["x"],"f":"y","g":{"h":"i"},"j":-1}"#;
        let mut fields = parse(json).unwrap();
        assert_eq!(fields.text("a"), None);
        assert_eq!((fields.flag("b"), fields.flag("b")), (Some(true), None));
        assert_eq!(fields.number("c"), Some(1.5));
        assert_eq!(fields.integer::<u32>("d"), Some(7));
        assert_eq!(fields.texts("e"), ["x"]);
        assert_eq!(fields.texts("f"), ["y"]);
        assert_eq!(fields.object("g").unwrap().text("h").as_deref(), Some("i"));
        assert_eq!(fields.integer::<u32>("j"), None);
        assert!(fields.rest().is_empty());
    }
}
