//! Dead letters: records that failed for good, each with the reason.

use std::path::PathBuf;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::disk::Disk;
use crate::error::Error;
use crate::kind::jsonl_sink::Jsonl;
use crate::node::Sink as _;
use crate::record::Record;

/// The file of the dead letters. It is there only if there are any.
pub(crate) struct DeadLetters {
    disk: Rc<dyn Disk>,
    pub(crate) path: PathBuf,
    file: Option<Jsonl>,
}

impl DeadLetters {
    /// Goes on behind the first `length` bytes.
    pub(crate) fn start(disk: Rc<dyn Disk>, path: PathBuf, length: u64) -> Result<Self, Error> {
        let mut letters = Self { disk, path, file: None };
        if length > 0 {
            letters.open(length)?;
        } else {
            let removed = letters.disk.remove(&letters.path);
            removed.map_err(|error| Error::file("remove", &letters.path, &error))?;
        }
        Ok(letters)
    }

    fn open(&mut self, length: u64) -> Result<&mut Jsonl, Error> {
        let mut file = Jsonl::live(self.disk.clone(), self.path.clone());
        file.start(Some(&json!(length)))?;
        Ok(self.file.insert(file))
    }

    /// Adds one.
    pub(crate) fn add(&mut self, node: &str, mut record: Record, why: &str) -> Result<(), Error> {
        let data = match record.value() {
            Ok(data) => data.clone(),
            Err(_) => Value::String(record.text().into_owned()),
        };
        let letter = json!({ "id": record.id, "node": node, "reason": why, "data": data });
        let file = match &mut self.file {
            Some(file) => file,
            None => self.open(0)?,
        };
        file.write(&[Record::from_value(record.id, letter)])?;
        Ok(())
    }

    /// Makes them durable, and says how long the file is.
    pub(crate) fn commit(&mut self) -> Result<u64, Error> {
        let Some(file) = &mut self.file else { return Ok(0) };
        Ok(file.commit()?.as_u64().unwrap_or(0))
    }
}
