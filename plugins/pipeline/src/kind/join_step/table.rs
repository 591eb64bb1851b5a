//! The table of a join, in memory.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::kind::seen::Seen;
use crate::kind::{frames, order};
use crate::node::Saved;
use crate::record::Record;

pub(super) type Row = Map<String, Value>;

/// Rows by their keys.
pub(super) struct Rows {
    rows: HashMap<Vec<u8>, Vec<Row>>,
    count: usize,
    most: usize,
    /// Rows since the last checkpoint, or which file they are of.
    new: Vec<u8>,
    /// Which file it was that an earlier run began with.
    file: Option<Vec<u8>>,
    loaded: bool,
}

impl Rows {
    pub(super) fn new(most: usize) -> Self {
        Self { rows: HashMap::new(), count: 0, most, new: Vec::new(), file: None, loaded: false }
    }

    /// Adds a row, to be saved. One without a key is left out.
    pub(super) fn add(&mut self, key: &Value, row: Row) -> Result<(), Error> {
        if key.is_null() {
            return Ok(());
        }
        let key = order::bytes(key);
        frames::put(&mut self.new, &key);
        frames::put(&mut self.new, Value::Object(row.clone()).to_string().as_bytes());
        self.put(key, row)
    }

    fn put(&mut self, key: Vec<u8>, row: Row) -> Result<(), Error> {
        if self.count >= self.most {
            return Err(Error::new(format!("the table has more than {} rows", self.most))
                .hint("raise `most` as far as the plugin's memory goes, or take fewer `fields`"));
        }
        self.count += 1;
        self.rows.entry(key).or_default().push(row);
        Ok(())
    }

    /// Reads a file of JSON lines, once. `row` tells the key of a record, and what is taken of it.
    pub(super) fn load(
        &mut self,
        path: &Path,
        row: impl Fn(&mut Record) -> Result<(Value, Row), String>,
    ) -> Result<(), Error> {
        if std::mem::replace(&mut self.loaded, true) {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).map_err(|error| Error::file("read", path, &error))?;
        let print = Seen::print(text.as_bytes()).to_vec();
        match &self.file {
            None => frames::put(&mut self.new, &print),
            Some(file) if *file == print => {}
            Some(_) => {
                return Err(Error::new(format!("{} is not what it was when the run began", path.display()))
                    .hint("undo the change to go on with that run, or begin again with `--fresh`"));
            }
        }
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim_ascii().is_empty());
        for (n, line) in lines {
            let (key, row) = row(&mut Record::from_text("", line.to_owned()))
                .map_err(|why| Error::new(format!("{}, line {n}: {why}", path.display())))?;
            if !key.is_null() {
                self.put(order::bytes(&key), row)?;
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &Value) -> &[Row] {
        self.rows.get(&order::bytes(key)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn save(&mut self) -> Saved {
        match std::mem::take(&mut self.new) {
            nothing if nothing.is_empty() => Saved::Nothing,
            new => Saved::More(new),
        }
    }

    pub(super) fn restore(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        while let Some(key) = frames::next(&mut piece).map_err(frames::unreadable)? {
            match frames::next(&mut piece).map_err(frames::unreadable)? {
                Some(row) => self.put(key, serde_json::from_slice(&row).map_err(frames::unreadable)?)?,
                // Alone it says which file it was.
                None => self.file = Some(key),
            }
        }
        Ok(())
    }
}
