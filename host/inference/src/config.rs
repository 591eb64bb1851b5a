use std::{ffi::OsString, path::PathBuf, time::Duration};

/// What to start as a worker; it finds its end of the socket as its standard input.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program, usually the running one.
    pub program: PathBuf,
    /// Its arguments, usually `worker`.
    pub args: Vec<OsString>,
}

/// How models are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program that holds a model.
    pub worker: WorkerCommand,
    /// How many requests one model works on at once, at least 1.
    pub sequences: u32,
    /// Tokens of context for each request; absent: what the model was trained with, capped by the backend.
    pub context: Option<u32>,
    /// Threads to compute with; absent: the backend chooses.
    pub threads: Option<u32>,
    /// How many requests may wait at one model, beyond those that it works on.
    pub queue: usize,
    /// The longest that a load may go on without progress.
    pub load_timeout: Duration,
    /// Further environment of the worker; it inherits ours.
    pub env: Vec<(String, String)>,
}

impl Config {
    /// The defaults: four sequences, a queue of 64 requests, two minutes for a load.
    #[must_use]
    pub fn new(worker: WorkerCommand) -> Self {
        Self {
            worker,
            sequences: 4,
            context: None,
            threads: None,
            queue: 64,
            load_timeout: Duration::from_secs(120),
            env: Vec::new(),
        }
    }
}
