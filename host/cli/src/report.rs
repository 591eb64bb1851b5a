//! What a server tells about its models, and what `inferno ps` reads of it.

use std::time::{SystemTime, UNIX_EPOCH};

use inferno_inference::{Inference, Loaded};
use serde::{Deserialize, Serialize};

/// Everything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// By name.
    pub(crate) models: Vec<Running>,
    /// Bytes that all models together may take; none where nobody knows.
    pub(crate) memory_budget: Option<u64>,
    /// Bytes that are set aside for models.
    pub(crate) memory_used: u64,
}

/// A model that is loaded. Times are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) context: u32,
    pub(crate) sequences: u32,
    pub(crate) pid: u32,
    /// Requests that it works on, and those that wait.
    pub(crate) active: usize,
    pub(crate) queued: usize,
    pub(crate) restarts: u32,
    pub(crate) since: u64,
    pub(crate) last_used: u64,
    /// None: it stays.
    pub(crate) expires: Option<u64>,
    pub(crate) pinned: bool,
    /// Bytes: set aside for it, estimated before it was loaded, and what its process takes now.
    pub(crate) memory: u64,
    pub(crate) estimated: u64,
    pub(crate) resident: Option<u64>,
}

impl Report {
    pub(crate) fn of(inference: &Inference) -> Self {
        let figures = inference.figures();
        Self {
            models: inference.loaded().into_iter().map(Running::from).collect(),
            memory_budget: figures.memory_budget,
            memory_used: figures.memory_used,
        }
    }
}

impl From<Loaded> for Running {
    fn from(loaded: Loaded) -> Self {
        Self {
            name: loaded.name,
            device: loaded.info.device,
            context: loaded.info.context,
            sequences: loaded.info.sequences,
            pid: loaded.pid,
            active: loaded.active,
            queued: loaded.queued,
            restarts: loaded.restarts,
            since: seconds(loaded.since),
            last_used: seconds(loaded.last_used),
            expires: loaded.expires.map(seconds),
            pinned: loaded.pinned,
            memory: loaded.memory,
            estimated: loaded.estimated,
            resident: loaded.resident,
        }
    }
}

/// Since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
