use std::fmt;
use std::time::Duration;

use crate::bindings::inferno::host::types as wit;

/// What kind of failure it was; for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The user did not grant this. The hint is the line that would grant it.
    Denied,
    /// No such model, key or plugin. The hint names near ones.
    NotFound,
    /// The request cannot work as it is: a value out of range, a feature that the model lacks.
    Invalid,
    /// The prompt and the answer do not fit the model's context. The message says both numbers.
    ContextLength,
    /// A queue is full or a budget is spent: trying later may help.
    Exhausted,
    /// Not now: the model is loading or its worker has just died.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The work was cancelled.
    Cancelled,
    /// A fault of the host or of the model's backend.
    Internal,
    /// A kind that this version of the interface has no word for.
    Other(String),
}

/// A failure that the host reports.
///
/// As text it is the message and, where there is one, the hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// For programs.
    pub kind: ErrorKind,
    /// What happened, where; one sentence for people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// When trying again may help, from now.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// A failure to report, such as one of the plugin's own.
    ///
    /// ```
    /// use inferno_sdk::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Invalid, "the field \"size\" is missing").with_hint("Add it.");
    /// assert_eq!(error.to_string(), "the field \"size\" is missing. Add it.");
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, retry_after: None }
    }

    /// The same failure, with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The status that says the same in HTTP. Dialects with words of their own take another one here and there.
    pub fn status(&self) -> u16 {
        match self.kind {
            ErrorKind::Invalid | ErrorKind::ContextLength => 400,
            ErrorKind::Denied => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Exhausted => 429,
            ErrorKind::Unavailable | ErrorKind::Cancelled => 503,
            ErrorKind::Timeout => 504,
            ErrorKind::Internal | ErrorKind::Other(_) => 500,
        }
    }

    /// When trying again may help: what the host said, or a moment where it said nothing and the cause may pass.
    pub fn retry(&self) -> Option<Duration> {
        self.retry_after.or_else(|| matches!(self.status(), 429 | 503).then_some(Duration::from_secs(1)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(hint) = &self.hint else { return f.write_str(&self.message) };
        let (message, separator) = match hint.chars().next() {
            Some(first) if first.is_lowercase() => (self.message.trim_end_matches('.'), "; "),
            _ if self.message.ends_with(['.', '?', '!']) => (&*self.message, " "),
            _ => (&*self.message, ". "),
        };
        write!(f, "{message}{separator}{hint}")
    }
}

impl std::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        Self {
            kind: match error.kind {
                wit::ErrorKind::Denied => ErrorKind::Denied,
                wit::ErrorKind::NotFound => ErrorKind::NotFound,
                wit::ErrorKind::Invalid => ErrorKind::Invalid,
                wit::ErrorKind::ContextLength => ErrorKind::ContextLength,
                wit::ErrorKind::Exhausted => ErrorKind::Exhausted,
                wit::ErrorKind::Unavailable => ErrorKind::Unavailable,
                wit::ErrorKind::Timeout => ErrorKind::Timeout,
                wit::ErrorKind::Cancelled => ErrorKind::Cancelled,
                wit::ErrorKind::Internal => ErrorKind::Internal,
                wit::ErrorKind::Other(word) => ErrorKind::Other(word),
            },
            message: error.message,
            hint: error.hint,
            retry_after: error.retry_after_ms.map(Duration::from_millis),
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        Self {
            kind: match error.kind {
                ErrorKind::Denied => wit::ErrorKind::Denied,
                ErrorKind::NotFound => wit::ErrorKind::NotFound,
                ErrorKind::Invalid => wit::ErrorKind::Invalid,
                ErrorKind::ContextLength => wit::ErrorKind::ContextLength,
                ErrorKind::Exhausted => wit::ErrorKind::Exhausted,
                ErrorKind::Unavailable => wit::ErrorKind::Unavailable,
                ErrorKind::Timeout => wit::ErrorKind::Timeout,
                ErrorKind::Cancelled => wit::ErrorKind::Cancelled,
                ErrorKind::Internal => wit::ErrorKind::Internal,
                ErrorKind::Other(word) => wit::ErrorKind::Other(word),
            },
            message: error.message,
            hint: error.hint,
            retry_after_ms: error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_follows_the_message() {
        let error = |message: &str, hint: Option<&str>| {
            Error {
                kind: ErrorKind::NotFound,
                message: message.into(),
                hint: hint.map(Into::into),
                retry_after: None,
            }
            .to_string()
        };
        assert_eq!(
            error("no model \"stry\"", Some("Did you mean story?")),
            "no model \"stry\". Did you mean story?"
        );
        assert_eq!(
            error("no model \"stry\"", Some("did you mean story?")),
            "no model \"stry\"; did you mean story?"
        );
        assert_eq!(error("It is gone.", Some("look there")), "It is gone; look there");
        assert_eq!(error("It is gone.", Some("Look.")), "It is gone. Look.");
        assert_eq!(error("It is gone", None), "It is gone");
    }

    #[test]
    fn each_kind_has_its_status_and_what_may_pass_says_when() {
        let seen = |kind, wait: Option<u64>| {
            let retry_after = wait.map(Duration::from_millis);
            let error = Error { retry_after, ..Error::new(kind, "m") };
            (error.status(), error.retry().map(|wait| wait.as_millis()))
        };
        assert_eq!(seen(ErrorKind::Denied, None), (403, None));
        assert_eq!(seen(ErrorKind::NotFound, None), (404, None));
        assert_eq!(seen(ErrorKind::Invalid, None), (400, None));
        assert_eq!(seen(ErrorKind::ContextLength, None), (400, None));
        assert_eq!(seen(ErrorKind::Exhausted, Some(2300)), (429, Some(2300)));
        assert_eq!(seen(ErrorKind::Unavailable, None), (503, Some(1000)));
        assert_eq!(seen(ErrorKind::Cancelled, None), (503, Some(1000)));
        assert_eq!(seen(ErrorKind::Timeout, None), (504, None));
        assert_eq!(seen(ErrorKind::Internal, Some(5)), (500, Some(5)));
        assert_eq!(seen(ErrorKind::Other("new".into()), None), (500, None));
    }

    #[test]
    fn nothing_is_lost_on_the_way_from_the_host_and_back() {
        let error = Error::from(wit::Error {
            kind: wit::ErrorKind::Other("rain".into()),
            message: "wet".into(),
            hint: Some("umbrella".into()),
            retry_after_ms: Some(1500),
        });
        assert_eq!(error.kind, ErrorKind::Other("rain".into()));
        assert_eq!(error.hint.as_deref(), Some("umbrella"));
        assert_eq!(error.retry_after, Some(Duration::from_millis(1500)));
        assert_eq!(Error::from(wit::Error::from(error.clone())), error);
    }

    #[test]
    fn every_kind_comes_back_as_it_went() {
        use ErrorKind::*;
        for kind in [
            Denied,
            NotFound,
            Invalid,
            ContextLength,
            Exhausted,
            Unavailable,
            Timeout,
            Cancelled,
            Internal,
            Other("x".into()),
        ] {
            assert_eq!(Error::from(wit::Error::from(Error::new(kind.clone(), "m"))).kind, kind);
        }
    }
}
