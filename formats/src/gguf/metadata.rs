//! Keys and values.

use std::collections::HashMap;
use std::io::{Read, Seek};

use super::cursor::Cursor;
use super::value::{self, Value};
use super::{ALIGNMENT, GgufError, Keep, Part};

/// The format allows 64 KiB, but real keys have some dozens of bytes, and each is kept to find duplicates.
const MAX_KEY: u64 = 1024;

#[derive(Debug)]
struct Entry {
    key: String,
    offset: u64,
    value: Value,
}

/// The checked metadata of one file, in its order.
#[derive(Debug, Default)]
pub struct Metadata {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Metadata {
    pub(super) fn read<R: Read + Seek>(
        cursor: &mut Cursor<R>,
        count: u64,
        keep: Keep,
    ) -> Result<Self, GgufError> {
        let mut all = Self::default();
        let mut budget = value::Budget::new(keep);
        for number in 1..=count {
            let offset = cursor.at();
            let key =
                read_key(cursor).map_err(|error| error.about(format_args!("metadata entry {number}")))?;
            let value = value::read(cursor, &key, &mut budget)
                .map_err(|error| error.about(format_args!("metadata {key:?}")))?;
            if all.places.contains_key(&key) {
                return Err(GgufError::invalid(offset, format!("metadata {key:?} is there twice")));
            }
            all.places.insert(key.clone(), all.entries.len());
            all.entries.push(Entry { key, offset, value });
        }
        Ok(all)
    }

    /// Keys and values in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), &entry.value))
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a key stands for.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A text that was kept.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many elements an array has.
    pub fn array_length(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Array(array) => Some(array.length),
            _ => None,
        }
    }

    /// A number that is not negative and fits 32 bits; absent where it is missing or not a whole number.
    pub fn number(&self, key: &str) -> Result<Option<u32>, GgufError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let Some(number) = entry.value.whole() else { return Ok(None) };
        u32::try_from(number).map(Some).map_err(|_| {
            let message = format!("metadata {key:?} is {number}, but must be between 0 and {}", u32::MAX);
            GgufError::invalid(entry.offset, message).part(Part::Metadata)
        })
    }

    /// What the offsets of tensors are multiples of.
    pub(super) fn alignment(&self) -> Result<u64, GgufError> {
        const KEY: &str = "general.alignment";
        let Some(entry) = self.entry(KEY) else { return Ok(ALIGNMENT) };
        let found = match entry.value.whole().map(|number| (u64::try_from(number), number)) {
            Some((Ok(alignment), _)) if alignment.is_power_of_two() => return Ok(alignment),
            Some((_, number)) => number.to_string(),
            None => "no whole number".to_owned(),
        };
        let message = format!("metadata {KEY:?} is {found}, but must be a power of two");
        Err(GgufError::invalid(entry.offset, message))
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(*self.places.get(key)?)
    }
}

fn read_key<R: Read + Seek>(cursor: &mut Cursor<R>) -> Result<String, GgufError> {
    let offset = cursor.at();
    let key = cursor.string("the key", MAX_KEY)?;
    if key.is_empty() {
        return Err(GgufError::invalid(offset, "the key is empty"));
    }
    String::from_utf8(key).map_err(|_| GgufError::invalid(offset, "the key is not UTF-8"))
}
