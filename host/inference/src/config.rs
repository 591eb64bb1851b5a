use std::{ffi::OsString, path::PathBuf, time::Duration};

use crate::{KeepAlive, PromptCache};

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
    /// Threads to read prompts with; absent: as many as for answers.
    pub threads_batch: Option<u32>,
    /// How many requests may wait at one model, beyond those that it works on.
    pub queue: usize,
    /// The longest that a load may go on without progress, or wait until other models make room.
    pub load_timeout: Duration,
    /// Bytes of memory that all models together may take; absent: four fifths of what this process may use.
    pub memory_budget: Option<u64>,
    /// How long a model stays loaded that nobody asks for anything.
    pub keep_alive: KeepAlive,
    /// Names of models that stay loaded, once they are.
    pub pinned: Vec<String>,
    /// Where workers may keep what they computed of prompts; absent: nowhere.
    pub prompt_cache: Option<PromptCache>,
    /// Further environment of the worker; it inherits ours.
    pub env: Vec<(String, String)>,
}

impl Config {
    /// The defaults: four sequences, a queue of 64 requests, two minutes for a load, half an hour for idle models.
    #[must_use]
    pub fn new(worker: WorkerCommand) -> Self {
        Self {
            worker,
            sequences: 4,
            context: None,
            threads: None,
            threads_batch: None,
            queue: 64,
            load_timeout: Duration::from_secs(120),
            memory_budget: None,
            keep_alive: KeepAlive::For(Duration::from_secs(30 * 60)),
            pinned: Vec::new(),
            prompt_cache: None,
            env: Vec::new(),
        }
    }
}
