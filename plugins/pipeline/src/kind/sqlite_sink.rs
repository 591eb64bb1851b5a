//! Rows into a table.
//!
//! Rows and the mark are written in one transaction, with the numbers of the rows that are new in it. So a run that goes on
//! from an older mark can take back exactly those that came later.

use std::path::PathBuf;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params, params_from_iter};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Kind;
use super::columns::object;
use super::database::{Held, failed, open, quoted, to_sql};
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The database file; it is made if it is not there. No other program may write to it while the run is under way.
    path: String,
    /// The table; it is made if it is not there. Its columns are the fields of the records, and new ones are added as they
    /// come. What has parts is JSON in it.
    table: String,
    /// A field that tells rows apart: a record replaces the one that has the same.
    #[serde(default)]
    key: Option<String>,
    /// Whether rows that are there stay. Without it, a run begins with an empty table, which must be one of this sink.
    #[serde(default)]
    append: bool,
}

/// The most columns, which is what SQLite takes in one statement with room to spare.
const MOST_COLUMNS: usize = 1000;

/// What this sink keeps in the database: which tables are its own and how far they are, and which rows came with which mark.
const OWN: &str = "
    CREATE TABLE IF NOT EXISTS inferno_sinks (name TEXT PRIMARY KEY, mark INTEGER NOT NULL, made INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS inferno_rows (name TEXT NOT NULL, mark INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
";

pub(crate) struct Sqlite {
    path: PathBuf,
    table: String,
    key: Option<String>,
    append: bool,
    connection: Option<Connection>,
    held: Option<Held>,
    /// The columns that the table has; none if it is not there.
    columns: Vec<String>,
    mark: i64,
    /// The numbers of new rows, as first and last of each stretch.
    fresh: Vec<(i64, i64)>,
    busy: bool,
}

impl Kind for Sqlite {
    const NAME: &'static str = "sqlite";
    const ABOUT: &'static str = "rows into a table of a SQLite database, one for each record; exactly once, since rows \
        and mark are one transaction";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let Config { path, table, key, append } = config;
        if table.is_empty()
            || table.to_ascii_lowercase().starts_with("sqlite_")
            || table.starts_with("inferno_")
        {
            return Err(Error::new(format!("no table may be called `{table}`")).hint("give it another name"));
        }
        let path = context.path(&path);
        Ok(Self {
            path,
            table,
            key,
            append,
            connection: None,
            held: None,
            columns: Vec::new(),
            mark: 0,
            fresh: Vec::new(),
            busy: false,
        })
    }
}

impl Sqlite {
    fn failed(&self, error: &rusqlite::Error) -> Error {
        failed(&self.path, error)
    }

    fn prepare(&mut self, connection: &Connection, mark: Option<i64>) -> Result<(), Error> {
        let failed = |error| failed(&self.path, &error);
        connection.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE;").map_err(failed)?;
        connection.execute_batch(OWN).map_err(failed)?;
        let known = connection
            .query_row("SELECT mark, made FROM inferno_sinks WHERE name = ?1", [&self.table], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
            })
            .optional()
            .map_err(failed)?;
        let columns = columns(connection, &self.table).map_err(failed)?;
        let back_to = mark.unwrap_or(0);
        match known {
            Some((at, _)) if at >= back_to => {}
            None if mark.is_none() => {}
            _ => {
                return Err(Error::new(format!(
                    "the table `{}` of {} is not what it was when the run stopped",
                    self.table,
                    self.path.display()
                ))
                .hint("put the old database back, or begin again with `--fresh`"));
            }
        }
        let (table, made) = (quoted(&self.table), known.is_some_and(|(_, made)| made));
        if !columns.is_empty() {
            if mark.is_none() && !self.append && !made {
                return Err(Error::new(format!(
                    "the table `{}` is there already, and no run has made it",
                    self.table
                ))
                .hint("add to it with `append = true`, or name another one"));
            }
            if connection.prepare(&format!("SELECT rowid FROM {table}")).is_err() {
                return Err(Error::new(format!("`{}` has no numbers of rows, as tables do", self.table))
                    .hint("name a table that is no view, and is not WITHOUT ROWID"));
            }
            let undo = format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT {table}.rowid FROM inferno_rows, {table} \
                WHERE inferno_rows.name = ?1 AND mark > ?2 AND {table}.rowid BETWEEN first AND last)"
            );
            connection.execute(&undo, params![self.table, back_to]).map_err(failed)?;
            if mark.is_none() && !self.append {
                connection.execute(&format!("DELETE FROM {table}"), []).map_err(failed)?;
            }
        }
        let forget = "DELETE FROM inferno_rows WHERE name = ?1 AND mark > ?2";
        connection.execute(forget, params![self.table, back_to]).map_err(failed)?;
        let note = "INSERT INTO inferno_sinks VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET mark = ?2";
        let made = made || columns.is_empty();
        connection.execute(note, params![self.table, back_to, made]).map_err(failed)?;
        connection.execute_batch("COMMIT").map_err(failed)?;
        (self.columns, self.mark, self.busy) = (columns, back_to, false);
        Ok(())
    }

    /// Makes the table, or the columns that are new.
    fn widen(&mut self, connection: &Connection, fields: &Map<String, Value>) -> rusqlite::Result<()> {
        let table = quoted(&self.table);
        let new: Vec<_> = fields.keys().filter(|field| !has(&self.columns, field)).cloned().collect();
        if self.columns.is_empty() && !new.is_empty() {
            let columns: Vec<_> = new.iter().map(|column| quoted(column)).collect();
            connection.execute_batch(&format!("CREATE TABLE {table} ({})", columns.join(", ")))?;
        } else {
            for column in &new {
                connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {}", quoted(column)))?;
            }
        }
        let key = self.key.as_ref().filter(|key| new.contains(key));
        self.columns.extend(new);
        if let Some(key) = key {
            let index = quoted(&format!("{}_{key}", self.table));
            connection.execute_batch(&format!(
                "CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {table} ({})",
                quoted(key)
            ))?;
        }
        Ok(())
    }

    fn insert(&mut self, connection: &Connection, fields: &Map<String, Value>) -> rusqlite::Result<()> {
        let names: Vec<_> = fields.keys().map(|field| quoted(field)).collect();
        let places = vec!["?"; names.len()].join(", ");
        let (table, names_list) = (quoted(&self.table), names.join(", "));
        let sql = match (&self.key, names.is_empty()) {
            (_, true) => format!("INSERT INTO {table} DEFAULT VALUES"),
            (None, _) => format!("INSERT INTO {table} ({names_list}) VALUES ({places})"),
            (Some(key), _) => {
                let set: Vec<_> =
                    self.columns.iter().map(|c| quoted(c)).map(|c| format!("{c} = excluded.{c}")).collect();
                let (key, set) = (quoted(key), set.join(", "));
                format!(
                    "INSERT INTO {table} ({names_list}) VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {set}"
                )
            }
        };
        connection.prepare_cached(&sql)?.execute(params_from_iter(fields.values().map(to_sql)))?;
        // A record that replaces another one does so again when it comes again.
        if self.key.is_none() {
            let row = connection.last_insert_rowid();
            match self.fresh.last_mut() {
                Some((_, last)) if *last + 1 == row => *last = row,
                _ => self.fresh.push((row, row)),
            }
        }
        Ok(())
    }

    /// Writes a record; for people, why it cannot be taken.
    fn put(&mut self, connection: &Connection, record: &Record) -> Result<Result<(), String>, Error> {
        let mut record = record.clone();
        let fields = match object(&mut record) {
            Ok(fields) => fields,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(key) = &self.key
            && fields.get(key).is_none_or(Value::is_null)
        {
            return Ok(Err(format!("there is no field `{key}`, which is the key")));
        }
        if let Some(why) = unfit(&self.columns, fields) {
            return Ok(Err(why));
        }
        let written = self.widen(connection, fields).and_then(|()| self.insert(connection, fields));
        match written {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Ok(Err(self.failed(&error).message))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Writes the mark, with the rows that came since the last one.
    fn note(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mark = self.mark + 1;
        for (first, last) in &self.fresh {
            let row = "INSERT INTO inferno_rows VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(row)?.execute(params![self.table, mark, first, last])?;
        }
        connection
            .execute("UPDATE inferno_sinks SET mark = ?2 WHERE name = ?1", params![self.table, mark])?;
        connection.execute_batch("COMMIT")?;
        self.fresh.clear();
        (self.mark, self.busy) = (mark, false);
        Ok(())
    }
}

impl Sink for Sqlite {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file("write", &self.path, &error))?;
        }
        let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        self.held = Some(Held::take(&self.path)?);
        self.prepare(&connection, mark.and_then(Value::as_i64))?;
        self.connection = Some(connection);
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let Some(connection) = self.connection.take() else { return Ok(Vec::new()) };
        if !self.busy {
            connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| self.failed(&error))?;
            self.busy = true;
        }
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            if let Err(why) = self.put(&connection, record)? {
                refused.push(Refused { index, why, retry: false });
            }
        }
        self.connection = Some(connection);
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        if self.busy
            && let Some(connection) = self.connection.take()
        {
            self.note(&connection).map_err(|error| self.failed(&error))?;
            self.connection = Some(connection);
        }
        Ok(json!(self.mark))
    }

    fn publish(&mut self) -> Result<(), Error> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        // The rows stay from here on, whatever another run does.
        let kept = connection.execute("DELETE FROM inferno_rows WHERE name = ?1", [&self.table]);
        kept.map_err(|error| self.failed(&error)).map(drop)
    }
}

/// The columns of a table; none if it is not there.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// SQLite does not tell capitals from small letters in the names of columns.
fn has(columns: &[String], field: &str) -> bool {
    columns.iter().any(|column| column.eq_ignore_ascii_case(field))
}

/// Why these fields cannot be columns.
fn unfit(columns: &[String], fields: &Map<String, Value>) -> Option<String> {
    let names: Vec<_> = fields.keys().collect();
    for (place, name) in names.iter().enumerate() {
        if name.is_empty() || name.contains('\0') {
            return Some(format!("no column can be called {name:?}"));
        }
        if let Some(other) = names[..place].iter().find(|other| other.eq_ignore_ascii_case(name)) {
            return Some(format!("the fields `{other}` and `{name}` would be one column"));
        }
    }
    let new = names.iter().filter(|name| !has(columns, name)).count();
    (columns.len() + new > MOST_COLUMNS)
        .then(|| format!("the table would have more than {MOST_COLUMNS} columns"))
}
