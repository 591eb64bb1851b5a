//! Only records for which a condition holds.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Kind;
use super::columns::{Next, each};
use super::expression::Expression;
use crate::error::Error;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// An expression; records for which it holds go on, all others are dropped.
    #[schemars(with = "String")]
    keep: Spanned<String>,
}

pub(crate) struct Filter(Expression);

impl Kind for Filter {
    const NAME: &'static str = "filter";
    const ABOUT: &'static str = "keeps records for which an expression holds, and drops the others";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        Expression::parse(&config.keep).map(Self)
    }
}

impl Step for Filter {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let holds = self.0.holds(record)?;
            Ok(if holds { Next::Keep } else { Next::Drop })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn what_does_not_hold_is_dropped_and_what_cannot_be_told_is_rejected() {
        let bench = Bench::new();
        let mut filter: Filter = bench.open("keep = 'n > 2 or lang == \"de\"'").unwrap();
        let values = [json!({ "n": 1, "lang": "fr" }), json!({ "n": 3 }), json!({ "n": 0, "lang": "de" })];
        assert_eq!(bench.pass(&mut filter, values.clone()), [&values[1], &values[2]].map(Clone::clone));
        let missing = bench.pass(&mut filter, [json!({ "n": 1 })]);
        assert_eq!(missing, [json!({ "rejected": "there is no field `lang`", "data": { "n": 1 } })]);
        let mut filter: Filter = bench.open("keep = 'n | length > 2'").unwrap();
        assert!(
            bench.pass(&mut filter, [json!({ "n": 1 })])[0]["rejected"].as_str().unwrap().contains("length")
        );
    }
}
