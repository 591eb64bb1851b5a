//! Capabilities that are held or not.

use toml::Value;

use super::{Ask, Kind};

pub(crate) struct Switch {
    pub(crate) key: &'static str,
    pub(crate) interfaces: &'static [&'static str],
    pub(crate) sentence: &'static str,
    pub(crate) never: &'static str,
}

impl Kind for Switch {
    fn key(&self) -> &'static str {
        self.key
    }

    fn interfaces(&self) -> &'static [&'static str] {
        self.interfaces
    }

    fn never(&self) -> &'static str {
        self.never
    }

    fn split(&self, value: &Value) -> Vec<Ask> {
        let ask = Ask { sentence: self.sentence.to_owned(), ..Ask::new(self.key, None, value.clone()) };
        if held(value) { vec![ask] } else { Vec::new() }
    }

    fn parse(&self, word: &str, _asked: &Value) -> Result<Value, String> {
        match word {
            "true" => Ok(Value::Boolean(true)),
            _ => Err(format!("there is nothing to choose about {}; write just \"{0}\"", self.key)),
        }
    }

    fn union(&self, held_now: &Value, more: &Value) -> Value {
        Value::Boolean(held(held_now) || held(more))
    }

    fn without(&self, held_now: &Value, less: &Value) -> Result<Option<Value>, String> {
        Ok((held(held_now) && !held(less)).then_some(Value::Boolean(true)))
    }

    fn within(&self, value: &Value, bound: &Value) -> bool {
        !held(value) || held(bound)
    }

    fn meets(&self, value: &Value, other: &Value) -> bool {
        held(value) && held(other)
    }
}

fn held(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}
