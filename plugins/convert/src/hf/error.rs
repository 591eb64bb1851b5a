use std::fmt;

/// Why a model cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file that says so, by its name in the model's folder.
    pub file: String,
    /// What was found there, what was expected, and what helps.
    pub message: String,
}

impl Error {
    pub(super) fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

impl std::error::Error for Error {}
