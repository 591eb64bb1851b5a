//! JSON values as bytes that compare as the values do: null, false, true, numbers, texts, arrays, objects.

use serde_json::{Number, Value};

/// The bytes of a value. Equal values have equal bytes, 1 and 1.0 too.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, value);
    bytes
}

/// Adds the bytes of a value, behind which those of others may follow.
pub(super) fn put(into: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => into.push(1),
        Value::Bool(truth) => into.push(2 + u8::from(*truth)),
        Value::Number(number) => {
            into.push(4);
            put_number(into, number);
        }
        Value::String(text) => {
            into.push(5);
            put_text(into, text);
        }
        Value::Array(items) => {
            into.push(6);
            items.iter().for_each(|item| put(into, item));
            into.push(0);
        }
        Value::Object(map) => {
            into.push(7);
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, item) in sorted {
                into.push(1);
                put_text(into, name);
                put(into, item);
            }
            into.push(0);
        }
    }
}

/// First as a float, then, for integers that a float is too coarse for, as an integer.
fn put_number(into: &mut Vec<u8>, number: &Number) {
    let float = number.as_f64().unwrap_or_default();
    // There is one zero only.
    let bits = if float == 0.0 { 0 } else { float.to_bits() };
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    into.extend(ordered.to_be_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it stops at the ends, and the float has told those apart"
    )]
    let whole = number.as_i128().unwrap_or(float as i128);
    into.extend((whole.cast_unsigned() ^ 1 << 127).to_be_bytes());
}

/// Ends with what no text goes on with.
fn put_text(into: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        into.push(byte);
        if byte == 0 {
            into.push(0xff);
        }
    }
    into.extend([0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_are_in_the_order_of_values() {
        let order = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1e300),
            json!(i64::MIN),
            json!(-1.5),
            json!(-1),
            json!(0),
            json!(1e-300),
            json!(1),
            json!(1.5),
            json!(9_007_199_254_740_992_u64),
            json!(9_007_199_254_740_993_u64),
            json!(u64::MAX - 1),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("\u{0}"),
            json!("\u{0}a"),
            json!("\u{1}"),
            json!("a"),
            json!("a\u{0}"),
            json!("aa"),
            json!("b"),
            json!("ä"),
            json!([]),
            json!([1]),
            json!([1, "a"]),
            json!([2]),
            json!({}),
            json!({ "a": 1 }),
            json!({ "a": 1, "b": 0 }),
            json!({ "a": 2 }),
        ];
        for (n, a) in order.iter().enumerate() {
            for (m, b) in order.iter().enumerate() {
                assert_eq!(bytes(a).cmp(&bytes(b)), n.cmp(&m), "{a} and {b}");
            }
        }
    }

    #[test]
    fn the_same_written_differently_is_equal() {
        assert_eq!(bytes(&json!(1)), bytes(&json!(1.0)));
        assert_eq!(bytes(&json!(0.0)), bytes(&json!(-0.0)));
        assert_eq!(bytes(&json!({ "a": 1, "b": 2 })), bytes(&json!({ "b": 2, "a": 1 })));
    }
}
