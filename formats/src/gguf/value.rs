//! Values: what is kept of one, and how one is written.

use std::io::{Read, Seek};

use super::cursor::Cursor;
use super::{Fault, GgufError, Keep};

/// The longest chat templates have some dozens of KiB.
const MAX_TEXT: u64 = 1 << 20;
/// Arrays inside arrays; real files have none.
const MAX_NESTING: u32 = 4;
/// Elements that must be visited one by one (strings, arrays) in all metadata together; the largest vocabularies
/// have some hundreds of thousands. This bounds the time that a hostile file can take.
const MAX_VISITED: u64 = 1 << 22;
/// Bytes of texts and arrays that are kept in all; the largest vocabularies, with merges, have some 10 MiB.
const MAX_KEPT: u64 = 64 << 20;

/// The texts that are facts. All others are skipped where only facts are kept.
const FACTS: &[&str] = &[
    "general.architecture",
    "general.license",
    "general.name",
    "general.type",
    "tokenizer.chat_template",
    "tokenizer.ggml.model",
];

/// One value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are named as the format names its types")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
    /// A text that is there and was not kept.
    Skipped,
}

/// Elements of one kind. Where only facts are kept it has a length and no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// What each of them is.
    pub kind: Kind,
    /// How many there are.
    pub length: u64,
    /// They, one after the other as the file has them.
    pub bytes: Vec<u8>,
}

impl Array {
    /// An array of texts.
    pub fn of_texts<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut array = Self { kind: Kind::Text, length: 0, bytes: Vec::new() };
        for text in texts {
            put_text(text.as_ref(), &mut array.bytes);
            array.length += 1;
        }
        array
    }

    /// An array of numbers of 32 bits with a sign.
    pub fn of_i32(numbers: impl IntoIterator<Item = i32>) -> Self {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(i32::to_le_bytes).collect();
        Self { kind: Kind::I32, length: bytes.len() as u64 / 4, bytes }
    }

    /// An array of numbers of 32 bits with a point.
    pub fn of_f32(numbers: impl IntoIterator<Item = f32>) -> Self {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        Self { kind: Kind::F32, length: bytes.len() as u64 / 4, bytes }
    }

    /// Its texts, which need not be UTF-8; none where it has others or was not kept.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = if self.kind == Kind::Text { self.bytes.as_slice() } else { &[] };
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let (text, after) = after.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
            rest = after;
            Some(text)
        })
    }

    /// Its whole numbers; none where it has others or was not kept.
    pub fn whole(&self) -> impl Iterator<Item = i128> {
        let size = self.kind.bytes() as usize;
        self.bytes
            .chunks_exact(size)
            .filter_map(|bytes| number(self.kind, bytes).and_then(|value| value.whole()))
    }

    /// Its numbers; none where it has others or was not kept.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        let size = self.kind.bytes() as usize;
        self.bytes
            .chunks_exact(size)
            .filter_map(|bytes| number(self.kind, bytes).and_then(|value| value.float()))
    }
}

impl Value {
    /// A whole number.
    pub fn whole(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(number) => number.into(),
            Self::I8(number) => number.into(),
            Self::U16(number) => number.into(),
            Self::I16(number) => number.into(),
            Self::U32(number) => number.into(),
            Self::I32(number) => number.into(),
            Self::U64(number) => number.into(),
            Self::I64(number) => number.into(),
            Self::Bool(yes) => yes.into(),
            _ => return None,
        })
    }

    /// A number of any kind.
    pub fn float(&self) -> Option<f64> {
        match *self {
            Self::F32(number) => Some(number.into()),
            Self::F64(number) => Some(number),
            _ => self.whole().map(|number| number as f64),
        }
    }

    /// Its number in the format, and then itself, at the end of `out`. One that was skipped cannot be written.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut put = |kind: Kind, bytes: &[u8]| {
            out.extend(kind.number().to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Self::U8(number) => put(Kind::U8, &number.to_le_bytes()),
            Self::I8(number) => put(Kind::I8, &number.to_le_bytes()),
            Self::U16(number) => put(Kind::U16, &number.to_le_bytes()),
            Self::I16(number) => put(Kind::I16, &number.to_le_bytes()),
            Self::U32(number) => put(Kind::U32, &number.to_le_bytes()),
            Self::I32(number) => put(Kind::I32, &number.to_le_bytes()),
            Self::F32(number) => put(Kind::F32, &number.to_le_bytes()),
            Self::Bool(yes) => put(Kind::Bool, &[(*yes).into()]),
            Self::U64(number) => put(Kind::U64, &number.to_le_bytes()),
            Self::I64(number) => put(Kind::I64, &number.to_le_bytes()),
            Self::F64(number) => put(Kind::F64, &number.to_le_bytes()),
            Self::Text(text) => {
                out.extend(Kind::Text.number().to_le_bytes());
                put_text(text.as_bytes(), out);
            }
            Self::Array(array) => {
                if array.length > 0 && array.bytes.is_empty() {
                    return Err("an array that was not kept cannot be written".to_owned());
                }
                out.extend(Kind::Array.number().to_le_bytes());
                out.extend(array.kind.number().to_le_bytes());
                out.extend(array.length.to_le_bytes());
                out.extend(&array.bytes);
            }
            Self::Skipped => return Err("a text that was not kept cannot be written".to_owned()),
        }
        Ok(())
    }
}

pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}

/// What may still be visited and kept.
pub(super) struct Budget {
    keep: Keep,
    visited: u64,
    kept: u64,
}

impl Budget {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, visited: 0, kept: 0 }
    }

    fn visit(&mut self, offset: u64, count: u64) -> Result<(), GgufError> {
        self.visited += count.min(MAX_VISITED + 1);
        if self.visited <= MAX_VISITED {
            return Ok(());
        }
        let message = format!(
            "with {count} more, the arrays have more than the {MAX_VISITED} elements that are allowed"
        );
        Err(GgufError::new(Fault::Excessive, offset, message))
    }

    fn keep(&mut self, offset: u64, bytes: u64) -> Result<(), GgufError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept <= MAX_KEPT {
            return Ok(());
        }
        let message =
            format!("with {bytes} bytes more, the values have more than the {MAX_KEPT} that are allowed");
        Err(GgufError::new(Fault::Excessive, offset, message))
    }
}

pub(super) fn read<R: Read + Seek>(
    cursor: &mut Cursor<R>,
    key: &str,
    budget: &mut Budget,
) -> Result<Value, GgufError> {
    const WHAT: &str = "the value";
    let kind = read_kind(cursor, "the type of the value")?;
    match kind {
        Kind::Text if budget.keep == Keep::All || FACTS.contains(&key) => {
            let offset = cursor.at();
            let text = cursor.string(WHAT, MAX_TEXT)?;
            budget.keep(offset, text.len() as u64)?;
            Ok(Value::Text(
                String::from_utf8(text)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ))
        }
        Kind::Text => cursor.skip_string(WHAT).map(|()| Value::Skipped),
        Kind::Array => read_array(cursor, 1, budget).map(Value::Array),
        kind => {
            let mut bytes = [0; 8];
            let offset = cursor.at();
            let bytes = &mut bytes[..kind.bytes() as usize];
            cursor.fill(bytes, WHAT)?;
            number(kind, bytes).ok_or_else(|| GgufError::invalid(offset, "the value is no number"))
        }
    }
}

/// Reads an array, and where only facts are kept, its length.
fn read_array<R: Read + Seek>(
    cursor: &mut Cursor<R>,
    depth: u32,
    budget: &mut Budget,
) -> Result<Array, GgufError> {
    if depth > MAX_NESTING {
        let message = format!("arrays are nested more than {MAX_NESTING} deep");
        return Err(GgufError::new(Fault::Excessive, cursor.at(), message));
    }
    let kind = read_kind(cursor, "the type of the array's elements")?;
    let offset = cursor.at();
    let length = cursor.count("the length of the array", kind.bytes(), u64::MAX)?;
    let mut array = Array { kind, length, bytes: Vec::new() };
    if matches!(kind, Kind::Text | Kind::Array) {
        budget.visit(offset, length)?;
    }
    let keep = budget.keep == Keep::All;
    match kind {
        Kind::Text if keep => {
            for _ in 0..length {
                let text = cursor.string("a string of the array", MAX_TEXT)?;
                budget.keep(offset, text.len() as u64 + kind.bytes())?;
                put_text(&text, &mut array.bytes);
            }
        }
        Kind::Text => cursor.skip_strings(length, "a string of the array")?,
        Kind::Array => {
            for _ in 0..length {
                let inner = read_array(cursor, depth + 1, budget)?;
                if keep {
                    budget.keep(offset, kind.bytes())?;
                    array.bytes.extend(inner.kind.number().to_le_bytes());
                    array.bytes.extend(inner.length.to_le_bytes());
                    array.bytes.extend(inner.bytes);
                }
            }
        }
        kind if keep => {
            let bytes = length * kind.bytes();
            budget.keep(offset, bytes)?;
            // It is in the file and within the budget.
            array.bytes = vec![0; bytes as usize];
            cursor.fill(&mut array.bytes, "the array")?;
        }
        kind => cursor.skip(length * kind.bytes(), "the array")?,
    }
    Ok(array)
}

fn read_kind<R: Read + Seek>(cursor: &mut Cursor<R>, what: &str) -> Result<Kind, GgufError> {
    let offset = cursor.at();
    let number = cursor.u32(what)?;
    Kind::from_number(number).ok_or_else(|| {
        GgufError::invalid(offset, format!("{what} is {number}, but must be between 0 and 12"))
    })
}

/// A number of this kind from as many bytes as it takes.
fn number(kind: Kind, bytes: &[u8]) -> Option<Value> {
    Some(match kind {
        Kind::U8 => Value::U8(*bytes.first()?),
        Kind::Bool => Value::Bool(*bytes.first()? != 0),
        Kind::I8 => Value::I8(i8::from_le_bytes(bytes.try_into().ok()?)),
        Kind::U16 => Value::U16(u16::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I16 => Value::I16(i16::from_le_bytes(bytes.try_into().ok()?)),
        Kind::U32 => Value::U32(u32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I32 => Value::I32(i32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::F32 => Value::F32(f32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::U64 => Value::U64(u64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I64 => Value::I64(i64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::F64 => Value::F64(f64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Text | Kind::Array => return None,
    })
}

/// The types of values, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are named as the format names its types")]
pub enum Kind {
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

    fn number(self) -> u32 {
        self as u32
    }

    /// What one value takes, or takes at least.
    pub fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Text => 8,
            Self::Array => 12,
        }
    }
}
