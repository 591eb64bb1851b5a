//! Images that `inferno run` shows.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use inferno_inference::{Image, Message};

use crate::failure::Failure;

/// More than any photograph; what is too much for a model it says by itself.
const LIMIT: u64 = 48 << 20;

pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<Image>, Failure> {
    paths.iter().map(|path| read(path)).collect()
}

/// The file as it is: the model's process finds out what is in it.
pub(super) fn read(path: &Path) -> Result<Image, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::new(format!("cannot read the image {}: {error}", path.display())))?;
    match bytes.len() as u64 {
        0 => Err(Failure::new(format!("the image {} is empty", path.display()))),
        1..=LIMIT => Ok(Image(bytes)),
        _ => Err(Failure::new(format!("the image {} has more than {LIMIT} bytes", path.display()))),
    }
}

/// A message with so many images in front of it.
pub(super) fn shown(message: Message, images: usize) -> Message {
    Message { images: vec![0; images], ..message }
}
