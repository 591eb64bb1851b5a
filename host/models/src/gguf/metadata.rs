//! Keys and values: the few that matter are kept, everything else is checked and skipped.

use std::{
    collections::HashMap,
    io::{Read, Seek},
};

use super::{Fault, GgufError, cursor::Cursor};

/// The format allows 64 KiB, but real keys have some dozens of bytes, and each is kept to find duplicates.
const MAX_KEY: u64 = 1024;
/// The longest chat templates have some dozens of KiB.
const MAX_TEXT: u64 = 1 << 20;
/// Arrays inside arrays; real files have none.
const MAX_NESTING: u32 = 4;
/// Elements that must be visited one by one (strings, arrays) in all metadata together; the largest vocabularies
/// have some hundreds of thousands. This bounds the time that a hostile file can take.
const MAX_VISITED: u64 = 1 << 22;

/// The texts that somebody reads. All others are skipped.
const TEXTS: &[&str] = &[
    "general.architecture",
    "general.license",
    "general.name",
    "general.type",
    "tokenizer.chat_template",
    "tokenizer.ggml.model",
];

#[derive(Debug)]
enum Value {
    Unsigned(u64),
    Signed(i64),
    Text(String),
    Array(u64),
    /// A value that nobody reads, such as a float or a text that is not in [`TEXTS`].
    Other,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    value: Value,
}

/// The checked metadata of one file.
#[derive(Debug)]
pub(crate) struct Metadata(HashMap<String, Entry>);

impl Metadata {
    pub(super) fn read<R: Read + Seek>(cursor: &mut Cursor<R>, count: u64) -> Result<Self, GgufError> {
        let mut entries = HashMap::new();
        let mut visited = 0;
        for number in 1..=count {
            let offset = cursor.at();
            let key =
                read_key(cursor).map_err(|error| error.about(format_args!("metadata entry {number}")))?;
            let value = read_value(cursor, &key, &mut visited)
                .map_err(|error| error.about(format_args!("metadata {key:?}")))?;
            if entries.contains_key(&key) {
                return Err(GgufError::invalid(offset, format!("metadata {key:?} is there twice")));
            }
            entries.insert(key, Entry { offset, value });
        }
        Ok(Self(entries))
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// A text of the known ones.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.0.get(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many elements an array has.
    pub(crate) fn array_length(&self, key: &str) -> Option<u64> {
        match self.0.get(key)?.value {
            Value::Array(length) => Some(length),
            _ => None,
        }
    }

    /// A number that is not negative and fits 32 bits; absent where it is missing or not a whole number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u32>, GgufError> {
        let Some(entry) = self.0.get(key) else { return Ok(None) };
        let number = match entry.value {
            Value::Unsigned(number) => u32::try_from(number).map_err(|_| number.to_string()),
            Value::Signed(number) => u32::try_from(number).map_err(|_| number.to_string()),
            _ => return Ok(None),
        };
        number.map(Some).map_err(|found| {
            let message = format!("metadata {key:?} is {found}, but must be between 0 and {}", u32::MAX);
            GgufError::invalid(entry.offset, message)
        })
    }

    /// What the offsets of tensors are multiples of.
    pub(super) fn alignment(&self) -> Result<u64, GgufError> {
        const KEY: &str = "general.alignment";
        let Some(entry) = self.0.get(KEY) else { return Ok(32) };
        let found = match entry.value {
            Value::Unsigned(alignment) if alignment.is_power_of_two() => return Ok(alignment),
            Value::Unsigned(number) => number.to_string(),
            Value::Signed(number) => number.to_string(),
            _ => "no whole number".to_owned(),
        };
        let message = format!("metadata {KEY:?} is {found}, but must be a power of two");
        Err(GgufError::invalid(entry.offset, message))
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

fn read_value<R: Read + Seek>(
    cursor: &mut Cursor<R>,
    key: &str,
    visited: &mut u64,
) -> Result<Value, GgufError> {
    const WHAT: &str = "the value";
    let kind = read_kind(cursor, "the type of the value")?;
    Ok(match kind {
        Kind::U8 | Kind::Bool => Value::Unsigned(cursor.array::<1>(WHAT)?[0].into()),
        Kind::I8 => Value::Signed(i8::from_le_bytes(cursor.array(WHAT)?).into()),
        Kind::U16 => Value::Unsigned(u16::from_le_bytes(cursor.array(WHAT)?).into()),
        Kind::I16 => Value::Signed(i16::from_le_bytes(cursor.array(WHAT)?).into()),
        Kind::U32 => Value::Unsigned(cursor.u32(WHAT)?.into()),
        Kind::I32 => Value::Signed(i32::from_le_bytes(cursor.array(WHAT)?).into()),
        Kind::U64 => Value::Unsigned(cursor.u64(WHAT)?),
        Kind::I64 => Value::Signed(i64::from_le_bytes(cursor.array(WHAT)?)),
        Kind::F32 | Kind::F64 => {
            cursor.skip(kind.bytes(), WHAT)?;
            Value::Other
        }
        Kind::Text if TEXTS.contains(&key) => {
            let text = cursor.string(WHAT, MAX_TEXT)?;
            Value::Text(String::from_utf8_lossy(&text).into_owned())
        }
        Kind::Text => {
            cursor.skip_string(WHAT)?;
            Value::Other
        }
        Kind::Array => Value::Array(skip_array(cursor, 1, visited)?),
    })
}

/// Skips an array and says how many elements it had.
fn skip_array<R: Read + Seek>(
    cursor: &mut Cursor<R>,
    depth: u32,
    visited: &mut u64,
) -> Result<u64, GgufError> {
    if depth > MAX_NESTING {
        let message = format!("arrays are nested more than {MAX_NESTING} deep");
        return Err(GgufError::new(Fault::Excessive, cursor.at(), message));
    }
    let kind = read_kind(cursor, "the type of the array's elements")?;
    let offset = cursor.at();
    let count = cursor.count("the length of the array", kind.bytes(), u64::MAX)?;
    if !matches!(kind, Kind::Text | Kind::Array) {
        cursor.skip(count * kind.bytes(), "the array")?;
        return Ok(count);
    }
    *visited += count.min(MAX_VISITED + 1);
    if *visited > MAX_VISITED {
        let message = format!(
            "with {count} more, the arrays have more than the {MAX_VISITED} elements that are allowed"
        );
        return Err(GgufError::new(Fault::Excessive, offset, message));
    }
    match kind {
        Kind::Text => cursor.skip_strings(count, "a string of the array")?,
        _ => {
            for _ in 0..count {
                skip_array(cursor, depth + 1, visited)?;
            }
        }
    }
    Ok(count)
}

fn read_kind<R: Read + Seek>(cursor: &mut Cursor<R>, what: &str) -> Result<Kind, GgufError> {
    let offset = cursor.at();
    let number = cursor.u32(what)?;
    Kind::from_number(number).ok_or_else(|| {
        GgufError::invalid(offset, format!("{what} is {number}, but must be between 0 and 12"))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    fn from_number(number: u32) -> Option<Self> {
        const KINDS: [Kind; 13] = [
            Kind::U8,
            Kind::I8,
            Kind::U16,
            Kind::I16,
            Kind::U32,
            Kind::I32,
            Kind::F32,
            Kind::Bool,
            Kind::Text,
            Kind::Array,
            Kind::U64,
            Kind::I64,
            Kind::F64,
        ];
        KINDS.get(usize::try_from(number).ok()?).copied()
    }

    /// What one value takes, or takes at least.
    fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Text => 8,
            Self::Array => 12,
        }
    }
}
