//! Whether a value has all that is expected of it, and where not.

use serde_json::Value;

/// Objects may have more keys than expected; everything else is equal.
pub(super) fn matches(expected: &Value, found: &Value) -> Result<(), String> {
    compare(expected, found, "")
}

fn compare(expected: &Value, found: &Value, place: &str) -> Result<(), String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(object)) => {
            for (key, expected) in expected {
                let place = format!("{place}.{key}");
                match object.get(key) {
                    Some(value) => compare(expected, value, &place)?,
                    None => return Err(format!("at {place}: expected {expected}, found nothing")),
                }
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(found)) => {
            if expected.len() != found.len() {
                let (expected_len, found_len) = (expected.len(), found.len());
                let place = if place.is_empty() { "." } else { place };
                return Err(format!(
                    "at {place}: expected {expected_len} elements, found {found_len}: {}",
                    Value::Array(found.clone())
                ));
            }
            expected.iter().zip(found).enumerate().try_for_each(|(index, (expected, found))| {
                compare(expected, found, &format!("{place}[{index}]"))
            })
        }
        (Value::Number(a), Value::Number(b)) if close(a.as_f64(), b.as_f64()) => Ok(()),
        _ if expected == found => Ok(()),
        _ => {
            let place = if place.is_empty() { "." } else { place };
            Err(format!("at {place}: expected {expected}, found {found}"))
        }
    }
}

/// Numbers that differ by no more than a rounding.
fn close(a: Option<f64>, b: Option<f64>) -> bool {
    a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_may_have_more() {
        let found = json!({"a": [1, {"b": 2.0, "c": 3}], "d": null});
        matches(&json!({"a": [1, {"b": 2}]}), &found).unwrap();
        matches(&json!({}), &found).unwrap();
    }

    #[test]
    fn differences_say_where() {
        let check = |expected: Value, found: Value, message: &str| {
            assert_eq!(matches(&expected, &found).unwrap_err(), message);
        };
        check(json!({"a": [{"b": 1}]}), json!({"a": [{"b": 2}]}), "at .a[0].b: expected 1, found 2");
        check(json!({"a": 1}), json!({}), "at .a: expected 1, found nothing");
        check(json!([1]), json!([1, 2]), "at .: expected 1 elements, found 2: [1,2]");
        check(json!("a"), json!("b"), "at .: expected \"a\", found \"b\"");
    }
}
