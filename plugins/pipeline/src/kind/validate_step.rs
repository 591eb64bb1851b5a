//! Records that are as they should be; all others are rejected, with everything that is wrong with them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::columns::{Named, Next, Texts, each, object};
use super::expression::Expression;
use super::seen::{self, Seen};
use super::{Kind, order};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

mod rule;
mod schema;

use rule::{Check, Rule};
use schema::Schema;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Fields and what they have to be, such as `{ age = { type = "integer", min = 0 } }`: `type` (string, integer,
    /// number, boolean, array, object), `required` (there, and not null), `unique` (no earlier record had the same),
    /// `min` and `max` of a number, `min_length` and `max_length` of a text (in characters) or an array, `pattern` (a
    /// regular expression that a text has a match of), `one_of` (values). A field that is missing or null is only
    /// checked for `required`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Rule>")]
    fields: Named<Rule>,
    /// Expressions that have to hold, such as `start <= end`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    hold: Texts,
    /// A JSON schema that the whole record has to fit, or the name of a file with one. Formats are checked, and a
    /// schema refers to no other document.
    #[schemars(with = "Option<Value>")]
    schema: Option<Spanned<Value>>,
    /// Whether there may be other fields than those in `fields`.
    #[serde(default = "yes")]
    others: bool,
    /// How many different values of `unique` fields it may remember, all together; one more is an error.
    #[serde(default = "seen::usual")]
    most: usize,
}

fn yes() -> bool {
    true
}

pub(crate) struct Validate {
    fields: Vec<(String, Check)>,
    hold: Vec<(String, Expression)>,
    schema: Option<Schema>,
    others: bool,
    seen: Seen,
}

impl Kind for Validate {
    const NAME: &'static str = "validate";
    const ABOUT: &'static str = "rejects records that are not as they should be";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let fields = config.fields.0.into_iter().map(|(name, rule)| Ok((name, Check::new(rule)?)));
        let hold = config.hold.0.iter().map(|text| Ok((text.get_ref().clone(), Expression::parse(text)?)));
        Ok(Self {
            fields: fields.collect::<Result<_, Error>>()?,
            hold: hold.collect::<Result<_, Error>>()?,
            schema: config.schema.map(|schema| Schema::read(&schema, context)).transpose()?,
            others: config.others,
            seen: Seen::new(config.most),
        })
    }
}

impl Step for Validate {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let (wrong, new) = self.check(record)?;
            if !wrong.is_empty() {
                return Err(wrong.join("; ").into());
            }
            for print in new {
                self.seen.insert(print)?;
            }
            Ok(Next::Keep)
        })
    }

    fn save(&mut self) -> Result<Saved, Error> {
        Ok(self.seen.save())
    }

    fn restore(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.seen.restore(piece);
        Ok(())
    }
}

