//! Keeps values of secrets off the tape: where one stands in a text, the tape has a mark with its name.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::lines::hex;

/// The secrets of a run.
pub(super) struct Cover {
    salt: String,
    /// Values and their marks; longer values first, since one may be part of another.
    secrets: Mutex<Vec<(String, String)>>,
}

impl Cover {
    pub(super) fn new(salt: &str) -> Self {
        Self { salt: salt.to_owned(), secrets: Mutex::default() }
    }

    pub(super) fn add(&self, name: &str, value: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = secrets.iter().any(|(known, _)| known == value);
        if !known && !value.is_empty() {
            // The salt keeps a plugin from writing marks of its own.
            secrets.push((value.to_owned(), format!("<secret {name} {}>", self.salt)));
            secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        }
    }

    pub(super) fn print_of(&self, value: &str) -> String {
        let hash = Sha256::new().chain_update(&self.salt).chain_update([0]).chain_update(value);
        format!("sha256:{}", hex(&hash.finalize()))
    }

    /// Marks in place of values.
    pub(super) fn hide(&self, value: Value) -> Value {
        self.exchange(value, |(value, mark)| (value, mark))
    }

    /// Values in place of marks.
    pub(super) fn show(&self, value: Value) -> Value {
        self.exchange(value, |(value, mark)| (mark, value))
    }

    fn exchange(&self, value: Value, way: fn(&(String, String)) -> (&String, &String)) -> Value {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if secrets.is_empty() {
            return value;
        }
        let pairs: Vec<(&String, &String)> = secrets.iter().map(way).collect();
        in_texts(value, &pairs)
    }
}

fn in_texts(value: Value, pairs: &[(&String, &String)]) -> Value {
    match value {
        Value::String(text) => Value::String(replaced(&text, pairs)),
        Value::Array(values) => values.into_iter().map(|value| in_texts(value, pairs)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (replaced(&key, pairs), in_texts(value, pairs))).collect()
        }
        other => other,
    }
}

/// In one pass, so that nothing is found in what has just been put in.
fn replaced(text: &str, pairs: &[(&String, &String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match pairs.iter().find(|(from, _)| rest.starts_with(from.as_str())) {
            Some((from, to)) => {
                out.push_str(to);
                rest = &rest[from.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_hidden_and_shown_again() {
        let cover = Cover::new("s");
        cover.add("short", "sec");
        cover.add("long", "secret-1");
        let value = json!({ "a": ["Bearer secret-1", 7], "b": "sec secsecret-1", "c": null });
        let hidden = cover.hide(value.clone());
        assert_eq!(
            hidden,
            json!({ "a": ["Bearer <secret long s>", 7], "b": "<secret short s> <secret short s><secret long s>", "c": null })
        );
        assert_eq!(cover.show(hidden), value);
    }

    #[test]
    fn prints_depend_on_value_and_salt() {
        let (one, two) = (Cover::new("1"), Cover::new("2"));
        assert_eq!(one.print_of("x"), one.print_of("x"));
        assert_ne!(one.print_of("x"), one.print_of("y"));
        assert_ne!(one.print_of("x"), two.print_of("x"));
    }
}
