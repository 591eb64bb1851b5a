//! GGUF (versions 2 and 3, little-endian), as <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md> describes it.
//!
//! Each count and length is held against the bytes that are left and against a hard cap before anything is
//! allocated or looped over. Tensor data is never read. Where a header ends well, every tensor lies inside the file,
//! aligned, and on none of its neighbours.

mod cursor;
mod error;
mod head;
mod metadata;
mod start;
mod tensors;
mod types;
mod value;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use cursor::Cursor;

pub use error::{Fault, GgufError, Part};
pub use head::Head;
pub use metadata::Metadata;
pub use tensors::Tensor;
pub use types::{TensorType, file_type};
pub use value::{Array, Kind, Value};

/// What tensors and their data are aligned to where the file does not say.
pub const ALIGNMENT: u64 = 32;

/// How much of the metadata is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Numbers, and the few texts that say what the model is. Vocabularies are skipped, so that the header of a file of
    /// many gigabytes costs a few milliseconds and little memory.
    Facts,
    /// All of it, for a conversion: up to 64 MiB.
    All,
}

/// The checked content of a header.
#[derive(Debug)]
pub struct Contents {
    /// Keys and values.
    pub metadata: Metadata,
    /// In the order of the file.
    pub tensors: Vec<Tensor>,
    /// Where the data begins, in bytes from the start of the file; tensors' offsets count from here.
    pub data: u64,
    /// What offsets are multiples of.
    pub alignment: u64,
}

/// Reads the header of the file at `path`.
pub fn open(path: &Path, keep: Keep) -> Result<Contents, GgufError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (size, file) =
        opened.map_err(|error| GgufError::new(Fault::Unreadable, 0, format!("cannot open it: {error}")))?;
    read(file, size, keep)
}

/// Reads a header from `reader`, which must stand at its start and is taken to hold `size` bytes. A reader that
/// ends earlier is an error like any other, so this is safe on whatever anybody sends.
pub fn read(reader: impl Read + Seek, size: u64, keep: Keep) -> Result<Contents, GgufError> {
    let mut cursor = Cursor::new(reader, size);
    let counts = start::read(&mut cursor)?;
    let metadata =
        Metadata::read(&mut cursor, counts.metadata, keep).map_err(|error| error.part(Part::Metadata))?;
    let alignment = metadata.alignment().map_err(|error| error.part(Part::Metadata))?;
    let tensors =
        tensors::read(&mut cursor, counts.tensors, alignment).map_err(|error| error.part(Part::Tensors))?;
    let data = tensors::data_start(cursor.at(), alignment).map_err(|error| error.part(Part::Tensors))?;
    tensors::check_data(&tensors, data, size).map_err(|error| error.part(Part::Data))?;
    Ok(Contents { metadata, tensors, data, alignment })
}
