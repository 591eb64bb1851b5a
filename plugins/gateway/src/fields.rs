//! A JSON object whose fields are taken one by one, with errors that name the field.

use serde_json::{Map, Value};

use crate::error::ApiError;

/// The fields of a request, or of an object in it, that nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    /// What stands before the name of a field in `param`, such as `messages[0].`.
    prefix: String,
}

/// Below this many bytes a body may hold what it likes.
const SMALL: usize = 64 * 1024;
/// How many marks a larger body may have. Each value in memory takes many times its two bytes of text, so that a large
/// body of nothing but `[]` would need more memory than a plugin has.
const MAX_MARKS: usize = 100_000;

impl Fields {
    /// The body of a request.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::malformed("it is empty"));
        }
        if body.len() > SMALL && marks(body) > MAX_MARKS {
            return Err(ApiError::malformed(format_args!("it has more than {MAX_MARKS} values")));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self { map, prefix: String::new() }),
            Ok(other) => Err(ApiError::malformed(format_args!("it is {}, not an object", describe(&other)))),
            Err(error) => Err(ApiError::malformed(error)),
        }
    }

    /// An object in the request; `path` is where it is, such as `messages[0]`.
    pub(crate) fn of(value: Value, path: &str) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Self { map, prefix: format!("{path}.") }),
            other => Err(ApiError::wrong_type(path, "an object", describe(&other))),
        }
    }

    /// The name of a field as `param` has it.
    pub(crate) fn param(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A field of any type; `null` is as good as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong(name, "a boolean", &other)),
        }
    }

    pub(crate) fn array(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(name, "an array", &other)),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        let path = self.param(name);
        self.take(name).map(|value| Self::of(value, &path)).transpose()
    }

    /// A number from `low` to `high`.
    pub(crate) fn number(&mut self, name: &str, low: f32, high: f32) -> Result<Option<f32>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Some(number) = value.as_f64() else { return Err(self.wrong(name, "a number", &value)) };
        if !(f64::from(low)..=f64::from(high)).contains(&number) {
            return Err(self.out_of_range(name, low, high, number));
        }
        #[expect(clippy::cast_possible_truncation, reason = "samplers compute in single precision")]
        Ok(Some(number as f32))
    }

    /// A whole number from `low` to `high`.
    pub(crate) fn integer(&mut self, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match (&value, value.as_i64()) {
            (_, Some(number)) if (low..=high).contains(&number) => Ok(Some(number)),
            (Value::Number(number), _) if !number.is_f64() => Err(self.out_of_range(name, low, high, number)),
            (Value::Number(_), _) => Err(self.wrong_type(name, "an integer", "a decimal")),
            _ => Err(self.wrong(name, "an integer", &value)),
        }
    }

    /// Refuses a field that is not obeyed, unless its value asks for nothing.
    pub(crate) fn refuse(
        &mut self,
        name: &str,
        instead: &str,
        harmless: impl FnOnce(&Value) -> bool,
    ) -> Result<(), ApiError> {
        match self.take(name) {
            Some(value) if !harmless(&value) => Err(ApiError::unsupported(&self.param(name), instead)),
            _ => Ok(()),
        }
    }

    fn wrong(&self, name: &str, expected: &str, got: &Value) -> ApiError {
        self.wrong_type(name, expected, describe(got))
    }

    fn wrong_type(&self, name: &str, expected: &str, got: &str) -> ApiError {
        ApiError::wrong_type(&self.param(name), expected, got)
    }

    fn out_of_range<T: std::fmt::Display>(
        &self,
        name: &str,
        low: T,
        high: T,
        got: impl std::fmt::Display,
    ) -> ApiError {
        ApiError::value(
            &self.param(name),
            format_args!("expected a value from {low} to {high}, but got {got} instead."),
        )
    }
}

