use std::time::SystemTime;

use inferno_backend::{Error, ModelInfo};

/// What is known about a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The model's name.
    pub name: String,
    /// Whether it can answer.
    pub state: State,
    /// Requests that a worker works on.
    pub active: usize,
    /// Requests that wait for their turn.
    pub queued: usize,
    /// Bytes that it takes, or would take, as far as its header tells.
    pub estimated: u64,
    /// It stays loaded whatever happens.
    pub pinned: bool,
    /// How often a worker had to be started again.
    pub restarts: u32,
}

/// Whether a model can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The next request loads it.
    Unloaded,
    /// Requests wait for it.
    Loading {
        /// The share that is done, from 0 to 1. It is 0 while other models are in the way.
        progress: f32,
    },
    /// It answers.
    Ready,
    /// It could not be loaded, or its worker ended. The next request tries again, if it does not come too soon.
    Failed {
        /// What happened last, and where it says so, when it is worth another try.
        error: Error,
    },
}

/// A model that a worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The model's name.
    pub name: String,
    /// What it can do, and with what.
    pub info: ModelInfo,
    /// The worker's process.
    pub pid: u32,
    /// Requests that it works on.
    pub active: usize,
    /// Requests that wait.
    pub queued: usize,
    /// How often a worker had to be started again.
    pub restarts: u32,
    /// When it was loaded.
    pub since: SystemTime,
    /// When its last request ended; now, while it has one.
    pub last_used: SystemTime,
    /// When it is unloaded, unless somebody asks it for something; none: not for want of requests.
    pub expires: Option<SystemTime>,
    /// It stays loaded whatever happens.
    pub pinned: bool,
    /// Bytes that are set aside for it: what the backend says, or else the estimate or what was measured when it was
    /// loaded, whichever is more.
    pub memory: u64,
    /// Bytes that were estimated before it was loaded.
    pub estimated: u64,
    /// Bytes that its process takes now, where the system says so.
    pub resident: Option<u64>,
}
