//! What GGUF files say about a model.

use std::io::{Read, Seek};
use std::path::Path;

use inferno_formats::gguf::{self, Keep};

pub use inferno_formats::gguf::{Fault, GgufError, Part};

use crate::Header;
use crate::summary::summary;

/// Reads the header of the file at `path`.
pub fn read(path: &Path) -> Result<Header, GgufError> {
    summary(&[contents_of(path)?])
}

/// Reads a header from `reader`, which must stand at its start and is taken to hold `size` bytes. A reader that
/// ends earlier is an error like any other, so this is safe on whatever anybody sends.
pub fn parse(reader: impl Read + Seek, size: u64) -> Result<Header, GgufError> {
    summary(&[gguf::read(reader, size, Keep::Facts)?])
}

pub(crate) fn contents_of(path: &Path) -> Result<gguf::Contents, GgufError> {
    gguf::open(path, Keep::Facts)
}