/// The type of a value, with its article.
pub(crate) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Counts what opens or divides values, outside of strings.
fn marks(body: &[u8]) -> usize {
    let (mut marks, mut in_string, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => marks += 1,
            _ => {}
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    #[test]
    fn malformed_json_says_where() {
        refused(Fields::parse(b"{\"a\": 1,\n  oops}"), 400, "", "", "line 2 column 3");
        refused(Fields::parse(b"{\"a\": \"\xff\"}"), 400, "", "", "line 1");
        refused(Fields::parse(b"{\"a\""), 400, "", "", "EOF");
        refused(Fields::parse(b" \n"), 400, "", "", "it is empty");
        refused(Fields::parse(b"[1]"), 400, "", "", "it is an array, not an object");
        refused(Fields::parse("[".repeat(4000).as_bytes()), 400, "", "", "recursion limit");
    }

    #[test]
    fn a_large_body_of_tiny_values_is_refused_before_it_fills_memory() {
        let body = format!("{{\"input\":[{}0]}}", "[],".repeat(100_000));
        refused(Fields::parse(body.as_bytes()), 400, "", "", "more than 100000 values");
        let text = format!("{{\"input\":\"{}\\\"\"}}", "[],{:".repeat(100_000));
        assert_eq!(marks(text.as_bytes()), 2);
        assert!(Fields::parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let mut fields = fields(r#"{"a":null,"b":null,"c":null}"#);
        assert_eq!(fields.string("a").unwrap(), None);
        assert_eq!(fields.number("b", 0.0, 1.0).unwrap(), None);
        assert!(fields.refuse("c", "", |_| false).is_ok());
        assert_eq!(fields.boolean("missing").unwrap(), None);
    }

    #[test]
    fn wrong_types_name_the_field_and_both_types() {
        let mut fields = fields(r#"{"a":1,"b":"x","c":[],"d":{},"e":true,"f":1.5,"g":"1","h":{"i":0}}"#);
        refused(fields.string("a"), 400, "a", "invalid_type", "expected a string, but got a number instead");
        refused(fields.boolean("b"), 400, "b", "invalid_type", "expected a boolean, but got a string");
        refused(fields.object("c"), 400, "c", "invalid_type", "expected an object, but got an array");
        refused(fields.array("d"), 400, "d", "invalid_type", "expected an array, but got an object");
        refused(
            fields.number("e", 0.0, 1.0),
            400,
            "e",
            "invalid_type",
            "expected a number, but got a boolean",
        );
        refused(
            fields.integer("f", 0, 1),
            400,
            "f",
            "invalid_type",
            "expected an integer, but got a decimal",
        );
        refused(fields.integer("g", 0, 1), 400, "g", "invalid_type", "expected an integer, but got a string");
        let mut inner = fields.object("h").unwrap().unwrap();
        refused(inner.string("i"), 400, "h.i", "invalid_type", "a number");
    }

    #[test]
    fn ranges_include_their_ends() {
        let mut fields = fields(r#"{"a":2,"b":2.5,"c":-1,"d":4294967295,"e":18446744073709551615,"f":0}"#);
        assert_eq!(fields.number("a", 0.0, 2.0).unwrap(), Some(2.0));
        refused(fields.number("b", 0.0, 2.0), 400, "b", "invalid_value", "from 0 to 2, but got 2.5");
        refused(fields.integer("c", 0, 9), 400, "c", "invalid_value", "from 0 to 9, but got -1");
        assert_eq!(fields.integer("d", 1, u32::MAX.into()).unwrap(), Some(4_294_967_295));
        refused(fields.integer("e", 0, 9), 400, "e", "invalid_value", "18446744073709551615");
        assert_eq!(fields.number("f", 0.0, 1.0).unwrap(), Some(0.0));
    }

    #[test]
    fn a_refused_field_may_ask_for_nothing() {
        let mut fields = fields(r#"{"tools":[],"echo":true}"#);
        assert!(fields.refuse("tools", "", |value| value.as_array().is_some_and(Vec::is_empty)).is_ok());
        let result = fields.refuse("echo", "Leave it out.", |value| *value == Value::Bool(false));
        refused(result, 400, "echo", "unsupported_parameter", "'echo' is not supported yet. Leave it out.");
    }
}
