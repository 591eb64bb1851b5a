//! Rows of a Parquet file.

use std::fs::File;
use std::path::PathBuf;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::record::reader::RowIter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::Spanned;

use super::{Kind, tail};
use crate::error::Error;
use crate::node::{Context, Progress, Pull, Pulled, Room, Source};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file, uncompressed or compressed with Snappy or gzip. Dates and times become texts, and bytes base64.
    #[schemars(with = "String")]
    path: Spanned<String>,
}

pub(crate) struct Parquet {
    path: PathBuf,
    /// What ids begin with: the path as the pipeline file has it.
    name: String,
    rows: Option<RowIter<'static>>,
    place: Place,
    total: u64,
}

/// Between two rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    row: u64,
    /// What tells a file that has changed: its end says where everything is in it.
    size: u64,
    end: String,
}

impl Kind for Parquet {
    const NAME: &'static str = "parquet";
    const ABOUT: &'static str = "rows of a Parquet file, one record each";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let path = context.path(config.path.get_ref());
        let (span, name) = (config.path.span(), config.path.into_inner());
        let mut parquet = Self { path, name, rows: None, place: Place::default(), total: 0 };
        let file = parquet.file().map_err(|error| error.at(span.clone()))?;
        let reader = SerializedFileReader::new(file).map_err(|error| parquet.failed(&error).at(span))?;
        parquet.total = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        Ok(parquet)
    }
}

impl Parquet {
    fn file(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(|error| Error::file("read", &self.path, &error))
    }

    fn failed(&self, error: &parquet::errors::ParquetError) -> Error {
        Error::new(format!("cannot read {} as Parquet: {error}", self.path.display()))
    }
}

impl Source for Parquet {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        let failed = |error| Error::file("read", &self.path, &error);
        let size = std::fs::metadata(&self.path).map_err(failed)?.len();
        let end = tail::before(&self.path, size).map_err(failed)?;
        self.place = match position {
            None => Place { row: 0, size, end },
            Some(position) => {
                let place = Place::deserialize(position).map_err(|error| {
                    Error::new(format!("the place in {} is unreadable: {error}", self.name))
                })?;
                if (place.size, &place.end) != (size, &end) {
                    return Err(tail::changed(&self.path));
                }
                place
            }
        };
        // Whole groups of rows that lie before the place are not read again.
        let (mut before, place) = (0, self.place.row);
        let mut skipped = 0;
        let metadata = SerializedFileReader::new(self.file()?).map_err(|error| self.failed(&error))?;
        let mut first = 0;
        for group in metadata.metadata().row_groups() {
            before += u64::try_from(group.num_rows()).unwrap_or(0);
            if before > place {
                break;
            }
            (first, skipped) = (first + 1, before);
        }
        let options =
            ReadOptionsBuilder::new().with_predicate(Box::new(move |_, group| group >= first)).build();
        let reader = SerializedFileReader::new_with_options(self.file()?, options);
        let mut rows = RowIter::from_file_into(Box::new(reader.map_err(|error| self.failed(&error))?));
        for _ in skipped..place {
            rows.next().transpose().map_err(|error| self.failed(&error))?;
        }
        self.rows = Some(rows);
        Ok(())
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < room.records && bytes < room.bytes {
            let Some(row) = self.rows.as_mut().and_then(Iterator::next) else { break };
            let row = row.map_err(|error| self.failed(&error))?;
            self.place.row += 1;
            let record = Record::from_value(format!("{}:{}", self.name, self.place.row), row.to_json_value());
            bytes += record.size();
            batch.push(Pulled::Record(record));
        }
        Ok(if batch.is_empty() { Pull::End } else { Pull::Batch(batch) })
    }

    fn position(&self) -> Value {
        json!(self.place)
    }

    fn progress(&self) -> Progress {
        Progress { done: self.place.row, total: Some(self.total) }
    }
}
