//! Errors, as people read them.

use std::io;
use std::path::Path;

use inferno_sdk::{Error, ErrorKind};

/// Something about what was asked or about the files that it is about.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

/// Something that did not work although it should.
pub(crate) fn internal(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, message)
}

/// A file that cannot be read, written, made or whatever `what` says.
pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    };
    let words = Error::new(kind, format!("cannot {what} {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::StorageFull => {
            words.with_hint("make room and run the same command again: it goes on where it stopped")
        }
        _ => words,
    }
}
