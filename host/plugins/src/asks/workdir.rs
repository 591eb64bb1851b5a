//! The folder in which a command is run.

use toml::{Table, Value};

use super::{Ask, Kind};
use crate::text::visible;

const ACCESS: &str = "access";
const READ: &str = "read";
const WRITE: &str = "write";

pub(crate) struct Workdir;

impl Kind for Workdir {
    fn key(&self) -> &'static str {
        "workdir"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        // As for folders, importing wasi:filesystem says nothing.
        &[]
    }

    fn never(&self) -> &'static str {
        "see the folder in which you run it"
    }

    fn split(&self, value: &Value) -> Vec<Ask> {
        let verbs = if access(value) == WRITE { "read, make, change and remove" } else { "read" };
        vec![Ask {
            sentence: format!("{verbs} the files of the folder in which you run it"),
            why: value.get("why").and_then(Value::as_str).map(visible),
            ..Ask::new(self.key(), Some(access(value)), value.clone())
        }]
    }

    fn whole(&self, asked: &Value) -> Result<Value, String> {
        Ok(make(access(asked)))
    }

    /// `read` or `write`.
    fn parse(&self, word: &str, asked: &Value) -> Result<Value, String> {
        match word {
            READ => Ok(make(READ)),
            WRITE if access(asked) == WRITE => Ok(make(WRITE)),
            WRITE => Err("workdir is for reading only here; write workdir=read".to_owned()),
            _ => Err(format!("\"{}\" is no access; write workdir=read or workdir=write", visible(word))),
        }
    }

    fn union(&self, held: &Value, more: &Value) -> Value {
        make(if [held, more].into_iter().any(|value| access(value) == WRITE) { WRITE } else { READ })
    }

    /// Whoever may not read may not write, and whoever takes back writing may well mean both.
    fn without(&self, _held: &Value, _less: &Value) -> Result<Option<Value>, String> {
        Ok(None)
    }

    fn within(&self, value: &Value, bound: &Value) -> bool {
        access(bound) == WRITE || access(value) == READ
    }

    /// Both allow reading.
    fn meets(&self, _value: &Value, _other: &Value) -> bool {
        true
    }
}

fn make(access: &str) -> Value {
    Value::Table(Table::from_iter([(ACCESS.to_owned(), Value::String(access.to_owned()))]))
}

/// In doubt, the wider one.
fn access(value: &Value) -> &'static str {
    if value.get(ACCESS).and_then(Value::as_str) == Some(READ) { READ } else { WRITE }
}
