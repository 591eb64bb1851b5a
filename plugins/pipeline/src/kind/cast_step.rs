//! Other types for fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::Kind;
use super::columns::{Named, Next, each, kind_of, object, object_mut};
use crate::error::Error;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Fields and what they become: `string`, `integer`, `number`, `boolean`, `json` (the value that a text says) or
    /// `text` (a value as JSON). A record may lack a field, and null stays null; what cannot become that is rejected.
    #[schemars(with = "BTreeMap<String, To>")]
    fields: Named<To>,
}

/// What a field becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum To {
    String,
    Integer,
    Number,
    Boolean,
    Json,
    Text,
}

pub(crate) struct Cast(Vec<(String, To)>);

impl Kind for Cast {
    const NAME: &'static str = "cast";
    const ABOUT: &'static str = "gives fields another type";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        Ok(Self(config.fields.0))
    }
}

impl Step for Cast {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let fields = object(record)?;
            let mut values = Vec::with_capacity(self.0.len());
            for (name, to) in &self.0 {
                let Some(value) = fields.get(name).filter(|value| !value.is_null()) else { continue };
                let value = cast(value, *to).map_err(|why| format!("the field `{name}`: {why}"))?;
                values.push((name.clone(), value));
            }
            object_mut(record)?.extend(values);
            Ok(Next::Keep)
        })
    }
}

fn cast(value: &Value, to: To) -> Result<Value, String> {
    let wrong = |what: &str| match value {
        Value::String(text) => format!("{:?} is no {what}", shortened(text)),
        Value::Number(number) => format!("{number} is no {what}"),
        other => format!("{} is no {what}", kind_of(other)),
    };
    match to {
        To::String => match value {
            Value::String(_) => Ok(value.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string().into()),
            _ => Err(format!("{} has no text; `text` makes it JSON", kind_of(value))),
        },
        To::Integer => integer(value).map(Value::Number).ok_or_else(|| wrong("integer")),
        To::Number => number(value).map(Value::Number).ok_or_else(|| wrong("number")),
        To::Boolean => boolean(value).map(Value::Bool).ok_or_else(|| wrong("truth value")),
        To::Json => match value {
            Value::String(text) => {
                serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))
            }
            _ => Ok(value.clone()),
        },
        To::Text => Ok(value.to_string().into()),
    }
}

/// A number that is whole, and loses nothing by becoming an integer.
fn integer(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
            let whole = float as i64;
            Some(whole.into())
        }
        Value::Number(number) => Some(number.clone()),
        Value::Bool(truth) => Some(u8::from(*truth).into()),
        Value::String(text) => {
            let text = text.trim();
            let signed = text.parse::<i64>().map(Number::from).ok();
            signed.or_else(|| text.parse::<u64>().map(Number::from).ok())
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::Bool(_) => integer(value),
        Value::String(text) => {
            let float = || text.trim().parse().ok().and_then(Number::from_f64);
            integer(value).or_else(float)
        }
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[track_caller]
    fn check(to: To, good: &[(Value, Value)], bad: &[Value]) {
        for (from, expect) in good {
            assert_eq!(cast(from, to).as_ref(), Ok(expect), "{from} to {to:?}");
        }
        for from in bad {
            cast(from, to).expect_err(&format!("{from} to {to:?}"));
        }
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        let j = |value: Value| value;
        check(
            To::String,
            &[(json!("a"), json!("a")), (json!(1.5), json!("1.5")), (json!(true), json!("true"))],
            &[json!([])],
        );
        check(
            To::Integer,
            &[
                (json!(" -3 "), json!(-3)),
                (json!(2.0), json!(2)),
                (json!("18446744073709551615"), json!(u64::MAX)),
                (json!(true), json!(1)),
            ],
            &[json!("3.5"), json!(2.5), json!(1e300), json!("x"), json!(""), json!({})],
        );
        check(
            To::Number,
            &[(json!("1e3"), json!(1000.0)), (json!("7"), json!(7))],
            &[json!("NaN"), json!("1,5"), json!([])],
        );
        check(
            To::Boolean,
            &[(json!("Yes"), json!(true)), (json!(0), json!(false))],
            &[json!(2), json!("maybe")],
        );
        check(To::Json, &[(json!("[1]"), json!([1])), (json!(1), j(json!(1)))], &[json!("[1")]);
        check(To::Text, &[(json!({ "a": 1 }), json!("{\"a\":1}"))], &[]);
    }

    #[test]
    fn what_cannot_become_that_is_rejected_with_its_field() {
        let bench = Bench::new();
        let mut cast: Cast = bench.open("fields = { n = 'integer', x = 'number' }").unwrap();
        let out = bench.pass(&mut cast, [json!({ "n": "4", "x": null }), json!({ "n": "four", "x": "1" })]);
        assert_eq!(out[0], json!({ "n": 4, "x": null }));
        assert_eq!(out[1]["rejected"], "the field `n`: \"four\" is no integer");
        assert_eq!(out[1]["data"], json!({ "n": "four", "x": "1" }));
        let error = bench.error::<Cast>("fields = { n = 'int' }");
        assert!(error.message.contains("unknown variant `int`") && error.span.is_some(), "{error:?}");
    }
}
