//! JSON objects, read field by field, with errors that name the field.
//!
//! What a client sends is read best by what it is for: each field is taken once, `null` is as good as absent, and what
//! does not fit says which field it is, what was expected and what was there. How that is put to the client is the
//! plugin's business.
//!
//! ```
//! use inferno_sdk::json::{FieldError, Fields};
//!
//! # fn main() -> Result<(), FieldError> {
//! let mut body = Fields::parse(br#"{"model": "storyteller", "options": {"heat": "very"}, "user": "me"}"#)?;
//! let model = body.string("model")?.ok_or_else(|| body.missing("model"))?;
//! let mut options = body.object("options")?.ok_or_else(|| body.missing("options"))?;
//! let error = options.number("heat", 0.0, 2.0).unwrap_err();
//! assert_eq!(error.path, "options.heat");
//! assert_eq!(error.to_string(), "`options.heat` must be a number, but is a string");
//! # assert_eq!(model, "storyteller");
//! # Ok(())
//! # }
//! ```

use std::fmt;

use serde_json::{Map, Value};

use crate::{Error, ErrorKind};

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where it is, such as `messages[0].role`; empty for the body as a whole.
    pub path: String,
    /// What it is.
    pub fault: Fault,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is not a JSON object; says why.
    Malformed(String),
    /// It has to be there and is not.
    Missing,
    /// It is of another type. Both with their article, such as `a string`.
    Type {
        /// What it has to be.
        expected: String,
        /// What it is.
        got: &'static str,
    },
    /// It cannot have this value; says why.
    Value(String),
}

impl FieldError {
    /// A field that has a value which it cannot have.
    pub fn value(path: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { path: path.into(), fault: Fault::Value(why.to_string()) }
    }

    /// A field that is of another type.
    pub fn wrong(path: impl Into<String>, expected: impl Into<String>, got: &Value) -> Self {
        let fault = Fault::Type { expected: expected.into(), got: describe(got) };
        Self { path: path.into(), fault }
    }

    fn malformed(why: impl fmt::Display) -> Self {
        Self { path: String::new(), fault: Fault::Malformed(why.to_string()) }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.fault {
            Fault::Malformed(why) => write!(f, "the body is not a JSON object: {why}"),
            Fault::Missing => write!(f, "`{path}` is missing"),
            Fault::Type { expected, got } => write!(f, "`{path}` must be {expected}, but is {got}"),
            Fault::Value(why) => write!(f, "`{path}`: {why}"),
        }
    }
}

impl std::error::Error for FieldError {}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string())
    }
}

/// The type of a value, with its article.
pub fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The fields of an object that were not taken yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    map: Map<String, Value>,
    /// What stands before the name of a field in its path, such as `messages[0].`.
    prefix: String,
}

/// Below this many bytes a body may hold what it likes.
const SMALL: usize = 64 * 1024;
/// How many marks a larger body may have. Each value in memory takes many times its two bytes of text, so that a large
/// body of nothing but `[]` would need more memory than a plugin has.
const MAX_MARKS: usize = 100_000;

