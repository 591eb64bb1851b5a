use std::fmt;

/// Why a header was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetensorsError {
    /// Where in the file, in bytes from its start.
    pub offset: u64,
    /// What was expected and what was found.
    pub message: String,
}

impl SafetensorsError {
    pub(super) fn new(offset: u64, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

impl fmt::Display for SafetensorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (at byte {}); it is no whole safetensors file, so download or copy it again",
            self.message, self.offset
        )
    }
}

impl std::error::Error for SafetensorsError {}
