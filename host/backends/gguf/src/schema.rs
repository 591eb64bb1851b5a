//! Looks at a JSON schema before llama.cpp makes a grammar of it: some would cost it too much, and of others it would
//! leave out a part without a word.

use serde_json::Value;

/// Bytes of a schema.
const LONGEST: usize = 128 << 10;
/// Schemas inside of each other.
const DEEPEST: usize = 64;
/// Bytes of a name, a reference or a pattern: llama.cpp's regular expressions need stack for each.
const LONGEST_NAME: usize = 512;
/// Schemas that llama.cpp would look at, since it repeats those that have several types.
const MOST: u64 = 100_000;

/// Whether all of a schema must be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// All of it.
    Whole,
    /// The shape is enough: what else it demands is left to the model and whoever asked.
    Shape,
}

/// What says nothing about a value, or what is enforced.
const KNOWN: &[&str] = &[
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "default",
    "definitions",
    "deprecated",
    "description",
    "enum",
    "example",
    "examples",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "minItems",
    "minLength",
    "nullable",
    "oneOf",
    "pattern",
    "prefixItems",
    "properties",
    "readOnly",
    "required",
    "strict",
    "title",
    "type",
    "writeOnly",
];
/// What is enforced for whole numbers only.
const BOUNDS: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
/// Formats that are enforced.
const FORMATS: &[&str] = &["date", "time", "date-time", "uuid"];

/// Says why a schema cannot be used.
pub(crate) fn check(schema: &Value, strictness: Strictness) -> Result<(), String> {
    let length = schema.to_string().len();
    if length > LONGEST {
        return Err(format!("it has {length} bytes, but may have at most {LONGEST}"));
    }
    let cost = cost(schema, strictness, 0)?;
    if cost > MOST {
        return Err("it has too many alternatives inside of each other".into());
    }
    Ok(())
}

/// How many schemas llama.cpp will look at.
fn cost(schema: &Value, strictness: Strictness, depth: usize) -> Result<u64, String> {
    if depth > DEEPEST {
        return Err(format!("its schemas are more than {DEEPEST} levels deep"));
    }
    let object = schema.as_object().ok_or_else(|| format!("{} is no object", shortened(schema)))?;
    let types: Vec<&str> = match object.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        other => other.and_then(Value::as_str).into_iter().collect(),
    };
    if (1..types.len()).any(|index| types[..index].contains(&types[index])) {
        return Err("it names a type twice".into());
    }
    if strictness == Strictness::Whole {
        enforced(object, &types)?;
    }
    for key in ["$ref", "pattern"] {
        if object.get(key).and_then(Value::as_str).is_some_and(|text| text.len() > LONGEST_NAME) {
            return Err(format!("a {key} is longer than {LONGEST_NAME} bytes"));
        }
    }
    let mut sum = 1_u64;
    for (key, value) in object {
        let inner: Vec<&Value> = match (key.as_str(), value) {
            ("items" | "additionalProperties", Value::Object(_)) => vec![value],
            ("items" | "prefixItems" | "anyOf" | "oneOf" | "allOf", Value::Array(items)) => {
                items.iter().collect()
            }
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                if named.keys().any(|name| name.len() > LONGEST_NAME) {
                    return Err(format!("a name is longer than {LONGEST_NAME} bytes"));
                }
                named.values().collect()
            }
            _ => Vec::new(),
        };
        for schema in inner {
            sum = sum.saturating_add(cost(schema, strictness, depth + 1)?);
        }
    }
    Ok(sum.saturating_mul(types.len().max(1) as u64))
}

/// The patterns of a schema and of those in it.
pub(crate) fn patterns(schema: &Value) -> Vec<&str> {
    match schema {
        Value::Object(object) => {
            let own = object.get("pattern").and_then(Value::as_str);
            own.into_iter().chain(object.values().flat_map(patterns)).collect()
        }
        Value::Array(items) => items.iter().flat_map(patterns).collect(),
        _ => Vec::new(),
    }
}

/// Refuses what llama.cpp would leave out.
fn enforced(object: &serde_json::Map<String, Value>, types: &[&str]) -> Result<(), String> {
    let whole = types.iter().all(|&kind| kind == "integer" || kind == "null") && types.contains(&"integer");
    for (key, value) in object {
        let known = KNOWN.contains(&key.as_str()) || (whole && BOUNDS.contains(&key.as_str()));
        if !known && !key.starts_with("x-") {
            return Err(format!("{key} cannot be enforced here"));
        }
        if key == "format" && !value.as_str().is_some_and(|format| FORMATS.contains(&format)) {
            return Err(format!("the format {} cannot be enforced", shortened(value)));
        }
    }
    Ok(())
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn usual_schemas_pass() {
        let person = json!({
            "$schema": "x", "title": "Person", "type": "object", "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "minLength": 1, "description": "full"},
                "age": {"type": ["integer", "null"], "minimum": 0},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
                "born": {"type": "string", "format": "date"},
                "minimum": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/none"}]}
            },
            "required": ["name"], "$defs": {"none": {"type": "null"}}
        });
        assert_eq!(check(&person, Strictness::Whole), Ok(()));
    }

    #[test]
    fn what_would_be_left_out_is_named() {
        for (schema, named) in [
            (json!({"type": "number", "minimum": 1}), "minimum"),
            (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
            (json!({"properties": {"a": {"not": {"type": "null"}}}}), "not"),
            (json!({"type": "string", "format": "email"}), "email"),
        ] {
            let error = check(&schema, Strictness::Whole).unwrap_err();
            assert!(error.contains(named), "{error}");
            assert_eq!(check(&schema, Strictness::Shape), Ok(()), "{schema}");
        }
    }

    #[test]
    fn schemas_that_would_cost_too_much_are_refused() {
        let nested = |depth: usize, inner: &dyn Fn(Value) -> Value| {
            (0..depth).fold(json!({"type": "string"}), |schema, _| inner(schema))
        };
        for (schema, named) in [
            (nested(65, &|inner| json!({"items": inner})), "levels deep"),
            (nested(40, &|inner| json!({"type": ["object", "string"], "allOf": [inner]})), "alternatives"),
            (json!({"type": ["object", "object"]}), "twice"),
            (json!({"pattern": "a".repeat(600)}), "pattern"),
            (json!({"properties": {"a".repeat(600): {}}}), "name"),
            (json!({"enum": ["a".repeat(LONGEST)]}), "bytes"),
            (json!(true), "no object"),
        ] {
            let error = check(&schema, Strictness::Shape).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
