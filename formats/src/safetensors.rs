//! Safetensors: a length, a header in JSON, and the tensors' bytes, as <https://github.com/huggingface/safetensors>
//! describes it.

mod error;
mod head;

use std::fmt;
use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

pub use error::SafetensorsError;
pub use head::Head;

/// The format allows 100 MB; the largest models have some MiB.
const MAX_HEADER: u64 = 16 << 20;
const MAX_TENSORS: usize = 1 << 17;
const MAX_DIMENSIONS: usize = 8;

/// How numbers are stored, one after the other and little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the variants are named as the format names its types")]
#[serde(rename_all = "UPPERCASE")]
pub enum Dtype {
    Bool,
    U8,
    I8,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    F64,
    I64,
    U64,
}

impl Dtype {
    /// Bytes that one takes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// As the format names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::I16 => "I16",
            Self::U16 => "U16",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I32 => "I32",
            Self::U32 => "U32",
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::I64 => "I64",
            Self::U64 => "U64",
        }
    }
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Unique in its file.
    pub name: String,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Elements in each dimension, the one that lies closest together (a row) last.
    pub shape: Vec<u64>,
    /// Where its data begins, in bytes from the start of the file.
    pub offset: u64,
    /// Bytes that its data takes.
    pub bytes: u64,
}

/// The checked content of a header.
#[derive(Debug)]
pub struct Contents {
    /// What the file says about itself besides, in its order.
    pub metadata: Vec<(String, String)>,
    /// Ordered by where they lie.
    pub tensors: Vec<Tensor>,
}

/// Reads a header from `reader`, which must stand at its start and is taken to hold `size` bytes. Where it ends well,
/// the tensors fill the rest of the file, as the format demands: no byte belongs to two of them or to none.
pub fn read(mut reader: impl Read + Seek, size: u64) -> Result<Contents, SafetensorsError> {
    let length = header_length(&mut reader, size)?;
    // At most `MAX_HEADER`, and all of it is in the file.
    let mut json = vec![0; length as usize];
    reader
        .seek(SeekFrom::Start(8))
        .and_then(|_| reader.read_exact(&mut json))
        .map_err(|error| SafetensorsError::new(8, format!("the header could not be read: {error}")))?;
    let header: Header = serde_json::from_slice(&json)
        .map_err(|error| SafetensorsError::new(8, format!("the header is not what it should be: {error}")))?;
    let data = 8 + length;
    let mut tensors = Vec::with_capacity(header.tensors.len());
    for (name, entry) in header.tensors {
        let tensor = entry.place(name, data, size).map_err(|message| SafetensorsError::new(8, message))?;
        tensors.push(tensor);
    }
    tensors.sort_by_key(|tensor| (tensor.offset, tensor.bytes));
    check_layout(&tensors, data, size)?;
    Ok(Contents { metadata: header.metadata, tensors })
}

fn header_length(reader: &mut impl Read, size: u64) -> Result<u64, SafetensorsError> {
    let mut length = [0; 8];
    reader.read_exact(&mut length).map_err(|error| {
        SafetensorsError::new(0, format!("the length of the header could not be read: {error}"))
    })?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(SafetensorsError::new(
            0,
            format!("the header is said to have {length} bytes, but at most {MAX_HEADER} are allowed"),
        ));
    }
    if length > size.saturating_sub(8) {
        return Err(SafetensorsError::new(
            0,
            format!("the header is said to have {length} bytes, but the file has only {size} in all"),
        ));
    }
    Ok(length)
}

