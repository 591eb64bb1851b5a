//! What steps have in common: tables of fields, and how they go through a batch.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use toml::Spanned;

use super::expression::Expression;
use crate::error::Error;
use crate::node::Outcome;
use crate::record::Record;

/// A table of the pipeline file, in its order.
pub(super) struct Named<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut named = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    named.push(entry);
                }
                Ok(Named(named))
            }
        }
        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

/// An array of texts.
#[derive(Default)]
pub(super) struct Texts(pub(super) Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// Compiles the expressions of a table.
pub(super) fn expressions(table: Named<Spanned<String>>) -> Result<Vec<(String, Expression)>, Error> {
    table.0.into_iter().map(|(name, text)| Ok((name, Expression::parse(&text)?))).collect()
}

/// What becomes of a record that went well.
pub(super) enum Next {
    /// It goes on.
    Keep,
    /// It is left out.
    Drop,
    /// These go on in its place.
    Many(Vec<Record>),
}

/// What went wrong with a record.
pub(super) enum Trouble {
    /// It cannot be worked on: for people, why.
    Record(String),
    /// The step cannot go on.
    Step(Error),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Record(why)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Step(error)
    }
}

/// Works on one record after the other. Those that cannot be worked on are rejected, so they must not have been changed.
pub(super) fn each(
    batch: Vec<Record>,
    mut one: impl FnMut(&mut Record) -> Result<Next, Trouble>,
) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for mut record in batch {
        outcomes.push(match one(&mut record) {
            Ok(Next::Keep) => Outcome::One(record),
            Ok(Next::Drop) => Outcome::Drop,
            Ok(Next::Many(records)) => Outcome::Many(records),
            Err(Trouble::Record(why)) => Outcome::Reject(record, why),
            Err(Trouble::Step(error)) => return Err(error),
        });
    }
    Ok(outcomes)
}

/// The fields of a record.
pub(super) fn object(record: &mut Record) -> Result<&Map<String, Value>, String> {
    match record.value()? {
        Value::Object(map) => Ok(map),
        other => Err(not_an_object(other)),
    }
}

/// The fields of a record, to change.
pub(super) fn object_mut(record: &mut Record) -> Result<&mut Map<String, Value>, String> {
    object(record)?;
    match record.value_mut()? {
        Value::Object(map) => Ok(map),
        other => Err(not_an_object(other)),
    }
}

fn not_an_object(value: &Value) -> String {
    format!("it has no fields: it is {}", kind_of(value))
}

/// The type of a value, for people.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A text field.
pub(super) fn text<'r>(record: &'r mut Record, field: &str) -> Result<&'r str, String> {
    match object(record)?.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("the field `{field}` is no text but {}", kind_of(other))),
        None => Err(format!("there is no field `{field}`")),
    }
}
