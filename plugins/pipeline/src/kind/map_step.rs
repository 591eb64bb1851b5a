//! Fields from expressions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Kind;
use super::columns::{Named, Next, each, expressions, object_mut};
use super::expression::Expression;
use crate::error::Error;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Fields to set, and the expressions that give their values; each sees the record as it came.
    #[schemars(with = "BTreeMap<String, String>")]
    fields: Named<Spanned<String>>,
}

pub(crate) struct Map(Vec<(String, Expression)>);

impl Kind for Map {
    const NAME: &'static str = "map";
    const ABOUT: &'static str = "sets fields to the values of expressions";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        expressions(config.fields).map(Self)
    }
}

impl Step for Map {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let mut values = Vec::with_capacity(self.0.len());
            for (name, expression) in &self.0 {
                let value = expression.eval(record).map_err(|why| format!("the field `{name}`: {why}"))?;
                values.push((name.clone(), value));
            }
            object_mut(record)?.extend(values);
            Ok(Next::Keep)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn fields_are_set_from_the_record_as_it_came() {
        let bench = Bench::new();
        let mut map: Map = bench.open("fields = { n = 'n + 1', b = 'n * 10', a = '{\"n\": n}' }").unwrap();
        let out = bench.pass(&mut map, [json!({ "n": 1 }), json!({ "m": 1 }), json!(7)]);
        assert_eq!(out[0].to_string(), r#"{"n":2,"b":10,"a":{"n":1}}"#);
        assert_eq!(out[1], json!({ "rejected": "the field `n`: there is no field `n`", "data": { "m": 1 } }));
        assert_eq!(out[2]["rejected"], "the field `n`: there is no field `n`");
        let mut map: Map = bench.open("fields = { n = '1' }").unwrap();
        assert_eq!(bench.pass(&mut map, [json!(7)])[0]["rejected"], "it has no fields: it is a number");
        assert_eq!(bench.error::<Map>("fields = { n = '1 +' }").span, Some(18..19));
    }
}
