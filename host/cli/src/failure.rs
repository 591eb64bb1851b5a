//! How a verb fails: what happened, what to do about it, and the exit status.

use std::fmt::Display;
use std::io;

/// The exit statuses of the program, apart from success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was asked for something sensible and could not do it.
    Failed,
    /// The arguments or the configuration make no sense.
    Usage,
    /// Ctrl-C; the status that shells give a program that SIGINT ended.
    Interrupted,
    /// The status that shells give a program that SIGTERM ended.
    Terminated,
    /// Whoever read standard output has gone: nothing went wrong, and nobody is there to read about it.
    ReaderGone,
}

impl Exit {
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::ReaderGone => 0,
        }
    }
}

/// A failure, ready to be rendered as `error: ...` and `hint: ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// What a verb gives back: the exit status of the program, or its failure.
pub(crate) type Outcome = Result<u8, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string(), hint: None }
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    pub(crate) fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, ..Self::new("interrupted") }
    }

    pub(crate) fn terminated() -> Self {
        Self { exit: Exit::Terminated, ..Self::new("terminated") }
    }

    /// A failure to write the product. A closed pipe (`inferno models list | head -1`) is not worth a message.
    pub(crate) fn output(error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::ReaderGone } else { Exit::Failed };
        Self { exit, ..Self::new(format!("cannot write to standard output: {error}")) }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// It is silent where there is nobody to tell, or whoever ended the program just said so.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.exit, Exit::Interrupted | Exit::Terminated | Exit::ReaderGone)
    }
}

impl From<inferno_backend::Error> for Failure {
    fn from(error: inferno_backend::Error) -> Self {
        Self { exit: Exit::Failed, message: error.message, hint: error.hint }
    }
}

impl From<inferno_plugins::Error> for Failure {
    fn from(error: inferno_plugins::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { exit: Exit::Failed, message: error.to_string(), hint }
    }
}
