//! Puts the demo model where a worker can open it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::bundled::{DEMO_DIGEST, DEMO_MODEL, DEMO_NAME};
use crate::failure::Failure;

/// The path of the unpacked demo model, which holds exactly the bytes in this binary.
///
/// The file's name carries the digest, so that two versions of Inferno do not fight over it. A file that is already
/// there is hashed whole at every start: 2 MB take a few milliseconds, and no size or time of change proves
/// that the bytes are ours. What does not match (a full disk, an accident, a foreign hand) is replaced.
pub(crate) fn unpacked(cache_dir: &Path) -> Result<PathBuf, Failure> {
    unpack(DEMO_MODEL, DEMO_DIGEST, cache_dir).map_err(|(path, error)| {
        Failure::new(format!("cannot unpack the demo model to {}: {error}", path.display()))
            .hint("set INFERNO_CACHE_DIR to a directory that can be written to")
    })
}

fn unpack(bytes: &[u8], digest: &str, cache_dir: &Path) -> Result<PathBuf, (PathBuf, io::Error)> {
    let directory = cache_dir.join("models");
    let path = directory.join(format!("{DEMO_NAME}-{}.gguf", &digest[..16]));
    if matches_digest(&path, bytes.len(), digest) {
        return Ok(path);
    }
    write_whole(&directory, &path, bytes).map_err(|error| (path.clone(), error))?;
    if matches_digest(&path, bytes.len(), digest) {
        return Ok(path);
    }
    Err((path, io::Error::other("what was written does not read back as the same bytes")))
}

fn matches_digest(path: &Path, length: usize, digest: &str) -> bool {
    let read = || -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let mut bytes = Vec::with_capacity(length + 1);
        file.take(length as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().is_ok_and(|bytes| bytes.len() == length && hex(&Sha256::digest(&bytes)) == digest)
}

/// Written beside its place and moved there, so that nobody ever sees half of it.
fn write_whole(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_the_build_is_that_of_the_bytes() {
        assert_eq!(hex(&Sha256::digest(DEMO_MODEL)), DEMO_DIGEST);
    }

    #[test]
    fn a_damaged_file_is_replaced_even_at_the_same_length() {
        let cache = tempfile::tempdir().unwrap();
        let bytes = b"the model";
        let digest = hex(&Sha256::digest(bytes));
        let path = unpack(bytes, &digest, cache.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        for damage in [&b"the mdoel"[..], b"the", b"", b"the model and more"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(unpack(bytes, &digest, cache.path()).unwrap(), path);
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "temporary files stay behind: {left:?}");
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let file = cache.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = unpacked(&file).unwrap_err();
        assert!(failure.message.contains(&*file.to_string_lossy()), "{failure:?}");
        assert!(failure.hint.unwrap().contains("INFERNO_CACHE_DIR"));
    }
}
