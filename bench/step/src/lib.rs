//! Counts the words of a text: a step as an author writes one. `bench pipeline` runs it as a plugin, and its code natively.

use inferno_sdk::Error;
use inferno_sdk::step::{Item, Outcome, Step};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The step.
pub struct Words;

/// There is nothing to configure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl Step for Words {
    type Config = Config;

    fn open(Config {}: Config) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        Ok(batch.into_iter().map(|item| count(item).into()).collect())
    }
}

fn count(item: Item) -> Result<Item, Outcome> {
    let mut data: Map<String, Value> = item.read()?;
    let words = data.get("text").and_then(Value::as_str).unwrap_or_default().split_whitespace().count();
    data.insert("words".to_owned(), words.into());
    item.with(&data)
}

inferno_sdk::export_step!(Words);
