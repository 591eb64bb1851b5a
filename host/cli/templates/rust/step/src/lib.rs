//! A step of a pipeline: adds the number of words of a field to each item.

use inferno_sdk::Error;
use inferno_sdk::step::{Item, Outcome, Step};
use serde::Deserialize;
use serde_json::Value;

struct Words {
    field: String,
}

/// What the pipeline configures, as `{ "field": "text" }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "text")]
    field: String,
}

fn text() -> String {
    "text".to_owned()
}

impl Step for Words {
    type Config = Config;

    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self { field: config.field })
    }

    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        Ok(batch.into_iter().map(|item| self.count(item).into()).collect())
    }
}

impl Words {
    fn count(&self, item: Item) -> Result<Item, Outcome> {
        let mut data: Value = item.read()?;
        let Some(text) = data[&self.field].as_str() else {
            return Err(Outcome::Reject(format!("it has no text in the field {:?}", self.field)));
        };
        data["words"] = text.split_whitespace().count().into();
        item.with(&data)
    }
}

inferno_sdk::export_step!(Words);

#[cfg(test)]
mod tests {
    use super::*;

    fn process(data: &str) -> Outcome {
        let mut step = Words::open(Config { field: text() }).unwrap();
        let item = Item { id: "1".to_owned(), data: data.to_owned() };
        step.process(vec![item]).unwrap().remove(0)
    }

    #[test]
    fn words_are_counted() {
        let Outcome::Emit(items) = process(r#"{"text":"a small fox"}"#) else { panic!("not emitted") };
        assert_eq!(items[0].data, r#"{"text":"a small fox","words":3}"#);
    }

    #[test]
    fn an_item_without_text_is_rejected() {
        assert!(matches!(process(r#"{"text":3}"#), Outcome::Reject(_)));
    }
}
