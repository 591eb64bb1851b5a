//! Fewer fields.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Kind;
use super::columns::{Next, each, object_mut};
use crate::error::Error;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// The fields that stay, in this order. A record may lack some of them.
    fields: Vec<String>,
}

pub(crate) struct Select(Vec<String>);

impl Kind for Select {
    const NAME: &'static str = "select";
    const ABOUT: &'static str = "keeps some fields only";
    type Config = Kept;

    fn open(config: Kept, _: &Context) -> Result<Self, Error> {
        Ok(Self(config.fields))
    }
}

impl Step for Select {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let fields = object_mut(record)?;
            let mut all = std::mem::take(fields);
            fields.extend(self.0.iter().filter_map(|name| all.swap_remove_entry(name)));
            Ok(Next::Keep)
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removed {
    /// The fields that go. A record may lack some of them.
    fields: Vec<String>,
}

pub(crate) struct DropFields(Vec<String>);

impl Kind for DropFields {
    const NAME: &'static str = "drop-fields";
    const ABOUT: &'static str = "removes some fields";
    type Config = Removed;

    fn open(config: Removed, _: &Context) -> Result<Self, Error> {
        Ok(Self(config.fields))
    }
}

impl Step for DropFields {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            object_mut(record)?.retain(|name, _| !self.0.contains(name));
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
    fn fields_stay_in_the_order_that_is_asked_for_or_go() {
        let bench = Bench::new();
        let value = json!({ "a": 1, "b": 2, "c": 3 });
        let mut select: Select = bench.open("fields = ['c', 'x', 'a']").unwrap();
        assert_eq!(bench.pass(&mut select, [value.clone()])[0].to_string(), r#"{"c":3,"a":1}"#);
        let mut drop: DropFields = bench.open("fields = ['a', 'x']").unwrap();
        assert_eq!(bench.pass(&mut drop, [value, json!([1])])[0].to_string(), r#"{"b":2,"c":3}"#);
        assert_eq!(bench.pass(&mut drop, [json!([1])])[0]["rejected"], "it has no fields: it is an array");
    }
}
