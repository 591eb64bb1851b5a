//! The use of models: patterns for their names, and at most so many tokens per call.

use toml::{Table, Value};

use super::globs::{covers, meet, read};
use super::list::{items, without};
use super::{Ask, Kind};
use crate::text::visible;

const MODELS: &str = "models";
const TOKENS: &str = "tokens_per_call";

pub(crate) struct Inference;

impl Kind for Inference {
    fn key(&self) -> &'static str {
        "inference"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["inferno:host/inference"]
    }

    fn never(&self) -> &'static str {
        "run a model"
    }

    fn split(&self, value: &Value) -> Vec<Ask> {
        let tokens = tokens(value);
        let limit = tokens.map(|tokens| format!(", for at most {tokens} tokens per request"));
        let ask = |pattern: String| {
            let which = match visible(&pattern) {
                all if all == "*" => "any model".to_owned(),
                name if name.contains(['*', '?']) => format!("the models whose names match \"{name}\""),
                name => format!("the model \"{name}\""),
            };
            Ask {
                sentence: format!("run {which}{}", limit.as_deref().unwrap_or_default()),
                ..Ask::new(self.key(), Some(&pattern), make(vec![pattern.clone()], tokens))
            }
        };
        models(value).into_iter().map(ask).collect()
    }

    fn parse(&self, word: &str, _asked: &Value) -> Result<Value, String> {
        read(word).map(|pattern| make(vec![pattern], None))
    }

    fn union(&self, held: &Value, more: &Value) -> Value {
        let mut all = models(held);
        for pattern in models(more) {
            if !all.iter().any(|held| covers(held, &pattern)) {
                all.push(pattern);
            }
        }
        make(all, tokens(held).or(tokens(more)))
    }

    fn without(&self, held: &Value, less: &Value) -> Result<Option<Value>, String> {
        let rest = without(&models(held), &models(less), self.key(), covers, meet)?;
        Ok((!rest.is_empty()).then(|| make(rest, tokens(held))))
    }

    fn within(&self, value: &Value, bound: &Value) -> bool {
        let (patterns, bounds) = (models(value), models(bound));
        let fewer = match (tokens(value), tokens(bound)) {
            (_, None) => true,
            (Some(value), Some(bound)) => value <= bound,
            (None, Some(_)) => false,
        };
        let covered = |pattern: &String| bounds.iter().any(|bound| covers(bound, pattern));
        patterns.is_empty() || fewer && patterns.iter().all(covered)
    }

    fn meets(&self, value: &Value, other: &Value) -> bool {
        let others = models(other);
        models(value).iter().any(|pattern| others.iter().any(|other| meet(pattern, other)))
    }
}

fn make(models: Vec<String>, tokens: Option<i64>) -> Value {
    let mut table = Table::new();
    table.insert(MODELS.to_owned(), Value::Array(models.into_iter().map(Value::String).collect()));
    if let Some(tokens) = tokens {
        table.insert(TOKENS.to_owned(), Value::Integer(tokens));
    }
    Value::Table(table)
}

fn models(value: &Value) -> Vec<String> {
    value.get(MODELS).map(items).unwrap_or_default()
}

fn tokens(value: &Value) -> Option<i64> {
    value.get(TOKENS).and_then(Value::as_integer)
}