/// No tensor begins before the last one ends or after it.
fn check_layout(tensors: &[Tensor], data: u64, size: u64) -> Result<(), SafetensorsError> {
    let mut end = data;
    for tensor in tensors {
        if tensor.offset != end {
            let how = if tensor.offset < end { "inside the one before it" } else { "after a hole" };
            let message = format!("tensor {:?} begins {how}", tensor.name);
            return Err(SafetensorsError::new(tensor.offset, message));
        }
        end += tensor.bytes;
    }
    if end != size {
        return Err(SafetensorsError::new(
            end,
            format!("the last tensor ends here, but the file has {size} bytes"),
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Entry {
    fn place(self, name: String, data: u64, size: u64) -> Result<Tensor, String> {
        let Self { dtype, shape, data_offsets: (begin, end) } = self;
        if shape.len() > MAX_DIMENSIONS {
            return Err(format!(
                "tensor {name:?} has {} dimensions, at most {MAX_DIMENSIONS} are allowed",
                shape.len()
            ));
        }
        let bytes = shape.iter().try_fold(dtype.bytes(), |all, &n| all.checked_mul(n));
        let lies = end.checked_sub(begin);
        if bytes.is_none() || bytes != lies {
            return Err(format!(
                "tensor {name:?} of shape {shape:?} in {} does not fit the bytes {begin} to {end} of the data",
                dtype.name()
            ));
        }
        if data.checked_add(end).is_none_or(|end| end > size) {
            return Err(format!(
                "tensor {name:?} ends at byte {end} of the data, but the file has only {size} in all"
            ));
        }
        Ok(Tensor { name, dtype, shape, offset: data + begin, bytes: end - begin })
    }
}

#[derive(Default)]
struct Header {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, Entry)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an entry for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                header.metadata = map.next_value::<Texts>()?.0;
                continue;
            }
            if header.tensors.len() == MAX_TENSORS {
                return Err(de::Error::custom(format_args!("there are more than {MAX_TENSORS} tensors")));
            }
            if !names.insert(name.clone()) {
                return Err(de::Error::custom(format_args!("tensor {name:?} is there twice")));
            }
            header.tensors.push((name, map.next_value()?));
        }
        Ok(header)
    }
}

struct Texts(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Texts(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + data, 0);
        file
    }

    fn parse(bytes: &[u8]) -> Result<Contents, SafetensorsError> {
        read(Cursor::new(bytes), bytes.len() as u64)
    }

    fn refused(header: &str, data: usize, words: &str) {
        let error = parse(&file(header, data)).expect_err("refused").to_string();
        assert!(error.contains(words), "{words:?} is not in: {error}");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut head = Head::new();
        head.say("format", "pt");
        head.add("a.weight", Dtype::BF16, &[2, 3]).unwrap();
        head.add("b", Dtype::F32, &[]).unwrap();
        head.add("none", Dtype::I64, &[0, 4]).unwrap();
        let mut bytes = head.to_bytes();
        let start = bytes.len() as u64;
        assert_eq!(start % 8, 0);
        bytes.resize(bytes.len() + head.data_bytes() as usize, 0);
        let back = parse(&bytes).unwrap();
        assert_eq!(back.metadata, [("format".to_owned(), "pt".to_owned())]);
        let told: Vec<_> =
            back.tensors.iter().map(|t| (t.name.as_str(), t.dtype, t.offset - start, t.bytes)).collect();
        assert_eq!(
            told,
            [("a.weight", Dtype::BF16, 0, 12), ("b", Dtype::F32, 12, 4), ("none", Dtype::I64, 16, 0)]
        );
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let one = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"w": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}}}"#)
        };
        refused("[]", 0, "an object with an entry for each tensor");
        refused("{", 0, "EOF");
        refused(&one("F7", "[1]", "[0, 4]"), 4, "unknown variant `F7`");
        refused(&one("F32", "[2]", "[0, 4]"), 4, "does not fit");
        refused(&one("F32", "[1]", "[4, 0]"), 4, "does not fit");
        refused(&one("F32", "[9223372036854775807, 4]", "[0, 4]"), 4, "does not fit");
        refused(&one("F32", "[-1]", "[0, 4]"), 4, "invalid value");
        refused(&one("F32", "[1,1,1,1,1,1,1,1,1]", "[0, 4]"), 4, "9 dimensions");
        refused(&one("F32", "[2]", "[0, 8]"), 4, "the file has only");
        refused(&one("F32", "[1]", "[0, 4]"), 5, "the last tensor ends here");
        refused(&one("F32", "[1]", "[1, 5]"), 5, "after a hole");
        let two = r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                      "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}"#;
        refused(two, 8, "inside the one before it");
        let twice = r#"{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                        "a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}"#;
        refused(twice, 2, "is there twice");
        let long = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
        assert!(parse(&long).unwrap_err().to_string().contains("at most"));
        let cut = [100_u64.to_le_bytes().as_slice(), b"{}"].concat();
        assert!(parse(&cut).unwrap_err().to_string().contains("only 10 in all"));
        assert!(parse(b"abc").is_err());
    }
}
