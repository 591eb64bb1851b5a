//! What must outlive a process: key-value pairs of plugins, the API keys of tenants, and the queue of jobs, in one
//! SQLite file.
//!
//! Several processes may have the file open at once; every change is one transaction that is on the disk when the
//! call returns. All calls block: call them from a blocking thread where others must not wait.

mod database;
mod error;
mod jobs;
mod keys;
mod kv;
mod locks;

use std::{path::Path, sync::Arc};

pub use error::StoreError;
pub use jobs::{
    Beat, Job, JobEnd, JobFilter, JobRun, JobState, Lease, NewJob, NewSchedule, Retry, Schedule, Submitted,
    Submitter, Task,
};
pub use keys::{DEFAULT_TENANT, KeyInfo, NewKey};
pub use kv::{DEFAULT_QUOTA, MAX_KEY, MAX_VALUE, Space};
pub use locks::Lock;

use database::Database;
use locks::Locks;

/// The durable state. Clones share the open file.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    quota: u64,
}

struct Inner {
    database: Database,
    keys: keys::Cache,
    locks: Locks,
    /// Milliseconds since 1970.
    clock: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl Store {
    /// Opens the file, making it (and its directory) where it is not there. Blocks.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::new(Database::open(path)?, Locks::beside(path), Box::new(system_time)))
    }

    /// A store that lives as long as the value, for tests.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self::new(Database::in_memory()?, Locks::Names(Arc::default()), Box::new(system_time)))
    }

    fn new(database: Database, locks: Locks, clock: Box<dyn Fn() -> i64 + Send + Sync>) -> Self {
        let inner = Inner { database, keys: keys::Cache::default(), locks, clock };
        Self { inner: Arc::new(inner), quota: DEFAULT_QUOTA }
    }

    /// The same store with another limit on the bytes of each space ([`DEFAULT_QUOTA`] otherwise). Only calls through
    /// the returned value and its clones obey it.
    #[must_use]
    pub fn with_quota(self, bytes: u64) -> Self {
        Self { quota: bytes, ..self }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("quota", &self.quota).finish_non_exhaustive()
    }
}

fn random_hex<const N: usize>() -> Result<String, StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StoreError::failed("get random numbers from the system"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn system_time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
