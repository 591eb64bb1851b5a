//! Lines of JSON into a file.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::Kind;
use crate::disk::{Append, Disk, with_ending};
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. While the run is under way it is called so with `.partial` at its end.
    path: String,
}

pub(crate) struct Jsonl {
    disk: Rc<dyn Disk>,
    path: PathBuf,
    /// Where it is written; the same as `path` where it has to be seen while it grows.
    partial: PathBuf,
    file: Option<Box<dyn Append>>,
}

impl Kind for Jsonl {
    const NAME: &'static str = "jsonl";
    const ABOUT: &'static str = "lines of JSON into a file, one for each record";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let path = context.path(&config.path);
        let partial = if context.watch { path.clone() } else { with_ending(&path, "partial") };
        Ok(Self { disk: context.disk.clone(), path, partial, file: None })
    }
}

impl Jsonl {
    /// One that writes into its file at once.
    pub(crate) fn live(disk: Rc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, partial: path.clone(), path, file: None }
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::file("write", &self.partial, error)
    }
}

impl Sink for Jsonl {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        let length = mark.and_then(Value::as_u64).unwrap_or(0);
        if let Some(folder) = self.partial.parent() {
            self.disk.create_folder(folder).map_err(|error| self.failed(&error))?;
        }
        let file = self.disk.append(&self.partial, length).map_err(|error| self.failed(&error))?;
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        let Some(file) = &mut self.file else { return Ok(refused) };
        for (index, record) in batch.iter().enumerate() {
            let text = record.text();
            // What came from outside may be anything, and has to be one line of JSON here.
            if !record.is_checked()
                && let Err(error) = serde_json::from_str::<IgnoredAny>(&text)
            {
                refused.push(Refused { index, why: format!("it is no JSON: {error}"), retry: false });
                continue;
            }
            let line: Cow<'_, str> =
                if text.contains('\n') { text.replace(['\n', '\r'], " ").into() } else { text };
            let written = file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n"));
            written.map_err(|error| Error::file("write", &self.partial, &error))?;
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        let Some(file) = &mut self.file else { return Ok(json!(0)) };
        let synced = file.sync();
        synced.map_err(|error| Error::file("write", &self.partial, &error))?;
        Ok(json!(file.length()))
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.file = None;
        // If it was renamed already, the process died right afterwards.
        if self.partial != self.path && self.partial.exists() {
            let renamed = self.disk.rename(&self.partial, &self.path);
            renamed.map_err(|error| Error::file("write", &self.path, &error))?;
        }
        Ok(())
    }
}
