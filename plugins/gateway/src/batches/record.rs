//! What is known about a batch, on disk. Each file has one writer: what was ordered is written once, what became of it
//! by whoever works on it, and the wish to cancel by whoever has it first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::input::Problem;
use super::results::Counts;
use crate::disk::{self, Folder};
use crate::error::ApiError;

/// What the name of a batch begins with.
pub(crate) const PREFIX: &str = "batch_";

/// What was ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) input_file_id: String,
    pub(crate) completion_window: String,
    pub(crate) created_at: u64,
    pub(crate) expires_at: u64,
    pub(crate) metadata: Option<Map<String, Value>>,
    /// How long what comes of it is kept, in seconds.
    pub(crate) output_life: u64,
}

/// Where a batch is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    #[default]
    Validating,
    Failed,
    InProgress,
    Finalizing,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
}

impl Status {
    /// In the order of a batch's life.
    pub(crate) const WORDS: &[&str] = &[
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    ];

    pub(crate) fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Whether nothing more happens.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Completed | Self::Expired | Self::Cancelled)
    }
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) status: Status,
    /// How often somebody has begun to work on it. Only the last one may go on.
    pub(crate) run: u64,
    pub(crate) counts: Counts,
    pub(crate) errors: Vec<Problem>,
    pub(crate) output_file_id: Option<String>,
    pub(crate) error_file_id: Option<String>,
    pub(crate) in_progress_at: Option<u64>,
    pub(crate) finalizing_at: Option<u64>,
    pub(crate) completed_at: Option<u64>,
    pub(crate) failed_at: Option<u64>,
    pub(crate) expired_at: Option<u64>,
    pub(crate) cancelled_at: Option<u64>,
}

/// The batch with one id.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    folder: Folder,
    path: PathBuf,
}

impl Record {
    /// The ids of all batches, the oldest first.
    pub(crate) fn ids(folder: &Folder) -> io::Result<Vec<String>> {
        let names = disk::entries(&folder.batches())?.into_iter().map(|entry| entry.file_name());
        let mut ids: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        ids.retain(|id| disk::is_id(PREFIX, id));
        ids.sort_unstable();
        Ok(ids)
    }

    /// Writes down a new batch, which is there as a whole or not at all.
    pub(crate) fn create(folder: &Folder, order: &Order) -> io::Result<Self> {
        fs::create_dir_all(folder.batches())?;
        let draft = folder.draft()?;
        fs::create_dir(&draft)?;
        let path = folder.batches().join(&order.id);
        disk::write(&draft.join("order.json"), &crate::answer::json(order))?;
        disk::sync_folder_of(&draft.join("order.json"))?;
        disk::rename(&draft, &path)?;
        Ok(Self { folder: folder.clone(), path })
    }

    /// The batch with this id, and what was ordered.
    pub(crate) fn find(folder: &Folder, id: &str) -> Result<(Self, Order), ApiError> {
        let missing = || ApiError::no_batch(id);
        if !disk::is_id(PREFIX, id) {
            return Err(missing());
        }
        let record = Self { folder: folder.clone(), path: folder.batches().join(id) };
        let order = disk::read(&record.path.join("order.json"))
            .map_err(|error| ApiError::disk("read the batch", &error))?
            .and_then(|order| serde_json::from_slice(&order).ok())
            .ok_or_else(missing)?;
        Ok((record, order))
    }

    /// What became of it so far.
    pub(crate) fn state(&self) -> io::Result<State> {
        let Some(state) = disk::read(&self.path.join("state.json"))? else { return Ok(State::default()) };
        serde_json::from_slice(&state).map_err(|error| {
            let why = format!("{} is damaged: {error}", self.path.join("state.json").display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    pub(crate) fn write(&self, state: &State) -> io::Result<()> {
        self.folder.replace(&self.path.join("state.json"), &crate::answer::json(state))
    }

    /// When it was to be cancelled, if it was.
    pub(crate) fn cancelling_at(&self) -> io::Result<Option<u64>> {
        let wish = disk::read(&self.path.join("cancel"))?;
        // Where it was torn, the wish is there all the same.
        Ok(wish.map(|text| String::from_utf8_lossy(&text).trim().parse().unwrap_or_default()))
    }

    /// Asks for it to be cancelled; once is enough.
    pub(crate) fn cancel(&self) -> io::Result<()> {
        match File::create_new(self.path.join("cancel")) {
            Ok(mut file) => {
                file.write_all(crate::since_1970().as_secs().to_string().as_bytes())?;
                file.sync_all()?;
                disk::sync_folder_of(&self.path.join("cancel"))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Where the answers of one run are: the good ones and the others.
    pub(crate) fn results(&self, run: u64) -> (PathBuf, PathBuf) {
        (self.path.join(format!("output.{run}")), self.path.join(format!("errors.{run}")))
    }

    /// Removes the answers of all runs but this one.
    pub(crate) fn remove_results(&self, but: Option<u64>) -> io::Result<()> {
        let kept = but.map(|run| self.results(run));
        for entry in disk::entries(&self.path)? {
            let (path, name) = (entry.path(), entry.file_name());
            let is_of_a_run =
                name.to_str().is_some_and(|name| name.starts_with("output.") || name.starts_with("errors."));
            if is_of_a_run && kept.as_ref().is_none_or(|(good, bad)| path != *good && path != *bad) {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Forgets the batch.
    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::refused;

    #[test]
    fn a_batch_is_found_with_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let order = Order {
            id: "batch_1".into(),
            endpoint: "/v1/embeddings".into(),
            input_file_id: "file-1".into(),
            completion_window: "24h".into(),
            created_at: 1,
            expires_at: 2,
            metadata: None,
            output_life: 3,
        };
        assert!(Record::ids(&folder).unwrap().is_empty());
        Record::create(&folder, &order).unwrap();
        let (record, found) = Record::find(&folder, "batch_1").unwrap();
        assert_eq!((found, record.state().unwrap()), (order, State::default()));
        let state = State { run: 7, status: Status::InProgress, ..State::default() };
        record.write(&state).unwrap();
        assert_eq!(record.state().unwrap(), state);
        assert_eq!(record.cancelling_at().unwrap(), None);
        record.cancel().unwrap();
        let when = record.cancelling_at().unwrap();
        record.cancel().unwrap();
        assert!(when.is_some_and(|when| when > 1_700_000_000) && record.cancelling_at().unwrap() == when);
        refused(
            Record::find(&folder, "batch_2"),
            404,
            "batch_id",
            "not_found",
            "No batch found with id 'batch_2'",
        );
        refused(Record::find(&folder, "../batches/batch_1"), 404, "batch_id", "not_found", "No batch");
        assert_eq!(Record::ids(&folder).unwrap(), ["batch_1"]);
        record.remove().unwrap();
        assert!(Record::ids(&folder).unwrap().is_empty());
    }

    #[test]
    fn words_are_those_that_are_stored() {
        for status in
            [Status::Validating, Status::InProgress, Status::Completed, Status::Cancelling, Status::Cancelled]
        {
            assert_eq!(serde_json::to_value(status).unwrap(), status.word());
        }
    }
}
