//! What differs between a tape and a replay, in words.

use serde_json::Value;

use crate::error::{Error, ErrorKind};

/// No more of a value than this is shown.
const SHOWN: usize = 200;

/// The error of a replay that differs from its tape.
pub(super) fn error(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Tape, format!("the run differs from the tape: {what}"))
        .with_hint("the plugin has changed, or it depends on something that is not on the tape, such as files or how long things take")
}

/// The first place in which two values differ, and what is there.
pub(super) fn between(expected: &Value, found: &Value) -> String {
    let mut path = String::new();
    let (expected, found) = first(expected, found, &mut path);
    let at = if path.is_empty() { String::new() } else { format!("at {}: ", path.trim_start_matches('.')) };
    format!("{at}expected {}, found {}", shown(expected), shown(found))
}

fn first<'a>(
    expected: &'a Value,
    found: &'a Value,
    path: &mut String,
) -> (Option<&'a Value>, Option<&'a Value>) {
    match (expected, found) {
        (Value::Object(expecteds), Value::Object(founds)) => {
            let keys = expecteds.keys().chain(founds.keys());
            for key in keys {
                match (expecteds.get(key), founds.get(key)) {
                    (expected, found) if expected == found => {}
                    (Some(expected), Some(found)) => {
                        path.push('.');
                        path.push_str(key);
                        return first(expected, found, path);
                    }
                    (expected, found) => {
                        path.push('.');
                        path.push_str(key);
                        return (expected, found);
                    }
                }
            }
        }
        (Value::Array(expecteds), Value::Array(founds)) if expecteds.len() == founds.len() => {
            let unequal =
                expecteds.iter().zip(founds).enumerate().find(|(_, (expected, found))| expected != found);
            if let Some((index, (expected, found))) = unequal {
                path.push_str(&format!(".{index}"));
                return first(expected, found, path);
            }
        }
        _ => {}
    }
    (Some(expected), Some(found))
}

/// A value, cut where it is long.
pub(super) fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    let end = text.floor_char_boundary(SHOWN);
    if end == text.len() { text } else { format!("{}... ({} bytes more)", &text[..end], text.len() - end) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let check =
            |expected: Value, found: Value, words: &str| assert_eq!(between(&expected, &found), words);
        check(
            json!({ "a": 1, "b": [1, { "c": "x" }] }),
            json!({ "a": 1, "b": [1, { "c": "y" }] }),
            "at b.1.c: expected \"x\", found \"y\"",
        );
        check(json!({ "a": 1 }), json!({ "a": 1, "b": 2 }), "at b: expected nothing, found 2");
        check(json!([1]), json!([1, 2]), "expected [1], found [1,2]");
        check(json!(1), json!("1"), "expected 1, found \"1\"");
        let long = between(&json!("é".repeat(300)), &json!(1));
        assert!(long.contains("bytes more), found 1"), "{long}");
    }
}
