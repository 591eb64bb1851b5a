//! What can go wrong with packages and with what is installed.

/// What kind of failure it was; for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are no packed plugin, or a damaged one.
    Package,
    /// There is a signature, but it does not fit the bytes.
    Signature,
    /// The manifest is wrong.
    Manifest,
    /// The grants file is wrong, or an edit of it would say something else than was meant.
    Grants,
    /// What the user granted is not something that can be granted, or consent is missing.
    Consent,
    /// The signer, or the lack of one, is not what this plugin is known by.
    Trust,
    /// A key file is wrong.
    Key,
    /// There is no such plugin or version.
    NotFound,
    /// Somebody else changed what is installed in the meantime.
    Changed,
    /// `inferno.lock`, or an installed folder, is not what was written.
    State,
    /// Reading or writing failed.
    Io,
}

/// A failure that says what happened, where, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl From<inferno_sandbox::Error> for Error {
    fn from(error: inferno_sandbox::Error) -> Self {
        let kind = match error.kind() {
            inferno_sandbox::ErrorKind::Manifest => ErrorKind::Manifest,
            inferno_sandbox::ErrorKind::Grants => ErrorKind::Grants,
            inferno_sandbox::ErrorKind::Host => ErrorKind::Io,
            _ => ErrorKind::Package,
        };
        // Messages about a file quote it, and the file is a stranger's.
        let made = Self::new(kind, crate::text::visible_lines(&error.to_string()));
        match error.hint() {
            Some(hint) => made.with_hint(crate::text::visible_lines(hint)),
            None => made,
        }
    }
}
