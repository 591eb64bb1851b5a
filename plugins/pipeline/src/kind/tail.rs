//! What came right before a place in a file, which tells a file that is not what it was.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::Error;

/// How much of it is looked at.
const LENGTH: u64 = 64;

/// A digest of the bytes before a place.
pub(super) fn before(path: &Path, byte: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = byte.saturating_sub(LENGTH);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = vec![0; usize::try_from(byte - start).unwrap_or(0)];
    file.read_exact(&mut tail)?;
    Ok(Sha256::digest(tail)[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a file is what it was up to a place; otherwise an error that says so.
pub(super) fn check(path: &Path, byte: u64, digest: &str) -> Result<(), Error> {
    match before(path, byte) {
        Ok(found) if found == digest => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(Error::file("read", path, &error)),
        _ => Err(changed(path)),
    }
}

/// A file that is not what it was.
pub(super) fn changed(path: &Path) -> Error {
    Error::new(format!("{} is not the file that it was when the run stopped", path.display()))
        .hint("put the old one back, or begin again with `--fresh`")
}
