//! Whether a value is what a [`Kind`] says. Errors are OpenAI's and name the place.

use std::fmt;

use inferno_sdk::json::describe;
use serde_json::{Map, Value};

use super::{Field, Kind, Object, Tagged};
use crate::error::ApiError;

/// The longest name of a tool.
const MAX_IDENTIFIER: usize = 64;

/// Where a value is. Written out for errors only.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Path<'_> {
    fn wrong_type(&self, expected: &str, got: &str) -> ApiError {
        ApiError::wrong_type(&self.to_string(), expected, got)
    }

    fn value(&self, why: impl fmt::Display) -> ApiError {
        ApiError::value(&self.to_string(), why)
    }
}

/// Checks the body of a request.
pub(crate) fn check(object: &'static Object, body: &Map<String, Value>) -> Result<(), ApiError> {
    fields(object, body, &Path::Root)
}

/// Checks the query of a request, in which all values are texts, and gives it with its types.
pub(crate) fn check_query(fields: &'static [Field], query: &str) -> Result<Map<String, Value>, ApiError> {
    let mut found = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(field) = fields.iter().find(|field| field.name == name) else { continue };
        let text = crate::route::decode(&text.replace('+', " "), field.name)?;
        found.insert(field.name.to_owned(), typed(field, text)?);
    }
    Ok(found)
}

/// Checks a field of a form, in which all values are texts.
pub(crate) fn check_form(object: &'static Object, name: &str, text: &str) -> Result<(), ApiError> {
    object.field(name).map_or(Ok(()), |field| typed(field, text.to_owned()).map(drop))
}

/// The value that a text stands for.
fn typed(field: &'static Field, text: String) -> Result<Value, ApiError> {
    let value = match field.kind {
        Kind::Integer(..) => text.parse().map_or(Value::String(text), |number: i64| number.into()),
        Kind::Boolean => text.parse().map_or(Value::String(text), Value::Bool),
        _ => Value::String(text),
    };
    one(&field.kind, &value, &Path::Field(&Path::Root, field.name))?;
    Ok(value)
}

fn fields(object: &'static Object, map: &Map<String, Value>, path: &Path<'_>) -> Result<(), ApiError> {
    for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(field) = object.field(name) {
            one(&field.kind, value, &Path::Field(path, field.name))?;
        }
    }
    // In answers a field may have to be there and yet be `null`.
    let absent = |field: &&Field| match map.get(field.name) {
        None => field.required,
        Some(value) => field.required && value.is_null() && !field.kind.takes(value),
    };
    match object.all().find(absent) {
        Some(field) => Err(ApiError::missing(&Path::Field(path, field.name).to_string())),
        None => Ok(()),
    }
}

fn one(kind: &'static Kind, value: &Value, path: &Path<'_>) -> Result<(), ApiError> {
    if let Kind::Only(values, instead) = kind {
        let harmless =
            values.iter().any(|text| serde_json::from_str::<Value>(text).ok().as_ref() == Some(value));
        return if harmless { Ok(()) } else { Err(ApiError::unsupported(&path.to_string(), instead)) };
    }
    if !kind.takes(value) {
        return Err(path.wrong_type(&kind.expected(), describe(value)));
    }
    match (kind, value) {
        (Kind::Filled, Value::String(text)) if text.is_empty() => Err(path.value("it must not be empty.")),
        (Kind::Identifier, Value::String(text)) if !is_identifier(text) => {
            Err(path.value("use 1 to 64 letters, digits, underscores and hyphens."))
        }
        (Kind::Word(words), Value::String(text)) if !words.contains(&&**text) => {
            Err(path.value(format_args!("'{text}' is not known. {}", supported(words.iter().copied()))))
        }
        (Kind::Integer(low, high), Value::Number(number)) => match number.as_i64() {
            Some(number) if (*low..=*high).contains(&number) => Ok(()),
            None if number.is_f64() => Err(path.wrong_type("an integer", "a decimal")),
            _ => Err(path.value(out_of_range(low, high, number))),
        },
        (Kind::Number(low, high), Value::Number(number)) => match number.as_f64() {
            Some(float) if (*low..=*high).contains(&float) => Ok(()),
            _ => Err(path.value(out_of_range(low, high, number))),
        },
        (Kind::List(kind, low, high), Value::Array(items)) => list(kind, (*low, *high), items, path),
        (Kind::Map(kind), Value::Object(map)) => {
            map.iter().try_for_each(|(name, value)| one(kind, value, &Path::Field(path, name)))
        }
        (Kind::Tokens(kind), Value::Object(map)) => map.iter().try_for_each(|(name, value)| {
            if name.parse::<u32>().is_err() {
                return Err(path.value(format_args!("'{name}' is not the number of a token.")));
            }
            one(kind, value, &Path::Field(path, name))
        }),
        (Kind::Object(object), Value::Object(map)) => fields(object, map, path),
        (Kind::Tagged(tagged), Value::Object(map)) => case(tagged, map, path),
        (Kind::OneOf(kinds), value) => {
            kinds.iter().find(|kind| kind.takes(value)).map_or(Ok(()), |kind| one(kind, value, path))
        }
        _ => Ok(()),
    }
}

