//! Rows into a Parquet file.
//!
//! A Parquet file cannot be gone on with, since its end says where everything is in it. So records are collected as lines
//! of JSON first, and the file is made of them when all are there: that may be done again and again, and by then what the
//! columns hold is known.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::Kind;
use super::columns::object;
use super::growing::Growing;
use crate::disk::{Disk, with_ending};
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

mod table;

use table::{Columns, Table};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. It is there when the run is over. Columns are the fields of all records; what is no number, truth value or
    /// text throughout is JSON.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// How it is compressed.
    #[serde(default)]
    compression: Compression,
    /// How many rows are together in a group.
    #[serde(default = "group")]
    group: usize,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Compression {
    #[default]
    Snappy,
    Gzip,
    None,
}

fn group() -> usize {
    16_384
}

/// A group ends early if it is so large.
const GROUP_BYTES: usize = 32 << 20;

pub(crate) struct Parquet {
    disk: Rc<dyn Disk>,
    path: PathBuf,
    compression: Compression,
    group: usize,
    collected: Growing,
    lines: PathBuf,
}

impl Kind for Parquet {
    const NAME: &'static str = "parquet";
    const ABOUT: &'static str = "rows into a Parquet file, one for each record; exactly once";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        if context.watch {
            return Err(Error::new("a Parquet file is made at the end, and a run that watches has none")
                .hint("run without `--watch`, or use the sink `jsonl`")
                .at(config.path.span()));
        }
        let lines = context.state.join("rows.jsonl");
        Ok(Self {
            disk: context.disk.clone(),
            path: context.path(config.path.get_ref()),
            compression: config.compression,
            group: config.group.max(1),
            collected: Growing::live(context.disk.clone(), lines.clone()),
            lines,
        })
    }
}

impl Parquet {
    /// Hands over what was collected, record by record.
    fn each(
        &self,
        mut work: impl FnMut(Map<String, Value>, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |error| Error::file("read", &self.lines, &error);
        for line in BufReader::new(File::open(&self.lines).map_err(failed)?).lines() {
            let line = line.map_err(failed)?;
            let fields = serde_json::from_str(&line).map_err(|error| failed(error.into()))?;
            work(fields, line.len())?;
        }
        Ok(())
    }

    fn make(&self) -> Result<(), Error> {
        let mut columns = Columns::default();
        self.each(|fields, _| {
            columns.see(&fields);
            Ok(())
        })?;
        let partial = with_ending(&self.path, "partial");
        let failed = |error| Error::file("write", &partial, &error);
        if let Some(folder) = partial.parent() {
            self.disk.create_folder(folder).map_err(failed)?;
        }
        let mut file = self.disk.append(&partial, 0).map_err(failed)?;
        let mut table = Table::new(columns, self.compression)?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        self.each(|fields, size| {
            rows.push(fields);
            bytes += size;
            if rows.len() == self.group || bytes >= GROUP_BYTES {
                file.write_all(&table.group(&rows)?).map_err(failed)?;
                (rows, bytes) = (Vec::new(), 0);
            }
            Ok(())
        })?;
        if !rows.is_empty() {
            file.write_all(&table.group(&rows)?).map_err(failed)?;
        }
        file.write_all(&table.end()?).map_err(failed)?;
        file.sync().map_err(failed)?;
        drop(file);
        self.disk.rename(&partial, &self.path).map_err(|error| Error::file("write", &self.path, &error))
    }
}

impl Sink for Parquet {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        self.collected.start(mark.and_then(Value::as_u64).unwrap_or(0))
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            match object(&mut record.clone()) {
                Ok(fields) => self.collected.write(format!("{}\n", json!(fields)).as_bytes())?,
                Err(why) => refused.push(Refused { index, why, retry: false }),
            }
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        self.collected.commit().map(Value::from)
    }

    fn publish(&mut self) -> Result<(), Error> {
        // What was collected goes last, so that if it is gone, the file is there.
        if self.lines.exists() {
            self.make()?;
            self.disk.remove(&self.lines).map_err(|error| Error::file("remove", &self.lines, &error))?;
        }
        Ok(())
    }
}
