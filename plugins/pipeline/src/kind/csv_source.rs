//! Rows of a CSV file.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::rc::Rc;

use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::{Kind, tail};
use crate::error::Error;
use crate::node::{Context, Progress, Pull, Pulled, Room, Source};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. Its values are texts; the step `cast` makes numbers of them.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// What is between two values: one ASCII character, such as `;` or a tab.
    #[serde(default = "comma")]
    #[schemars(with = "String")]
    delimiter: Spanned<String>,
    /// The names of the columns, if the first row does not have them.
    #[serde(default)]
    columns: Option<Vec<String>>,
    /// The longest row, in bytes.
    #[serde(default = "longest")]
    max_row: u64,
}

pub(super) fn comma() -> Spanned<String> {
    Spanned::new(0..0, ",".to_owned())
}

fn longest() -> u64 {
    16 << 20
}

/// The character between two values.
pub(super) fn delimiter(text: &Spanned<String>) -> Result<u8, Error> {
    match text.get_ref().as_bytes() {
        [byte] if !matches!(byte, b'"' | b'\n' | b'\r') && byte.is_ascii() => Ok(*byte),
        _ => Err(Error::new("a delimiter is one ASCII character, and no quotation mark or end of a line")
            .hint("write such as `delimiter = \";\"` or `delimiter = \"\\t\"`")
            .at(text.span())),
    }
}

pub(crate) struct Csv {
    path: PathBuf,
    /// What ids begin with: the path as the pipeline file has it.
    name: String,
    delimiter: u8,
    columns: Option<Vec<String>>,
    max_row: u64,
    size: u64,
    watch: bool,
    open: Option<Open>,
    place: Place,
}

/// Between two rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    byte: u64,
    /// Lines before.
    line: u64,
    /// What tells a file that has changed.
    before: String,
}

struct Open {
    reader: Reader<Bounded>,
    columns: Vec<String>,
    row: ByteRecord,
}

/// A file that is read only so far without a row coming to its end.
struct Bounded {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row is too long"));
        }
        let read = self.file.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Kind for Csv {
    const NAME: &'static str = "csv";
    const ABOUT: &'static str = "rows of a CSV file, one record each";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let path = context.path(config.path.get_ref());
        let found = std::fs::metadata(&path);
        let size = found.map_err(|error| Error::file("read", &path, &error).at(config.path.span()))?.len();
        Ok(Self {
            path,
            name: config.path.into_inner(),
            delimiter: delimiter(&config.delimiter)?,
            columns: config.columns,
            max_row: config.max_row,
            size,
            watch: context.watch,
            open: None,
            place: Place::default(),
        })
    }
}

impl Csv {
    /// One over a file that another source has made; `name` is what ids begin with.
    pub(super) fn over(path: PathBuf, name: String, delimiter: u8) -> Result<Self, Error> {
        let size = std::fs::metadata(&path).map_err(|error| Error::file("read", &path, &error))?.len();
        let (columns, open, place) = (None, None, Place::default());
        Ok(Self { path, name, delimiter, columns, max_row: longest(), size, watch: false, open, place })
    }

    /// What the buffer of the reader may run ahead.
    const AHEAD: u64 = 128 * 1024;

    fn failed(&self, line: u64, error: &csv::Error) -> Error {
        match error.kind() {
            csv::ErrorKind::Io(why) if why.kind() == io::ErrorKind::InvalidData => Error::new(format!(
                "the row at line {line} of {} is longer than {} bytes",
                self.name, self.max_row
            ))
            .hint("is there a quotation mark without its other one? or set `max_row`"),
            csv::ErrorKind::Io(why) => Error::file("read", &self.path, why),
            _ => Error::new(format!("cannot read the row at line {line} of {}: {error}", self.name)),
        }
    }

    /// The next row, if there is one, and the line that it begins in.
    fn next(&mut self) -> Result<Option<u64>, Error> {
        let Some(Open { reader, row, .. }) = &mut self.open else { return Ok(None) };
        reader.get_ref().left.set(self.max_row.saturating_add(Self::AHEAD));
        let line = reader.position().line();
        let read = reader.read_byte_record(row);
        let position = reader.position().clone();
        if !read.map_err(|error| self.failed(line, &error))? {
            return Ok(None);
        }
        // Somebody may be writing it.
        if self.watch && !self.is_ended(&position)? {
            return Ok(None);
        }
        let line = self.open.as_ref().and_then(|open| open.row.position()).map_or(0, Position::line);
        self.place = Place { byte: position.byte(), line: position.line() - 1, before: String::new() };
        Ok(Some(line))
    }

    /// Whether what comes before has the end of a line.
    fn is_ended(&self, position: &Position) -> Result<bool, Error> {
        let failed = |error| Error::file("read", &self.path, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(position.byte().saturating_sub(1))).map_err(failed)?;
        let mut last = [0];
        file.read_exact(&mut last).map_err(failed)?;
        Ok(matches!(last, [b'\n' | b'\r']))
    }

    /// Goes to the place again, past whose end there may be more by now.
    fn seek(&mut self) -> Result<(), Error> {
        let mut position = Position::new();
        position.set_byte(self.place.byte).set_line(self.place.line + 1);
        let Some(open) = &mut self.open else { return Ok(()) };
        let sought = open.reader.seek_raw(SeekFrom::Start(self.place.byte), position);
        sought.map_err(|error| self.failed(self.place.line + 1, &error))
    }
}

