use std::fmt;

use serde::Serialize;

/// Which part of the file was wrong; the parts before it are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Magic, version and counts.
    Start,
    /// The keys and values.
    Metadata,
    /// The list of tensors.
    Tensors,
    /// The place of the tensors' data.
    Data,
}

/// What kind of fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The file ends before its content does.
    Truncated,
    /// It is a file of a kind or version that is not read here.
    Unsupported,
    /// It contradicts itself or the format.
    Invalid,
    /// A number in it is beyond every real model.
    Excessive,
    /// The system could not read it.
    Unreadable,
}

impl Fault {
    fn advice(self) -> &'static str {
        match self {
            Self::Truncated => "the file is incomplete, so download or copy it again",
            Self::Unsupported => "convert the model again with a current tool",
            Self::Invalid => "the file is damaged, so download it again or tell its author",
            Self::Excessive => "no real model has that much, so do not use this file",
            Self::Unreadable => "check the disk and the permissions",
        }
    }
}

/// Why a header was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufError {
    /// What kind of fault it was.
    pub fault: Fault,
    /// Where in the file's structure.
    pub part: Part,
    /// Where in the file, in bytes from its start.
    pub offset: u64,
    /// What was expected and what was found.
    pub message: String,
}

impl GgufError {
    pub(super) fn new(fault: Fault, offset: u64, message: impl Into<String>) -> Self {
        Self { fault, part: Part::Start, offset, message: message.into() }
    }

    pub(super) fn invalid(offset: u64, message: impl Into<String>) -> Self {
        Self::new(Fault::Invalid, offset, message)
    }

    pub(super) fn part(mut self, part: Part) -> Self {
        self.part = part;
        self
    }

    /// Says what the error is about, in front of its message.
    pub(super) fn about(mut self, subject: impl fmt::Display) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }
}

impl fmt::Display for GgufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {}); {}", self.message, self.offset, self.fault.advice())
    }
}

impl std::error::Error for GgufError {}
