//! What can go wrong around a plugin.

use crate::capability::bindings::inferno::host::types;
use crate::limits::Limit;

pub use inferno_inference::ErrorKind as Reason;

/// What kind of failure it was; for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The package's `plugin.toml` is wrong.
    Manifest,
    /// The grants file is wrong.
    Grants,
    /// The component is not valid WebAssembly.
    Compile,
    /// The component does not fit this host: it imports or exports something else.
    Link,
    /// The plugin does not play the role that was asked of it.
    Role,
    /// A limit was reached, and the call was ended.
    Limit(Limit),
    /// The plugin's code failed: it trapped.
    Trap,
    /// The plugin ended the call with an error of its own, which stands for this HTTP status.
    Answer(u16),
    /// The plugin said in the words of its role why it cannot do what it was asked.
    Refused(Reason),
    /// What the plugin gave back is not what its role promises.
    Contract,
    /// Plugins put one another to work without an end.
    Chain,
    /// A tape cannot be written or read, or a run differs from it.
    Tape,
    /// Too many calls are at work already; later may help.
    Busy,
    /// A command was run in a folder that cannot be lent to it, since the host keeps files of its own there.
    Workdir,
    /// A fault of the host: the disk, the engine.
    Host,
}

impl ErrorKind {
    /// As a word, for figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Grants => "grants",
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Role => "role",
            Self::Limit(limit) => limit.key(),
            Self::Trap => "trap",
            Self::Answer(_) => "answer",
            Self::Refused(_) => "refused",
            Self::Contract => "contract",
            Self::Chain => "chain",
            Self::Tape => "tape",
            Self::Busy => "busy",
            Self::Workdir => "workdir",
            Self::Host => "host",
        }
    }
}

/// A failure that says what happened, where, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    retry_after_ms: Option<u64>,
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

    /// When trying again may help, in milliseconds from now, where the plugin said so.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after_ms
    }

    /// The HTTP status that stands for it where no plugin has answered.
    pub fn status(&self) -> u16 {
        match self.kind {
            ErrorKind::Answer(status) => status,
            ErrorKind::Busy | ErrorKind::Limit(Limit::ConcurrentCalls) => 503,
            ErrorKind::Limit(Limit::Wall) => 504,
            _ => 500,
        }
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, retry_after_ms: None }
    }

    /// An error that a plugin gave back in the words of its role.
    pub(crate) fn told(plugin: &str, error: types::Error) -> Self {
        let types::Error { kind, message, hint, retry_after_ms } = error;
        let message = format!("plugin \"{plugin}\": {message}");
        Self { kind: ErrorKind::Refused(kind.into()), message, hint, retry_after_ms }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a body ended early. Request bodies may end in any of them; a response's body only in [`BodyError::Plugin`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The request's body is larger than the server takes.
    #[error("the request's body is larger than {limit} bytes")]
    TooLarge {
        /// What the server takes at most, in bytes.
        limit: u64,
    },
    /// The client sent nothing for too long.
    #[error("the client sent nothing for too long")]
    TimedOut,
    /// The client went away or broke the protocol.
    #[error("the request's body broke off: {0}")]
    Disconnected(String),
    /// The plugin failed after it had begun its answer.
    #[error(transparent)]
    Plugin(#[from] Error),
}

impl From<types::ErrorKind> for Reason {
    fn from(kind: types::ErrorKind) -> Self {
        use types::ErrorKind as From;
        match kind {
            From::Denied => Self::Denied,
            From::NotFound => Self::NotFound,
            From::Invalid => Self::Invalid,
            From::ContextLength => Self::ContextLength,
            From::Exhausted => Self::Exhausted,
            From::Unavailable => Self::Unavailable,
            From::Timeout => Self::Timeout,
            From::Cancelled => Self::Cancelled,
            From::Internal | From::Other(_) => Self::Internal,
        }
    }
}