fn list(
    kind: &'static Kind,
    (low, high): (usize, usize),
    items: &[Value],
    path: &Path<'_>,
) -> Result<(), ApiError> {
    if items.is_empty() && low > 0 {
        return Err(path.value("expected at least one item, but got an empty array instead."));
    }
    if items.len() > high {
        let why = format_args!("expected at most {high} items, but got {} instead.", items.len());
        return Err(path.value(why));
    }
    items.iter().enumerate().try_for_each(|(index, item)| one(kind, item, &Path::Item(path, index)))
}

fn case(tagged: &'static Tagged, map: &Map<String, Value>, path: &Path<'_>) -> Result<(), ApiError> {
    let place = Path::Field(path, tagged.tag);
    let word = match map.get(tagged.tag).filter(|value| !value.is_null()) {
        Some(Value::String(word)) => &**word,
        Some(other) => return Err(place.wrong_type("a string", describe(other))),
        None => tagged.default.ok_or_else(|| ApiError::missing(&place.to_string()))?,
    };
    if let Some(object) = tagged.case(word) {
        return fields(object, map, path);
    }
    match tagged.refused.iter().find(|(refused, _)| *refused == word) {
        Some((_, why)) => Err(place.value(why)),
        None => Err(place.value(format_args!("'{word}' is not known. {}", supported(tagged.words())))),
    }
}

/// "Supported values are: 'a', 'b' and 'c'."
fn supported(words: impl Iterator<Item = &'static str>) -> String {
    let mut quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    match (quoted.pop(), quoted.is_empty()) {
        (Some(only), true) => format!("The supported value is {only}."),
        (Some(last), false) => format!("Supported values are: {} and {last}.", quoted.join(", ")),
        (None, _) => String::new(),
    }
}

fn out_of_range(low: impl fmt::Display, high: impl fmt::Display, got: impl fmt::Display) -> String {
    format!("expected a value from {low} to {high}, but got {got} instead.")
}

