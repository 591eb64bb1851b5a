//! Writes GGUF files for tests and benchmarks: changed copies of a right one, and models of any size with random
//! weights, which compute like real ones and say nothing. It trusts the files that it reads.

mod projector;
mod random;
mod read;
mod write;

use std::{fs, io, path::Path};

pub use projector::projector;
pub use random::{Shape, random_model};

use read::Reader;
use write::{Info, push_text, write_file};

/// What the offsets of tensors are multiples of.
const ALIGNMENT: u64 = 32;

const U32: u32 = 4;
const F32_VALUE: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A metadata value as it is in the file, behind the number of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    kind: u32,
    bytes: Vec<u8>,
}

impl Value {
    /// A whole number.
    pub fn number(number: u32) -> Self {
        Self { kind: U32, bytes: number.to_le_bytes().to_vec() }
    }

    /// A number with a fraction.
    pub fn float(number: f32) -> Self {
        Self { kind: F32_VALUE, bytes: number.to_le_bytes().to_vec() }
    }

    /// True or false.
    pub fn flag(flag: bool) -> Self {
        Self { kind: BOOL, bytes: vec![u8::from(flag)] }
    }

    /// A list of numbers with fractions.
    pub fn floats(numbers: &[f32]) -> Self {
        let mut bytes = F32_VALUE.to_le_bytes().to_vec();
        bytes.extend((numbers.len() as u64).to_le_bytes());
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        Self { kind: ARRAY, bytes }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        let mut bytes = Vec::new();
        push_text(&mut bytes, text);
        Self { kind: TEXT, bytes }
    }
}

/// A tensor with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// What it is called.
    pub name: String,
    /// The length of a row comes first.
    pub shape: Vec<u64>,
    /// How its numbers are packed.
    pub kind: Kind,
    /// The packed numbers.
    pub data: Vec<u8>,
}

/// How numbers are packed: those kinds that the demo model and the random models have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 4 bytes each.
    F32,
    /// 2 bytes each.
    F16,
    /// 34 bytes for 32.
    Q8_0,
}

impl Kind {
    fn from_number(number: u32) -> io::Result<Self> {
        match number {
            0 => Ok(Self::F32),
            1 => Ok(Self::F16),
            8 => Ok(Self::Q8_0),
            number => Err(wrong(format!("a tensor of type {number}, which the test kit does not read"))),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
        }
    }

    /// What `general.file_type` says of a file with mostly these.
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }

    fn bytes(self, elements: u64) -> u64 {
        match self {
            Self::F32 => elements * 4,
            Self::F16 => elements * 2,
            Self::Q8_0 => elements / 32 * 34,
        }
    }
}

/// A whole file in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gguf {
    /// Keys and values in their order.
    pub metadata: Vec<(String, Value)>,
    /// Tensors in their order.
    pub tensors: Vec<Tensor>,
}

impl Gguf {
    /// Reads a right file.
    pub fn read(path: &Path) -> io::Result<Self> {
        Reader::read_file(&fs::read(path)?).map_err(|error| wrong(format!("{}: {error}", path.display())))
    }

    /// Sets a value, which is added where it is not there.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.metadata.iter_mut().find(|(have, _)| have == key) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.to_owned(), value)),
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, key: &str) {
        self.metadata.retain(|(have, _)| have != key);
    }

    /// Writes the file.
    pub fn write(&self, out: &Path) -> io::Result<()> {
        let infos: Vec<Info<'_>> = self.tensors.iter().map(Info::of).collect();
        write_file(out, &self.metadata, &infos, |index, file| file.write_all(&self.tensors[index].data))
    }
}

/// Copies a model with changes that `edit` makes.
pub fn copy_with(source: &Path, out: &Path, edit: impl FnOnce(&mut Gguf)) -> io::Result<()> {
    let mut gguf = Gguf::read(source)?;
    edit(&mut gguf);
    gguf.write(out)
}

fn wrong(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn storyteller() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/storyteller/storyteller.gguf")
    }

    #[test]
    fn a_copy_without_changes_is_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("copy.gguf");
        copy_with(&storyteller(), &out, |_| {}).expect("copied");
        assert!(fs::read(&out).expect("read") == fs::read(storyteller()).expect("read"));
        copy_with(&storyteller(), &out, |gguf| {
            gguf.set("general.name", Value::text("other"));
            gguf.set("x.new", Value::flag(true));
            gguf.remove("tokenizer.chat_template");
        })
        .expect("copied");
        let copy = Gguf::read(&out).expect("read");
        let value =
            |key: &str| copy.metadata.iter().find(|(have, _)| have == key).map(|(_, value)| value.clone());
        assert_eq!(value("general.name"), Some(Value::text("other")));
        assert_eq!(value("x.new"), Some(Value::flag(true)));
        assert_eq!(value("tokenizer.chat_template"), None);
    }
}