impl Source for Csv {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        let position = position.filter(|position| !position.is_null());
        if let Some(position) = position {
            self.place = Place::deserialize(position)
                .map_err(|error| Error::new(format!("the place in {} is unreadable: {error}", self.name)))?;
            tail::check(&self.path, self.place.byte, &self.place.before)?;
        }
        let file = File::open(&self.path).map_err(|error| Error::file("read", &self.path, &error))?;
        let left = Rc::new(Cell::new(self.max_row.saturating_add(Self::AHEAD)));
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).flexible(true).has_headers(self.columns.is_none());
        let mut reader = builder.from_reader(Bounded { file, left });
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => {
                let header = reader.headers().map(|header| header.iter().map(str::to_owned).collect());
                header.map_err(|error| self.failed(1, &error))?
            }
        };
        check_names(&columns, &self.name)?;
        self.open = Some(Open { reader, columns, row: ByteRecord::new() });
        if position.is_some() { self.seek() } else { Ok(()) }
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < room.records && bytes < room.bytes {
            let Some(line) = self.next()? else { break };
            let Some(Open { columns, row, .. }) = &self.open else { break };
            bytes += row.as_slice().len();
            let id = format!("{}:{line}", self.name);
            batch.push(match data(columns, row) {
                Ok(data) => Pulled::Record(Record::from_value(id, Value::Object(data))),
                Err(why) => {
                    let values: Vec<_> = row.iter().map(|value| String::from_utf8_lossy(value)).collect();
                    Pulled::Bad { record: Record::from_value(id, json!(values)), why }
                }
            });
        }
        if !batch.is_empty() {
            let before = tail::before(&self.path, self.place.byte);
            self.place.before = before.map_err(|error| Error::file("read", &self.path, &error))?;
            return Ok(Pull::Batch(batch));
        }
        if !self.watch {
            return Ok(Pull::End);
        }
        match self.place.byte {
            0 => self.start(None)?,
            _ => self.seek()?,
        }
        Ok(Pull::Idle)
    }

    fn position(&self) -> Value {
        match self.place.byte {
            0 => Value::Null,
            _ => json!(self.place),
        }
    }

    fn progress(&self) -> Progress {
        Progress { done: self.place.byte, total: Some(self.size) }
    }
}

/// Columns are fields, so each has a name of its own.
fn check_names(columns: &[String], file: &str) -> Result<(), Error> {
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].contains(column) {
            return Err(Error::new(format!("two columns of {file} are called `{column}`"))
                .hint("name them all with `columns`, and leave the first row out of the file"));
        }
    }
    Ok(())
}

fn data(columns: &[String], row: &ByteRecord) -> Result<Map<String, Value>, String> {
    if row.len() != columns.len() {
        return Err(format!("the row has {} values, but there are {} columns", row.len(), columns.len()));
    }
    let value = |(column, value): (&String, &[u8])| match std::str::from_utf8(value) {
        Ok(text) => Ok((column.clone(), Value::from(text))),
        Err(error) => Err(format!("the value of `{column}` is no UTF-8 text: {error}")),
    };
    columns.iter().zip(row).map(value).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::*;
    use crate::kind::bench::Bench;

    #[test]
    fn rows_that_are_added_are_taken_when_their_line_has_ended() {
        let bench = Bench::new();
        let path = bench.dir.path().join("in.csv");
        let add = |text: &str| {
            let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        add("");
        let open = || -> Csv {
            let fields = toml::de::DeTable::parse("path = \"in.csv\"").unwrap();
            super::super::open(fields.into(), &Context { watch: true, ..bench.context() }, "source").unwrap()
        };
        let pull = |source: &mut Csv| match source.pull(Room { records: 10, bytes: 1000 }).unwrap() {
            Pull::Batch(batch) => batch
                .into_iter()
                .map(|pulled| match pulled {
                    Pulled::Record(record) => record.into_parts(),
                    Pulled::Bad { why, .. } => panic!("{why}"),
                })
                .collect(),
            Pull::Idle => Vec::new(),
            Pull::End => panic!("it has no end"),
        };
        let row = |line: usize, value: &str| (format!("in.csv:{line}"), format!("{{\"a\":\"{value}\"}}"));
        let mut source = open();
        source.start(None).unwrap();
        assert!(pull(&mut source).is_empty());
        add("a\n1\n2");
        // Only then is it seen that there is a first line by now.
        assert!(pull(&mut source).is_empty());
        assert_eq!(pull(&mut source), [row(2, "1")]);
        assert!(pull(&mut source).is_empty());
        add("2\n3\n");
        let position = source.position();
        assert_eq!(pull(&mut source), [row(3, "22"), row(4, "3")]);
        let mut again = open();
        again.start(Some(&position)).unwrap();
        assert_eq!(pull(&mut again), [row(3, "22"), row(4, "3")]);
        std::fs::write(&path, "a\n9\n22\n3\n").unwrap();
        let error = open().start(Some(&position)).unwrap_err();
        assert!(error.message.ends_with("is not the file that it was when the run stopped"), "{error}");
    }
}
