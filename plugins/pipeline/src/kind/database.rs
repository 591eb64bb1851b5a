//! SQLite databases.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::{Number, Value};

use crate::error::Error;

thread_local! {
    /// The databases that nodes of this run have open.
    static HELD: RefCell<BTreeSet<PathBuf>> = const { RefCell::new(BTreeSet::new()) };
}

/// A database that a node has for itself: see [`open`].
pub(super) struct Held(PathBuf);

impl Held {
    /// Takes a database. Two nodes with one database would spoil each other's transactions.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if HELD.with_borrow_mut(|held| held.insert(path.clone())) {
            return Ok(Self(path));
        }
        Err(Error::new(format!("two nodes use the database {}", path.display()))
            .hint("give each its own, or write JSON lines and make a second pipeline of them"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| held.remove(&self.0));
    }
}

/// Opens a database. Inside the sandbox there are no locks on files, so nobody else may write to it meanwhile; SQLite is
/// told that the connection is the only one, which it needs to hear where a database has a write-ahead log.
#[cfg(target_family = "wasm")]
pub(super) fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let opened =
        Connection::open_with_flags_and_vfs(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX, c"unix-none");
    let connection = opened.map_err(|error| failed(path, &error))?;
    let exclusive = connection.pragma_update(None, "locking_mode", "EXCLUSIVE");
    exclusive.map_err(|error| failed(path, &error))?;
    Ok(connection)
}

/// Opens a database.
#[cfg(not(target_family = "wasm"))]
pub(super) fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let opened = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    opened.map_err(|error| failed(path, &error))
}

/// An error of SQLite, in words.
pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    let what = match error {
        rusqlite::Error::SqliteFailure(_, Some(words)) => words.clone(),
        other => other.to_string(),
    };
    let told = Error::new(format!("the database {}: {what}", path.display()));
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            told.hint("make room, then go on with `inferno pipeline resume`; nothing is lost")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            told.hint("another program has it open; go on with `inferno pipeline resume` when it is done")
        }
        Some(ErrorCode::NotADatabase) => told.hint("name a file that SQLite has made"),
        _ => told,
    }
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value out of a database; bytes become base64.
pub(super) fn to_json(value: ValueRef<'_>) -> Result<Value, String> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_err(|error| format!("it is no UTF-8 text: {error}"))?.into()
        }
        ValueRef::Blob(bytes) => BASE64_STANDARD.encode(bytes).into(),
    })
}

/// A value into a database; what has parts is JSON.
pub(super) fn to_sql(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::Null => ToSqlOutput::Owned(rusqlite::types::Value::Null),
        Value::Bool(truth) => ToSqlOutput::from(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => ToSqlOutput::from(integer),
            (None, Some(real)) => ToSqlOutput::from(real),
            (None, None) => ToSqlOutput::from(number.to_string()),
        },
        Value::String(text) => ToSqlOutput::from(text.as_str()),
        other => ToSqlOutput::from(other.to_string()),
    }
}
