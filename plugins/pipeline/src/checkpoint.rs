//! What a run that goes on goes on from.
//!
//! One file says it all, and it is replaced at once: how far the sources were read, how far the sinks were written, and
//! what the steps keep. Nothing that happened after it counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::disk::Disk;
use crate::error::Error;

/// The version of the form of the file.
const VERSION: u32 = 1;

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    version: u32,
    pub(crate) phase: Phase,
    /// Which nodes there were, by name, and what they did.
    pub(crate) pipeline: BTreeMap<String, String>,
    /// When the run began and when this was written, in seconds since 1970 (UTC).
    pub(crate) began: u64,
    pub(crate) written: u64,
    /// How many records the run takes from its sources, if not all.
    pub(crate) limit: Option<u64>,
    pub(crate) sources: BTreeMap<String, SourceState>,
    /// Which source is next.
    pub(crate) turn: usize,
    pub(crate) steps: BTreeMap<String, StepState>,
    /// What `commit` of each sink gave.
    pub(crate) sinks: BTreeMap<String, Value>,
    /// How long the file of the dead letters is.
    pub(crate) dead: u64,
    pub(crate) counts: BTreeMap<String, Counts>,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// There is more to read or to finish.
    Running,
    /// Everything is written, but perhaps not in its place yet.
    Written,
    /// Everything is in its place.
    Done,
}

/// How far a source was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SourceState {
    pub(crate) position: Option<Value>,
    /// It has nothing more.
    pub(crate) ended: bool,
}

/// What a step keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepState {
    /// How many batches of what it kept have gone on already.
    pub(crate) finished: u64,
    /// All of them have.
    pub(crate) ended: bool,
    pub(crate) memory: Option<Memory>,
}

/// Where a step's memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Which of its files.
    pub(crate) generation: u64,
    /// How much of it counts.
    pub(crate) length: u64,
}

/// What went through a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Records that came in; of a source, those that it read.
    pub(crate) taken: u64,
    /// Records that went on; of a sink, those that it wrote.
    pub(crate) passed: u64,
    /// Records that were left out on purpose, or because the pipeline said so.
    pub(crate) dropped: u64,
    /// Records that became dead letters.
    pub(crate) dead: u64,
    /// Attempts after the first.
    pub(crate) retries: u64,
}

impl Checkpoint {
    /// That of a run that has done nothing yet.
    pub(crate) fn new(pipeline: BTreeMap<String, String>, limit: Option<u64>, now: u64) -> Self {
        Self {
            version: VERSION,
            phase: Phase::Running,
            pipeline,
            began: now,
            written: now,
            limit,
            sources: BTreeMap::new(),
            turn: 0,
            steps: BTreeMap::new(),
            sinks: BTreeMap::new(),
            dead: 0,
            counts: BTreeMap::new(),
        }
    }

    /// The one of the last run, if there was one.
    pub(crate) fn read(state: &Path) -> Result<Option<Self>, Error> {
        let path = path(state);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path, &error)),
        };
        let damaged = || {
            Error::new(format!("{} is damaged, so that the run cannot go on from it", path.display()))
                .hint("begin again with `--fresh`; answers of models are kept")
        };
        let (json, digest) = text.trim_end().rsplit_once('\n').ok_or_else(damaged)?;
        if digest != self::digest(json) {
            return Err(damaged());
        }
        let version = serde_json::from_str::<Value>(json).ok().and_then(|value| value["version"].as_u64());
        if version != Some(VERSION.into()) {
            return Err(Error::new(format!(
                "{} was written by another version of this plugin",
                path.display()
            ))
            .hint("go on with that version, or begin again with `--fresh`"));
        }
        serde_json::from_str(json).map(Some).map_err(|_| damaged())
    }

    /// Makes it the one that counts.
    pub(crate) fn write(&self, state: &Path, disk: &dyn Disk) -> Result<(), Error> {
        let path = path(state);
        let json = serde_json::to_string(self)
            .map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
        let text = format!("{json}\n{}\n", digest(&json));
        disk.replace(&path, text.as_bytes()).map_err(|error| Error::file("write", &path, &error))
    }
}

/// Forgets the last run.
pub(crate) fn forget(state: &Path, disk: &dyn Disk) -> Result<(), Error> {
    // First what says that there was one, so that a crash in between leaves nothing that is half there.
    let path = path(state);
    let failed = |error| Error::file("remove", &path, &error);
    disk.remove(&path).map_err(failed)?;
    disk.remove_folder(state).map_err(failed)?;
    disk.create_folder(state).map_err(failed)
}

fn path(state: &Path) -> PathBuf {
    state.join("checkpoint")
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