fn is_identifier(text: &str) -> bool {
    (1..=MAX_IDENTIFIER).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

impl Kind {
    /// Whether the JSON type of the value is one of this kind.
    fn takes(&self, value: &Value) -> bool {
        match self {
            Self::Any | Self::Only(..) => true,
            Self::Null => value.is_null(),
            // JSON has none.
            Self::File => false,
            Self::Boolean => value.is_boolean(),
            Self::Text | Self::Filled | Self::Identifier | Self::Word(_) => value.is_string(),
            Self::Integer(..) | Self::Number(..) => value.is_number(),
            Self::List(..) => value.is_array(),
            Self::Map(_) | Self::Tokens(_) | Self::Object(_) | Self::Tagged(_) => value.is_object(),
            Self::OneOf(kinds) => kinds.iter().any(|kind| kind.takes(value)),
        }
    }

    /// What it is, with its article.
    fn expected(&self) -> String {
        let word = match self {
            Self::Any | Self::Only(..) => "anything",
            Self::Null => "null",
            Self::File => "a file",
            Self::Boolean => "a boolean",
            Self::Text | Self::Filled | Self::Identifier | Self::Word(_) => "a string",
            Self::Integer(..) => "an integer",
            Self::Number(..) => "a number",
            Self::List(kind, ..) if kind.takes(&Value::String(String::new())) => "an array of strings",
            Self::List(..) => "an array",
            Self::Map(_) | Self::Tokens(_) | Self::Object(_) | Self::Tagged(_) => "an object",
            Self::OneOf(kinds) => {
                return kinds.iter().map(Self::expected).collect::<Vec<_>>().join(" or ");
            }
        };
        word.to_owned()
    }
}

/// The places of fields that the description does not have; answers must have none.
#[cfg(test)]
pub(crate) fn unknown(object: &'static Object, map: &Map<String, Value>) -> Vec<String> {
    fn walk(kind: &'static Kind, value: &Value, path: &Path<'_>, found: &mut Vec<String>) {
        match (kind, value) {
            (Kind::List(kind, ..), Value::Array(items)) => {
                items.iter().enumerate().for_each(|(n, item)| walk(kind, item, &Path::Item(path, n), found));
            }
            (Kind::Object(object), Value::Object(map)) => inside(object, map, path, found),
            (Kind::Tagged(tagged), Value::Object(map)) => {
                let word = map.get(tagged.tag).and_then(Value::as_str).or(tagged.default).unwrap();
                inside(tagged.case(word).unwrap(), map, path, found);
            }
            (Kind::OneOf(kinds), value) => {
                kinds
                    .iter()
                    .find(|kind| kind.takes(value))
                    .into_iter()
                    .for_each(|k| walk(k, value, path, found));
            }
            _ => {}
        }
    }
    fn inside(object: &'static Object, map: &Map<String, Value>, path: &Path<'_>, found: &mut Vec<String>) {
        for (name, value) in map {
            let path = Path::Field(path, name);
            match object.field(name) {
                Some(field) => walk(&field.kind, value, &path, found),
                None => found.push(path.to_string()),
            }
        }
    }
    let mut found = Vec::new();
    inside(object, map, &Path::Root, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{may, must};
    use crate::testing::refused;

    static CAT: Object = Object {
        name: "Cat",
        fields: &[&[must("type", Kind::Word(&["cat"]), ""), may("lives", Kind::Integer(1, 9), "")]],
    };
    static DOG: Object = Object {
        name: "Dog",
        fields: &[&[may("type", Kind::Word(&["dog", "puppy"]), ""), must("name", Kind::Filled, "")]],
    };
    static PET: Tagged = Tagged {
        tag: "type",
        cases: &[&CAT, &DOG],
        default: Some("dog"),
        refused: &[("fish", "fish cannot be petted.")],
    };
    static HOME: Object = Object {
        name: "Home",
        fields: &[
            &[
                must("pets", Kind::List(&Kind::Tagged(&PET), 1, 2), ""),
                may("heat", Kind::Number(0.0, 2.5), ""),
                may("door", Kind::Identifier, ""),
                may("note", Kind::OneOf(&[Kind::Text, Kind::List(&Kind::Filled, 0, 1)]), ""),
            ],
            &[
                may("bias", Kind::Tokens(&Kind::Number(-1.0, 1.0)), ""),
                may("open", Kind::Only(&["false", "[]"], "Leave it out."), ""),
            ],
        ],
    };

    fn checked(json: &str) -> Result<(), ApiError> {
        let Ok(Value::Object(map)) = serde_json::from_str(json) else { panic!("no object: {json}") };
        check(&HOME, &map)
    }

    #[test]
    fn what_fits_passes() {
        let fits = |more: &str| checked(&format!(r#"{{"pets":[{{"name":"Rex"}}]{more}}}"#)).unwrap();
        fits("");
        fits(
            r#","heat":2.5,"door":"front_door-1","note":"x","bias":{"4294967295":1},"open":false,"unknown":[]"#,
        );
        fits(r#","heat":null,"note":["x"],"open":[]"#);
        checked(r#"{"pets":[{"type":"cat","lives":9},{"type":"puppy","name":"a"}]}"#).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused_where_it_is() {
        let check = |json, param, code, says| refused(checked(json), 400, param, code, says);
        check("{}", "pets", "missing_required_parameter", "'pets'");
        check(r#"{"pets":[]}"#, "pets", "invalid_value", "at least one item");
        check(
            r#"{"pets":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#,
            "pets",
            "invalid_value",
            "at most 2 items",
        );
        check(r#"{"pets":[{}]}"#, "pets[0].name", "missing_required_parameter", "name");
        check(r#"{"pets":[{"name":""}]}"#, "pets[0].name", "invalid_value", "must not be empty");
        check(r#"{"pets":[{"type":"cow"}]}"#, "pets[0].type", "invalid_value", "'cat', 'dog' and 'puppy'");
        check(r#"{"pets":[{"type":"fish"}]}"#, "pets[0].type", "invalid_value", "cannot be petted");
        check(r#"{"pets":[{"type":7}]}"#, "pets[0].type", "invalid_type", "a string, but got a number");
        check(r#"{"pets":[7]}"#, "pets[0]", "invalid_type", "an object, but got a number");
        check(
            r#"{"pets":[{"type":"cat","lives":10}]}"#,
            "pets[0].lives",
            "invalid_value",
            "from 1 to 9, but got 10",
        );
        check(r#"{"pets":[{"type":"cat","lives":1.5}]}"#, "pets[0].lives", "invalid_type", "a decimal");
        check(
            r#"{"pets":[{"type":"cat","lives":18446744073709551615}]}"#,
            "pets[0].lives",
            "invalid_value",
            "18446744073709551615",
        );
        let with = |more: &str| checked(&format!(r#"{{"pets":[{{"name":"Rex"}}],{more}}}"#));
        let check = |more: &str, param, code, says| refused(with(more), 400, param, code, says);
        check(r#""heat":3"#, "heat", "invalid_value", "from 0 to 2.5, but got 3");
        check(r#""heat":true"#, "heat", "invalid_type", "a number, but got a boolean");
        check(r#""door":"no door""#, "door", "invalid_value", "letters");
        check(r#""note":1"#, "note", "invalid_type", "a string or an array of strings, but got a number");
        check(r#""note":[""]"#, "note[0]", "invalid_value", "empty");
        check(r#""bias":{"x":1}"#, "bias", "invalid_value", "'x' is not the number of a token");
        check(r#""bias":{"1":2}"#, "bias.1", "invalid_value", "from -1 to 1");
        check(r#""open":true"#, "open", "unsupported_parameter", "'open' is not supported. Leave it out.");
    }

    #[test]
    fn a_query_has_types_too() {
        static QUERY: &[Field] =
            &[may("limit", Kind::Integer(1, 100), ""), may("order", Kind::Word(&["asc"]), "")];
        let found = check_query(QUERY, "limit=7&order=%61sc&other=1").unwrap();
        assert_eq!(Value::Object(found), serde_json::json!({"limit": 7, "order": "asc"}));
        refused(check_query(QUERY, "limit=x"), 400, "limit", "invalid_type", "an integer, but got a string");
        refused(check_query(QUERY, "limit=0"), 400, "limit", "invalid_value", "from 1 to 100");
        refused(check_query(QUERY, "order=%zz"), 400, "order", "invalid_value", "percent-encoding");
    }

    #[test]
    fn what_is_not_described_is_found() {
        let value = serde_json::json!({"pets": [{"name": "a", "age": 1}], "size": 2, "heat": 1});
        assert_eq!(unknown(&HOME, value.as_object().unwrap()), ["pets[0].age", "size"]);
    }
}