impl Fields {
    /// The body of a request. A large one that consists of very many tiny values is refused before it fills memory.
    pub fn parse(body: &[u8]) -> Result<Self, FieldError> {
        check(body).map_err(FieldError::malformed)?;
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self { map, prefix: String::new() }),
            Ok(other) => Err(FieldError::malformed(format_args!("it is {}", describe(&other)))),
            Err(error) => Err(FieldError::malformed(error)),
        }
    }

    /// An object inside of another; `path` is where it is, such as `messages[0]`.
    pub fn of(value: Value, path: &str) -> Result<Self, FieldError> {
        match value {
            Value::Object(map) => Ok(Self { map, prefix: format!("{path}.") }),
            other => Err(FieldError::wrong(path, "an object", &other)),
        }
    }

    /// Where a field of this object is, as errors name it.
    pub fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What to say where a field has to be there and is not.
    pub fn missing(&self, name: &str) -> FieldError {
        FieldError { path: self.path(name), fault: Fault::Missing }
    }

    /// The names of the fields that were not taken yet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(String::as_str)
    }

    /// Takes a field of any type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, FieldError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(FieldError::wrong(self.path(name), "a string", &other)),
        }
    }

    /// Takes a truth value.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, FieldError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(FieldError::wrong(self.path(name), "a boolean", &other)),
        }
    }

    /// Takes an array of anything.
    pub fn array(&mut self, name: &str) -> Result<Option<Vec<Value>>, FieldError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(FieldError::wrong(self.path(name), "an array", &other)),
        }
    }

    /// Takes an array of objects.
    pub fn objects(&mut self, name: &str) -> Result<Option<Vec<Self>>, FieldError> {
        let path = self.path(name);
        let Some(items) = self.array(name)? else { return Ok(None) };
        let numbered = items.into_iter().enumerate();
        numbered.map(|(n, item)| Self::of(item, &format!("{path}[{n}]"))).collect::<Result<_, _>>().map(Some)
    }

    /// Takes an array of texts; one text alone is as good as an array of it.
    pub fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>, FieldError> {
        let items = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => return Ok(Some(vec![text])),
            Some(Value::Array(items)) => items,
            Some(other) => {
                return Err(FieldError::wrong(self.path(name), "a string or an array of strings", &other));
            }
        };
        let text = |(n, item)| match item {
            Value::String(text) => Ok(text),
            other => Err(FieldError::wrong(format!("{}[{n}]", self.path(name)), "a string", &other)),
        };
        items.into_iter().enumerate().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// Takes an object.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, FieldError> {
        let path = self.path(name);
        self.take(name).map(|value| Self::of(value, &path)).transpose()
    }

    /// Takes a number from `low` to `high`.
    pub fn number(&mut self, name: &str, low: f32, high: f32) -> Result<Option<f32>, FieldError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Some(number) = value.as_f64() else {
            return Err(FieldError::wrong(self.path(name), "a number", &value));
        };
        if !(f64::from(low)..=f64::from(high)).contains(&number) {
            return Err(self.out_of_range(name, low, high, number));
        }
        #[expect(clippy::cast_possible_truncation, reason = "models compute in single precision")]
        Ok(Some(number as f32))
    }

    /// Takes a whole number from `low` to `high`.
    pub fn integer(&mut self, name: &str, low: i64, high: i64) -> Result<Option<i64>, FieldError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match (&value, value.as_i64()) {
            (_, Some(number)) if (low..=high).contains(&number) => Ok(Some(number)),
            (Value::Number(number), _) if !number.is_f64() => Err(self.out_of_range(name, low, high, number)),
            (Value::Number(_), _) => {
                let fault = Fault::Type { expected: "a whole number".to_owned(), got: "a decimal" };
                Err(FieldError { path: self.path(name), fault })
            }
            _ => Err(FieldError::wrong(self.path(name), "a whole number", &value)),
        }
    }

    fn out_of_range<T: fmt::Display>(
        &self,
        name: &str,
        low: T,
        high: T,
        got: impl fmt::Display,
    ) -> FieldError {
        FieldError::value(self.path(name), format_args!("it must be from {low} to {high}, but is {got}"))
    }
}

