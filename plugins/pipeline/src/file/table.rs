//! Tables of the file that know where they are in it.

use std::ops::Range;

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{kind_of, near};
use crate::error::Error;

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table<'i> {
    pub(crate) span: Range<usize>,
    map: DeTable<'i>,
}

impl<'i> From<Spanned<DeTable<'i>>> for Table<'i> {
    fn from(table: Spanned<DeTable<'i>>) -> Self {
        Self { span: table.span(), map: table.into_inner() }
    }
}

impl<'i> Table<'i> {
    pub(crate) fn get(&self, key: &str) -> Option<&Spanned<DeValue<'i>>> {
        self.map.get(key)
    }

    /// Where a key is.
    pub(crate) fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.map.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Takes a table out of this one.
    pub(crate) fn take_table(&mut self, key: &str) -> Result<Option<Self>, Error> {
        let Some(value) = self.map.remove(key) else { return Ok(None) };
        table(value, &format!("[{key}]")).map(Some)
    }

    /// Takes an array of tables out of this one.
    pub(crate) fn take_tables(&mut self, key: &str) -> Result<Vec<Self>, Error> {
        let Some(value) = self.map.remove(key) else { return Ok(Vec::new()) };
        let (span, name) = (value.span(), format!("[[{key}]]"));
        match value.into_inner() {
            DeValue::Array(items) => items.into_iter().map(|item| table(item, &name)).collect(),
            other => Err(Error::new(format!("`{key}` is {}", kind_of(&other)))
                .hint(format!("begin each {key} with {name}; in YAML, write a list of them"))
                .at(span)),
        }
    }

    /// Takes these keys out of this table, as a table in the same place.
    pub(crate) fn split(&mut self, keys: &[&str]) -> Self {
        let mut map = DeTable::new();
        for (key, value) in keys.iter().filter_map(|key| self.map.remove_entry(*key)) {
            map.insert(key, value);
        }
        Self { span: self.span.clone(), map }
    }

    /// Fails at the first key that is not among these; `what` is such as `a field of the source jsonl`.
    pub(crate) fn check_names(&self, known: &[&str], what: &str) -> Result<(), Error> {
        let unknown = self.map.keys().find(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown else { return Ok(()) };
        Err(Error::new(format!("`{}` is not {what}", key.get_ref()))
            .hint(near::hint(key.get_ref(), known.iter().copied()))
            .at(key.span()))
    }

    /// The table as a type whose fields are known; `what` is as in [`Self::check_names`].
    pub(crate) fn read<T: DeserializeOwned + JsonSchema>(self, what: &str) -> Result<T, Error> {
        let schema = schema_for!(T);
        if let Some(properties) = schema.get("properties").and_then(|value| value.as_object()) {
            let known: Vec<_> = properties.keys().map(String::as_str).collect();
            self.check_names(&known, what)?;
        }
        self.deserialize()
    }

    /// The table as a type.
    pub(crate) fn deserialize<T: DeserializeOwned>(self) -> Result<T, Error> {
        let value = Spanned::new(self.span, DeValue::Table(self.map));
        Ok(T::deserialize(ValueDeserializer::from(value))?)
    }
}

fn table<'i>(value: Spanned<DeValue<'i>>, name: &str) -> Result<Table<'i>, Error> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(map) => Ok(Table { span, map }),
        other => Err(Error::new(format!("{name} has to be a table, but is {}", kind_of(&other))).at(span)),
    }
}
