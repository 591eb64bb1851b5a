use std::path::PathBuf;

use crate::JobState;

/// Why the store refused or failed. Each text says what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was given cannot be used.
    #[error("{what} {value:?} cannot be used: {why}")]
    Invalid {
        /// What kind of thing it is, such as `the key`.
        what: &'static str,
        /// What was given, shortened.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A key or a value is longer than allowed.
    #[error("{what} has {size} bytes, but at most {limit} are allowed")]
    TooLarge {
        /// What is too long, such as `the value of "k"`.
        what: String,
        /// How long it is.
        size: u64,
        /// How long it may be.
        limit: u64,
    },
    /// The space is full.
    #[error(
        "the pairs of plugin {plugin:?} for tenant {tenant:?} would take {needed} bytes, but at most {limit} are allowed: delete some, or let them expire"
    )]
    Full {
        /// For whom the pairs are.
        tenant: String,
        /// Whose pairs they are.
        plugin: String,
        /// Bytes that would be in use.
        needed: u64,
        /// Bytes that may be in use.
        limit: u64,
    },
    /// Adding needs a number.
    #[error("cannot add to {key:?}: {why}")]
    NotANumber {
        /// The key.
        key: String,
        /// What is there instead.
        why: &'static str,
    },
    /// An API key has that name already.
    #[error("an API key is named {name:?} already: choose another name, or remove that one first")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No job and no schedule has this id.
    #[error("there is no job or schedule {id:?}: `inferno batch-queue list` shows the jobs that there are")]
    NoSuchJob {
        /// The id.
        id: String,
    },
    /// A job is not where this could be done with it.
    #[error("the job {id} cannot {doing}: it is {state}")]
    JobState {
        /// The job.
        id: String,
        /// Where it is.
        state: JobState,
        /// What was wanted, as the end of "it cannot ...".
        doing: &'static str,
    },
    /// Somebody has too many jobs under way.
    #[error(
        "{limit} jobs of {submitter} for tenant {tenant:?} have not ended yet, and no more are allowed: wait until some have"
    )]
    QueueFull {
        /// Whose jobs they are.
        submitter: String,
        /// For whom.
        tenant: String,
        /// How many there may be.
        limit: u32,
    },
    /// The database belongs to a newer program.
    #[error(
        "{} was written by a newer version of Inferno (its schema is {found}, this version knows up to {known}): use that version, or another data directory",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that is known.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is not a database of Inferno: {why}; use another data directory, or move the file away", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// The system or SQLite failed.
    #[error("could not {doing}: {source}")]
    Failed {
        /// What was tried.
        doing: String,
        /// What was said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    pub(crate) fn failed<E: std::error::Error + Send + Sync + 'static>(
        doing: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Failed { doing, source: Box::new(source) }
    }

    /// An [`StoreError::Invalid`] that shows no more of the value than a reader needs.
    pub(crate) fn invalid(what: &'static str, value: &str, why: impl Into<String>) -> Self {
        Self::Invalid { what, value: value.chars().take(80).collect(), why: why.into() }
    }
}
