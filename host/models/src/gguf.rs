//! A reader for GGUF headers (versions 2 and 3, little-endian) that trusts nothing in them.
//!
//! Each count and length is held against the bytes that are left and against a hard cap before anything is
//! allocated or looped over. Tensor data is never read, and vocabularies are skipped, so that the header of a file
//! of many gigabytes costs a few milliseconds and little memory. Where it ends well, every tensor lies inside the
//! file, aligned, and on none of its neighbours.

mod cursor;
mod error;
mod metadata;
mod start;
mod summary;
mod tensors;
mod types;

use std::{
    fs::File,
    io::{Read, Seek},
    path::Path,
};

pub use error::{Fault, GgufError, Part};

use crate::Header;
use cursor::Cursor;
use metadata::Metadata;
use tensors::Tensor;

pub(crate) use summary::summary;

/// The checked content of a header.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) metadata: Metadata,
    pub(crate) tensors: Vec<Tensor>,
}

/// Reads the header of the file at `path`.
pub fn read(path: &Path) -> Result<Header, GgufError> {
    summary(&[contents_of(path)?])
}

/// Reads a header from `reader`, which must stand at its start and is taken to hold `size` bytes. A reader that
/// ends earlier is an error like any other, so this is safe on whatever anybody sends.
pub fn parse(reader: impl Read + Seek, size: u64) -> Result<Header, GgufError> {
    summary(&[contents(reader, size)?])
}

pub(crate) fn contents_of(path: &Path) -> Result<Contents, GgufError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (size, file) =
        opened.map_err(|error| GgufError::new(Fault::Unreadable, 0, format!("cannot open it: {error}")))?;
    contents(file, size)
}

fn contents(reader: impl Read + Seek, size: u64) -> Result<Contents, GgufError> {
    let mut cursor = Cursor::new(reader, size);
    let counts = start::read(&mut cursor)?;
    let metadata =
        Metadata::read(&mut cursor, counts.metadata).map_err(|error| error.part(Part::Metadata))?;
    let alignment = metadata.alignment().map_err(|error| error.part(Part::Metadata))?;
    let tensors =
        tensors::read(&mut cursor, counts.tensors, alignment).map_err(|error| error.part(Part::Tensors))?;
    let data = tensors::data_start(cursor.at(), alignment).map_err(|error| error.part(Part::Tensors))?;
    tensors::check_data(&tensors, data, size).map_err(|error| error.part(Part::Data))?;
    Ok(Contents { metadata, tensors })
}
