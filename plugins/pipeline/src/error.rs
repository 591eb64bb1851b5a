//! What can go wrong, with the place in the pipeline file where it has one.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

/// A failure that ends what the command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// What happened, where; one sentence for people.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The place in the pipeline file, in bytes.
    pub(crate) span: Option<Range<usize>>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, span: None }
    }

    /// The same failure, with what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, at a place in the pipeline file. A place that it has already is nearer, and stays.
    pub(crate) fn at(mut self, span: Range<usize>) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// A file that could not be used; `doing` is such as `read`.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let failed = Self::new(format!("cannot {doing} {}: {}", path.display(), plain(error)));
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                failed.hint("make room, then go on with `inferno pipeline resume`; nothing is lost")
            }
            io::ErrorKind::PermissionDenied => failed.hint("see that you may, or name another file"),
            _ => failed,
        }
    }
}

/// An error of the system without the number that only programs read.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "your share of the disk is used up".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// The message and, where there is one, the hint; [`crate::report`] shows the place too.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{}; {hint}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

impl From<inferno_sdk::Error> for Error {
    fn from(error: inferno_sdk::Error) -> Self {
        Self { message: error.message, hint: error.hint, span: None }
    }
}