impl Validate {
    /// All that is wrong, and what no later record may have if nothing is.
    fn check(&self, record: &mut Record) -> Result<(Vec<String>, Vec<[u8; 16]>), String> {
        let (mut wrong, mut new) = (Vec::new(), Vec::new());
        if let Some(schema) = &self.schema {
            wrong.extend(schema.wrong(record.value()?));
        }
        let all = object(record)?;
        for (name, check) in &self.fields {
            let value = all.get(name).unwrap_or(&Value::Null);
            wrong.extend(check.wrong(value).into_iter().map(|why| format!("`{name}` {why}")));
            if check.is_unique() && !value.is_null() {
                let print = Seen::print(&[name.as_bytes(), &[0], &order::bytes(value)].concat());
                if self.seen.contains(&print) {
                    wrong.push(format!("`{name}` is not unique: an earlier record has {value} too"));
                }
                new.push(print);
            }
        }
        if !self.others {
            let others = all.keys().filter(|key| !self.fields.iter().any(|(name, _)| name == *key));
            wrong.extend(others.map(|key| format!("`{key}` is not one of the fields")));
        }
        for (text, expression) in &self.hold {
            match expression.holds(record) {
                Ok(true) => {}
                Ok(false) => wrong.push(format!("`{text}` does not hold")),
                Err(why) => wrong.push(format!("`{text}` cannot be told: {why}")),
            }
        }
        Ok((wrong, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn all_that_is_wrong_is_told() {
        let bench = Bench::new();
        let fields = r#"
            hold = ["start <= end"]
            others = false
            [fields]
            name = { type = "string", required = true, pattern = "^[a-z]+$", max_length = 5 }
            start = { type = "integer", min = 0, max = 9 }
            end = { type = "number" }
            tags = { min_length = 1, one_of = [["a"], ["b", "c"]] }
        "#;
        let mut step: Validate = bench.open(fields).unwrap();
        let good = json!({ "name": "abc", "start": 1.0, "end": 2.5, "tags": ["a"] });
        let few = json!({ "name": "abc", "start": null, "end": 1 });
        assert_eq!(bench.pass(&mut step, [good.clone(), few.clone()]), [good, few]);
        let mut why =
            |value: Value| bench.pass(&mut step, [value])[0]["rejected"].as_str().unwrap().to_owned();
        assert_eq!(
            why(json!({ "name": "Äbcdef", "start": -1, "end": -2, "tags": [], "x": 0 })),
            "`name` \"Äbcdef\" does not match ^[a-z]+$; `name` is longer than 5: 6; `start` is below 0: -1; \
             `tags` is shorter than 1: 0; `tags` is not one of [\"a\"], [\"b\",\"c\"]: []; \
             `x` is not one of the fields; `start <= end` does not hold"
        );
        assert_eq!(
            why(json!({ "start": 10, "end": "x" })),
            "`name` is missing; `start` is above 9: 10; `end` is a text and no number"
        );
        assert_eq!(why(json!({ "name": "a", "start": 1.5, "end": 2 })), "`start` is no integer: 1.5");
        assert_eq!(why(json!("x")), "it has no fields: it is a text");
    }

    #[test]
    fn a_record_fits_a_whole_schema() {
        let bench = Bench::new();
        let fields = r##"
            [schema]
            required = ["lines"]
            additionalProperties = false
            [schema.properties]
            mail = { type = "string", format = "email" }
            code = { type = "string", pattern = "^[a-z]+$" }
            lines = { type = "array", minItems = 1, items = { "$ref" = "#/definitions/line" } }
            [schema.definitions.line]
            oneOf = [{ type = "string" }, { type = "object", required = ["text"] }]
        "##;
        let good = json!({ "mail": "a@b.example", "code": "abc", "lines": ["a", { "text": "b" }] });
        let mut step: Validate = bench.open(fields).unwrap();
        assert_eq!(bench.pass(&mut step, [good.clone()])[0], good);
        let mut why =
            |value: Value| bench.pass(&mut step, [value])[0]["rejected"].as_str().unwrap().to_owned();
        let mut check = |value: Value, expect: &str| assert_eq!(why(value), expect);
        check(json!({ "mail": "a", "lines": ["a"] }), "`mail`: 'a' is not valid email: missing @");
        check(json!({ "code": "7", "lines": ["a"] }), "`code`: '7' does not match pattern '^[a-z]+$'");
        check(
            json!({ "x": 1, "lines": [7] }),
            "`lines/0`: fits nothing of what it may be (`lines/0`: want string, but got number; `lines/0`: want object, \
             but got number); additionalProperties 'x' not allowed",
        );
        check(json!({}), "missing properties 'lines'");

        std::fs::write(bench.dir.path().join("s.json"), r#"{ "type": "object", "maxProperties": 1 }"#)
            .unwrap();
        let mut step: Validate = bench.open("schema = 's.json'").unwrap();
        assert_eq!(bench.pass(&mut step, [json!({ "a": 1 })]), [json!({ "a": 1 })]);
        assert!(
            bench.pass(&mut step, [good])[0]["rejected"].as_str().unwrap().contains("maximum 1 properties")
        );
    }

    #[test]
    fn what_is_unique_passes_once_wherever_it_dies() {
        let batches: Vec<_> = (0..4)
            .map(|n| (0, (0..3).map(|m| json!({ "a": n * m, "b": n, "c": 9 - m })).collect()))
            .collect();
        let fields = "fields = { a = { unique = true }, c = { min = 8 } }";
        let out = Bench::new().survives::<Validate>(fields, &batches);
        let passed: Vec<_> = out.iter().filter_map(|(_, value)| value["a"].as_u64()).collect();
        // The third record of the second batch is rejected for its `c`, and so does not stand in the way of another.
        assert_eq!(passed, [0, 1, 2, 3]);
        assert_eq!(out[1].1["rejected"], "`a` is not unique: an earlier record has 0 too");
    }

    #[test]
    fn mistakes_are_told() {
        let bench = Bench::new();
        let error = bench.error::<Validate>("schema = { type = 'strin' }");
        assert!(
            error.message.starts_with("this is no JSON schema: `type`: fits nothing of what it may be ("),
            "{error}"
        );
        assert_eq!(error.span, Some(9..27));
        let error = bench.error::<Validate>("schema = { \"$ref\" = 'https://a.example/s.json' }");
        assert!(error.message.contains("https://a.example/s.json"), "{error}");
        let error = bench.error::<Validate>("schema = 'none.json'");
        assert!(error.message.starts_with("cannot read ") && error.span == Some(9..20), "{error:?}");
        let error = bench.error::<Validate>("fields = { a = { pattern = '(' } }");
        assert!(error.message.starts_with("\"(\" is no regular expression"), "{error}");
        assert_eq!(error.span, Some(27..30));
        let error = bench.error::<Validate>("fields = { a = { pattren = 'x' } }");
        assert!(error.message.contains("pattren") && error.span.is_some(), "{error:?}");
    }
}
