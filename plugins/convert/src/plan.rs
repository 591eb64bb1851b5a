//! What a conversion is going to do. A plan is made from headers alone, and says of each byte that comes out where it comes
//! from: so a conversion can be looked at before it runs, split into pieces that run side by side, and gone on with after it
//! was stopped.

use inferno_formats::gguf::TensorType;
use inferno_formats::safetensors::Dtype;
use serde::{Deserialize, Serialize};

/// A whole conversion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The files that are read, by their paths below `/in`.
    pub inputs: Vec<Input>,
    /// The files that come out.
    pub outputs: Vec<Output>,
}

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Below `/in`.
    pub path: String,
    /// Bytes; a file that has another size by now is another one.
    pub bytes: u64,
}

/// A file that comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Below `/out`.
    pub path: String,
    /// What stands before the tensors: a header, or the whole of a small file.
    #[serde(with = "hex")]
    pub head: Vec<u8>,
    /// In the order in which they lie in the file.
    pub tensors: Vec<Target>,
    /// Bytes of the whole file. What no tensor fills is zero.
    pub bytes: u64,
}

/// A tensor that comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// For people.
    pub name: String,
    /// Where in the file it begins.
    pub offset: u64,
    /// Rows, each a whole number of blocks; a tensor of one dimension is one row.
    pub rows: u64,
    /// Numbers in a row.
    pub columns: u64,
    /// How its numbers are packed.
    pub encoding: Encoding,
    /// Where its rows come from.
    pub source: Source,
}

/// Where the rows of a tensor come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Source {
    /// The rows of several parts, one part after the other.
    Parts {
        /// They, in order; together they have the target's rows.
        parts: Vec<Part>,
    },
    /// Numbers that the plan itself has, such as factors that follow from the model's configuration.
    Numbers {
        /// All of them, row by row.
        numbers: Vec<f32>,
    },
}

/// Rows of one tensor that is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Which of the plan's inputs it is in.
    pub input: usize,
    /// Where in that file the rows begin.
    pub offset: u64,
    /// How many there are.
    pub rows: u64,
    /// How their numbers are packed.
    pub encoding: Encoding,
    /// In which order they are taken.
    pub order: Order,
    /// What becomes of the numbers on their way.
    pub change: Change,
}

/// In which order the rows of a part are taken. Each of them can be undone by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they lie.
    Straight,
    /// Rows of heads whose halves are rotated together become rows of heads whose neighbours are: row `half * size/2 + pair`
    /// of a head becomes its row `2 * pair + half`. What a Llama's queries and keys need on the way from Hugging Face.
    Interleaved {
        /// Heads that the rows belong to.
        heads: u64,
    },
    /// The other way round.
    Deinterleaved {
        /// Heads that the rows belong to.
        heads: u64,
    },
    /// The target is the part turned over: its rows are the part's columns. `rows` of the part is what it has in its own file.
    Transposed,
}

/// What becomes of the numbers of a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing. Where source and target are packed alike their bytes are copied.
    None,
    /// So much is added to each, such as 1 to the norms of a Gemma.
    Add(f32),
}

/// How numbers are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As in a GGUF file. Floats of 16, 32 and 64 bits and whole numbers are the same everywhere, and always this.
    Ggml(TensorType),
    /// One of the whole numbers that GGUF does not have.
    Plain(Dtype),
}

impl Encoding {
    /// The encoding that is called so, such as `Q4_K`, `F32` or `U8`.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = match name {
            "BOOL" => Dtype::Bool,
            "U8" => Dtype::U8,
            "U16" => Dtype::U16,
            "U32" => Dtype::U32,
            "U64" => Dtype::U64,
            name => return TensorType::from_name(name).map(Self::Ggml),
        };
        Some(Self::Plain(plain))
    }

    /// As safetensors files say it.
    pub fn of_dtype(dtype: Dtype) -> Self {
        Self::from_name(dtype.name()).unwrap_or(Self::Plain(dtype))
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ggml(kind) => kind.name,
            Self::Plain(dtype) => dtype.name(),
        }
    }

    /// Bytes that a row of so many numbers takes; absent where it is no whole number of blocks.
    pub fn row_bytes(self, columns: u64) -> Option<u64> {
        match self {
            Self::Ggml(kind) => kind.row_bytes(columns),
            Self::Plain(dtype) => columns.checked_mul(dtype.bytes()),
        }
    }
}

impl Serialize for Encoding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("there is no encoding {name:?}")))
    }
}

impl Target {
    /// Bytes that it takes; absent where its rows are no whole blocks or its size is beyond every file.
    pub fn bytes(&self) -> Option<u64> {
        self.encoding.row_bytes(self.columns)?.checked_mul(self.rows)
    }
}

/// Bytes as text.
mod hex {
    use std::fmt::Write as _;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let digits = digits.ok_or_else(|| de::Error::custom("these are no pairs of hexadecimal digits"))?;
        Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
    }
}