/// Says why a body should not even be parsed: it is empty, or it consists of so many tiny values that they would fill the
/// memory of a plugin. [`Fields::parse`] looks by itself.
pub fn check(body: &[u8]) -> Result<(), String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    if body.len() > SMALL && marks(body) > MAX_MARKS {
        return Err(format!("it has more than {MAX_MARKS} values"));
    }
    Ok(())
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

    fn fields(json: &str) -> Fields {
        Fields::parse(json.as_bytes()).unwrap()
    }

    #[track_caller]
    fn refused<T: fmt::Debug>(result: Result<T, FieldError>, says: &str) {
        assert_eq!(result.unwrap_err().to_string(), says);
    }

    #[test]
    fn what_is_in_texts_is_no_value() {
        let text = format!("{{\"input\":\"{}\\\"\"}}", "[],{:".repeat(100_000));
        assert_eq!(marks(text.as_bytes()), 2);
        assert_eq!(check(text.as_bytes()), Ok(()));
    }

    #[test]
    fn malformed_json_says_where() {
        let why = |body: &[u8]| match Fields::parse(body).unwrap_err() {
            FieldError { path, fault: Fault::Malformed(why) } if path.is_empty() => why,
            other => panic!("{other}"),
        };
        assert!(why(b"{\"a\": 1,\n  oops}").contains("line 2 column 3"));
        assert!(why(b"{\"a\": \"\xff\"}").contains("line 1"));
        assert_eq!(why(b" \n"), "it is empty");
        assert_eq!(why(b"[1]"), "it is an array");
        assert!(why("[".repeat(4000).as_bytes()).contains("recursion limit"));
    }

    #[test]
    fn a_large_body_of_tiny_values_is_refused_before_it_fills_memory() {
        let body = format!("{{\"input\":[{}0]}}", "[],".repeat(100_000));
        assert!(Fields::parse(body.as_bytes()).unwrap_err().to_string().contains("more than 100000 values"));
        let text = format!("{{\"input\":\"{}\\\"\"}}", "[],{:".repeat(100_000));
        assert!(Fields::parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn null_is_as_good_as_absent_and_a_field_is_taken_once() {
        let mut fields = fields(r#"{"a":null,"b":"x"}"#);
        assert_eq!(fields.number("a", 0.0, 1.0), Ok(None));
        assert_eq!(fields.names().collect::<Vec<_>>(), ["b"]);
        assert_eq!(fields.string("b").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.string("b"), Ok(None));
        assert_eq!(fields.missing("b").to_string(), "`b` is missing");
    }

    #[test]
    fn wrong_types_name_the_field_and_both_types() {
        let mut fields = fields(
            r#"{"a":1,"b":"x","c":[],"d":{},"e":true,"f":1.5,"g":"1","h":{"i":0},"j":[{},2],"k":["x",null],"l":{}}"#,
        );
        refused(fields.string("a"), "`a` must be a string, but is a number");
        refused(fields.boolean("b"), "`b` must be a boolean, but is a string");
        refused(fields.object("c"), "`c` must be an object, but is an array");
        refused(fields.array("d"), "`d` must be an array, but is an object");
        refused(fields.number("e", 0.0, 1.0), "`e` must be a number, but is a boolean");
        refused(fields.integer("f", 0, 1), "`f` must be a whole number, but is a decimal");
        refused(fields.integer("g", 0, 1), "`g` must be a whole number, but is a string");
        refused(fields.object("h").unwrap().unwrap().string("i"), "`h.i` must be a string, but is a number");
        refused(fields.objects("j"), "`j[1]` must be an object, but is a number");
        refused(fields.strings("k"), "`k[1]` must be a string, but is null");
        refused(fields.strings("l"), "`l` must be a string or an array of strings, but is an object");
    }

    #[test]
    fn paths_lead_through_objects_and_arrays() {
        let mut fields = fields(r#"{"a":[{"b":{"c":1}}]}"#);
        let mut inner = fields.objects("a").unwrap().unwrap().remove(0).object("b").unwrap().unwrap();
        assert_eq!(inner.string("c").unwrap_err().path, "a[0].b.c");
    }

    #[test]
    fn ranges_include_their_ends() {
        let mut fields = fields(r#"{"a":2,"b":2.5,"c":-1,"d":4294967295,"e":18446744073709551615}"#);
        assert_eq!(fields.number("a", 0.0, 2.0), Ok(Some(2.0)));
        refused(fields.number("b", 0.0, 2.0), "`b`: it must be from 0 to 2, but is 2.5");
        refused(fields.integer("c", 0, 9), "`c`: it must be from 0 to 9, but is -1");
        assert_eq!(fields.integer("d", 1, u32::MAX.into()), Ok(Some(4_294_967_295)));
        refused(fields.integer("e", 0, 9), "`e`: it must be from 0 to 9, but is 18446744073709551615");
    }

    #[test]
    fn one_text_is_as_good_as_an_array_of_it() {
        let mut fields = fields(r#"{"a":"x","b":["x","y"],"c":[]}"#);
        assert_eq!(fields.strings("a"), Ok(Some(vec!["x".to_owned()])));
        assert_eq!(fields.strings("b"), Ok(Some(vec!["x".to_owned(), "y".to_owned()])));
        assert_eq!(fields.strings("c"), Ok(Some(Vec::new())));
    }
}
