//! Each only once: equal records, or texts that are nearly the same.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::columns::{Next, each};
use super::expression::Expression;
use super::seen::{self, Seen};
use super::{Kind, order};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

mod near;

use near::Near;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// An expression for what has to be different, such as `url` or `text | lower`. Unless given: the whole record.
    #[schemars(with = "Option<String>")]
    by: Option<Spanned<String>>,
    /// Drops texts that are nearly the same too: how much of their groups of three words they have in common at least,
    /// from 0 to 1, such as 0.8. It is estimated, within 0.04 or so.
    #[schemars(with = "Option<f64>")]
    near: Option<Spanned<f64>>,
    /// How many different ones it may remember; one more is an error. Unless given: 2,000,000, or 100,000 with `near`.
    most: Option<usize>,
}

pub(crate) struct Dedupe {
    by: Option<Expression>,
    how: How,
}

enum How {
    Exact(Seen),
    Near(Box<Near>),
}

impl Kind for Dedupe {
    const NAME: &'static str = "dedupe";
    const ABOUT: &'static str = "drops records that equal an earlier one, or nearly";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        let by = config.by.as_ref().map(Expression::parse).transpose()?;
        let how = match config.near {
            None => How::Exact(Seen::new(config.most.unwrap_or_else(seen::usual))),
            Some(near) if *near.get_ref() > 0.0 && *near.get_ref() <= 1.0 => {
                How::Near(Box::new(Near::new(near.into_inner(), config.most.unwrap_or(100_000))))
            }
            Some(near) => {
                return Err(Error::new(format!("{} is no share", near.get_ref()))
                    .hint("write a number above 0 and up to 1, such as 0.8")
                    .at(near.span()));
            }
        };
        Ok(Self { by, how })
    }
}

impl Step for Dedupe {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let Self { by, how } = self;
        each(batch, |record| {
            let value = match by {
                Some(by) => by.eval(record)?,
                None => record.value()?.clone(),
            };
            let is_new = match how {
                How::Exact(seen) => seen.insert(Seen::print(&order::bytes(&value)))?,
                How::Near(near) => match value {
                    Value::String(text) => near.insert(&text)?,
                    other => near.insert(&other.to_string())?,
                },
            };
            Ok(if is_new { Next::Keep } else { Next::Drop })
        })
    }

    fn save(&mut self) -> Result<Saved, Error> {
        Ok(match &mut self.how {
            How::Exact(seen) => seen.save(),
            How::Near(near) => near.save(),
        })
    }

    fn restore(&mut self, piece: &[u8]) -> Result<(), Error> {
        match &mut self.how {
            How::Exact(seen) => seen.restore(piece),
            How::Near(near) => near.restore(piece),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn each_passes_once_wherever_it_dies() {
        let batches: Vec<_> =
            (0..4).map(|n| (0, (0..4).map(|m| json!({ "n": (n * m) % 5, "m": 0 })).collect())).collect();
        let out = Bench::new().survives::<Dedupe>("", &batches);
        assert_eq!(out.iter().map(|(_, value)| &value["n"]).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_compared_is_up_to_the_file() {
        let bench = Bench::new();
        let values = [
            json!({ "a": 1, "b": "x" }),
            json!({ "b": "x", "a": 1.0 }),
            json!({ "a": 2, "b": "X" }),
            json!({ "a": 3 }),
        ];
        let mut whole: Dedupe = bench.open("").unwrap();
        assert_eq!(bench.pass(&mut whole, values.clone()).len(), 3);
        let mut by: Dedupe = bench.open("by = 'b | lower'").unwrap();
        let out = bench.pass(&mut by, values.clone());
        assert_eq!(out[0], values[0]);
        assert_eq!(out[1], json!({ "rejected": "there is no field `b`", "data": { "a": 3 } }));
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn near_texts_are_dropped_wherever_it_dies() {
        let text = |n: usize| {
            let words: Vec<_> = (0..60).map(|word| format!("w{}", (word * (n + 3)) % 97)).collect();
            words.join(" ")
        };
        let batches: Vec<_> = (0..5)
            .map(|n| {
                let near = text(n).replacen("w0", "other", 1).to_uppercase();
                (0, vec![json!({ "t": text(n) }), json!({ "t": near }), json!({ "t": text(n / 2) })])
            })
            .collect();
        let out = Bench::new().survives::<Dedupe>("by = 't'\nnear = 0.8", &batches);
        assert_eq!(
            out.iter().map(|(_, value)| value["t"].clone()).collect::<Vec<_>>(),
            (0..5).map(text).collect::<Vec<_>>()
        );
        let bench = Bench::new();
        assert_eq!(bench.error::<Dedupe>("near = 80.0").span, Some(7..11));
    }

    #[test]
    fn one_more_than_it_may_remember_is_an_error() {
        let bench = Bench::new();
        for fields in ["most = 2", "most = 2\nnear = 0.9"] {
            let mut step: Dedupe = bench.open(fields).unwrap();
            let batch = (0..3).map(|n| Record::from_value("x", json!(format!("number {n}")))).collect();
            let error = step.process(0, batch).unwrap_err();
            assert!(error.message.contains("more than 2 different ones"), "{error}");
        }
    }
}
