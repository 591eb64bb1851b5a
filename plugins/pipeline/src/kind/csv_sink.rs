//! Rows into a CSV file.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::Kind;
use super::columns::object;
use super::csv_source::{comma, delimiter};
use super::growing::Growing;
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. While the run is under way it is called so with `.partial` at its end.
    path: String,
    /// The fields to write, in order; others are left out. Without it, the fields of the first record, and records with
    /// others are refused.
    #[serde(default)]
    columns: Option<Vec<String>>,
    /// What is between two values: one ASCII character, such as `;` or a tab.
    #[serde(default = "comma")]
    #[schemars(with = "String")]
    delimiter: Spanned<String>,
    /// Whether the first row has the names of the columns.
    #[serde(default = "yes")]
    header: bool,
}

fn yes() -> bool {
    true
}

pub(crate) struct Csv {
    file: Growing,
    chosen: Option<Vec<String>>,
    columns: Option<Vec<String>>,
    delimiter: u8,
    header: bool,
}

impl Kind for Csv {
    const NAME: &'static str = "csv";
    const ABOUT: &'static str = "rows into a CSV file, one for each record; exactly once";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        Ok(Self {
            file: Growing::new(&config.path, context),
            chosen: config.columns,
            columns: None,
            delimiter: delimiter(&config.delimiter)?,
            header: config.header,
        })
    }
}

/// How far the file is, and what its columns are.
#[derive(Deserialize)]
struct Mark {
    length: u64,
    columns: Option<Vec<String>>,
}

impl Csv {
    fn row<'v>(&self, values: impl Iterator<Item = std::borrow::Cow<'v, str>>) -> Result<Vec<u8>, Error> {
        let mut writer = csv::WriterBuilder::new().delimiter(self.delimiter).from_writer(Vec::new());
        let wrong = |error: &dyn std::fmt::Display| Error::new(format!("cannot write a row: {error}"));
        writer.write_record(values.map(|value| value.into_owned())).map_err(|error| wrong(&error))?;
        writer.into_inner().map_err(|error| wrong(&error))
    }

    /// Writes the names of the columns before the first record.
    fn begin(&mut self, columns: Vec<String>) -> Result<(), Error> {
        if self.header {
            let row = self.row(columns.iter().map(|column| column.as_str().into()))?;
            self.file.write(&row)?;
        }
        self.columns = Some(columns);
        Ok(())
    }
}

impl Sink for Csv {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        let mark = mark.map_or(Ok(Mark { length: 0, columns: None }), Mark::deserialize);
        let Mark { length, columns } = mark.map_err(|error| {
            Error::new(format!("the place in {} is unreadable: {error}", self.file.partial().display()))
        })?;
        self.file.start(length)?;
        self.columns = columns;
        match (&self.columns, self.chosen.clone()) {
            (None, Some(chosen)) => self.begin(chosen),
            _ => Ok(()),
        }
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            let mut record = record.clone();
            let mut refuse = |why| refused.push(Refused { index, why, retry: false });
            let fields = match object(&mut record) {
                Ok(fields) => fields,
                Err(why) => {
                    refuse(why);
                    continue;
                }
            };
            if self.columns.is_none() {
                self.begin(fields.keys().cloned().collect())?;
            }
            let columns = self.columns.as_deref().unwrap_or_default();
            if self.chosen.is_none()
                && let Some(other) = fields.keys().find(|field| !columns.contains(field))
            {
                refuse(format!(
                    "the field `{other}` is no column, since the first record had none; name all with `columns`"
                ));
                continue;
            }
            let row = self.row(columns.iter().map(|column| cell(fields, column)))?;
            self.file.write(&row)?;
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        Ok(json!({ "length": self.file.commit()?, "columns": self.columns }))
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.file.publish()
    }
}

/// A value in a row. What has parts is JSON.
fn cell<'v>(fields: &'v Map<String, Value>, column: &str) -> std::borrow::Cow<'v, str> {
    match fields.get(column) {
        None | Some(Value::Null) => "".into(),
        Some(Value::String(text)) => text.as_str().into(),
        Some(other) => other.to_string().into(),
    }
}
