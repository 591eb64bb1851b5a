use std::io::{Read, Seek};

use super::{Fault, GgufError, cursor::Cursor};

/// The largest published models have a few thousand tensors.
const MAX_TENSORS: u64 = 1 << 16;
/// Real files have some dozens of entries.
const MAX_METADATA: u64 = 1 << 14;
/// A name's length, one dimension, the type and the offset: what the shortest entry takes.
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 4 + 8;
/// A key's length, the type and one byte of value.
const MIN_METADATA_BYTES: u64 = 8 + 4 + 1;

pub(super) struct Counts {
    pub(super) tensors: u64,
    pub(super) metadata: u64,
}

/// Reads magic, version and counts.
pub(super) fn read<R: Read + Seek>(cursor: &mut Cursor<R>) -> Result<Counts, GgufError> {
    let magic: [u8; 4] = cursor.array("the magic number")?;
    if &magic != b"GGUF" {
        let message = format!("the magic number is \"{}\", not \"GGUF\"", magic.escape_ascii());
        return Err(GgufError::new(Fault::Unsupported, 0, message));
    }
    version(cursor.u32("the version")?).map_err(|message| GgufError::new(Fault::Unsupported, 4, message))?;
    let tensors = cursor.count("the number of tensors", MIN_TENSOR_BYTES, MAX_TENSORS)?;
    let metadata = cursor.count("the number of metadata entries", MIN_METADATA_BYTES, MAX_METADATA)?;
    Ok(Counts { tensors, metadata })
}

fn version(version: u32) -> Result<(), String> {
    match version {
        2 | 3 => Ok(()),
        1 => Err("this is GGUF version 1, but only versions 2 and 3 are read".to_owned()),
        // A small number seen from the wrong end has its low half empty.
        version if version != 0 && version & 0xffff == 0 => Err(format!(
            "this is a big-endian GGUF file (version {}), but only little-endian ones are read",
            version.swap_bytes()
        )),
        version => Err(format!("this is GGUF version {version}, but only versions 2 and 3 are read")),
    }
}
