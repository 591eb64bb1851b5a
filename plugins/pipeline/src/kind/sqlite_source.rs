//! Rows of a query.

use std::collections::VecDeque;
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::Kind;
use super::database::{Held, failed, open, quoted, to_json, to_sql};
use crate::error::Error;
use crate::node::{Context, Progress, Pull, Pulled, Room, Source};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The database file. No other program may write to it while the run is under way.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// What to read, such as `SELECT id, text FROM notes WHERE lang = 'de'`.
    #[schemars(with = "String")]
    query: Spanned<String>,
    /// A column of the query that tells its rows apart, such as `id`: rows come in its order, and their ids have its value.
    /// Rows in which it is null are passed over. An index on it makes large tables fast.
    #[schemars(with = "String")]
    key: Spanned<String>,
}

/// How many rows are fetched at once, and when it is enough.
const WINDOW: i64 = 4096;
const WINDOW_BYTES: usize = 8 << 20;

pub(crate) struct Sqlite {
    path: PathBuf,
    /// What ids begin with: the path as the pipeline file has it.
    name: String,
    key: String,
    query: String,
    watch: bool,
    connection: Option<Connection>,
    held: Option<Held>,
    /// Rows that are fetched already, with their keys.
    ready: VecDeque<(Value, Map<String, Value>)>,
    /// The key of the last row that was given, and of the last that was fetched.
    given: Option<Value>,
    fetched: Option<Value>,
    count: u64,
}

impl Kind for Sqlite {
    const NAME: &'static str = "sqlite";
    const ABOUT: &'static str = "rows of a query of a SQLite database, one record each";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let path = context.path(config.path.get_ref());
        std::fs::metadata(&path)
            .map_err(|error| Error::file("read", &path, &error).at(config.path.span()))?;
        let connection =
            open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| error.at(config.path.span()))?;
        check(&connection, &path, &config)?;
        Ok(Self {
            path,
            name: config.path.into_inner(),
            key: config.key.into_inner(),
            query: config.query.into_inner(),
            watch: context.watch,
            connection: None,
            held: None,
            ready: VecDeque::new(),
            given: None,
            fetched: None,
            count: 0,
        })
    }
}

/// Whether the query is one, and has the key.
fn check(connection: &Connection, path: &std::path::Path, config: &Config) -> Result<(), Error> {
    let span = config.query.span();
    let prepared = connection.prepare(config.query.get_ref());
    let statement = prepared.map_err(|error| failed(path, &error).at(span.clone()))?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(Error::new("this query gives no rows, or changes the database")
            .hint("write a SELECT")
            .at(span));
    }
    let (names, key) = (statement.column_names().collect::<Vec<_>>(), config.key.get_ref());
    if !names.contains(&key.as_str()) {
        return Err(Error::new(format!("the query has no column `{key}`; it has {}", names.join(", ")))
            .at(config.key.span()));
    }
    Ok(())
}

impl Sqlite {
    /// Fetches the next rows.
    fn fetch(&mut self) -> Result<(), Error> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let failed = |error| failed(&self.path, &error);
        let (key, query) = (quoted(&self.key), self.query.trim_end().trim_end_matches(';'));
        // The last row comes once more, which shows whether there is another one with its key.
        let condition = if self.fetched.is_some() { ">= ?2" } else { "IS NOT NULL" };
        let sql = format!("SELECT * FROM ({query}\n) WHERE {key} {condition} ORDER BY {key} LIMIT ?1");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        statement.raw_bind_parameter(1, WINDOW).map_err(failed)?;
        if let Some(last) = &self.fetched {
            statement.raw_bind_parameter(2, to_sql(last)).map_err(failed)?;
        }
        let mut rows = statement.raw_query();
        let (mut bytes, mut first) = (0, true);
        while let Some(row) = rows.next().map_err(failed)? {
            let mut fields = Map::new();
            for (at, name) in names.iter().enumerate() {
                let value = row.get_ref(at).map_err(failed)?;
                let value = to_json(value)
                    .map_err(|why| Error::new(format!("the value of `{name}` in {}: {why}", self.name)))?;
                fields.insert(name.clone(), value);
            }
            let value = fields.get(&self.key).cloned().unwrap_or_default();
            let again = self.fetched.as_ref() == Some(&value);
            if again && first {
                first = false;
                continue;
            }
            if again {
                return Err(Error::new(format!("two rows have the key `{}` = {value}", self.key))
                    .hint("name a `key` that tells all rows apart"));
            }
            first = false;
            let record = json!(fields).to_string().len();
            self.fetched = Some(value.clone());
            self.ready.push_back((value, fields));
            bytes += record;
            if bytes >= WINDOW_BYTES {
                break;
            }
        }
        Ok(())
    }
}

impl Source for Sqlite {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        self.connection = Some(open(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        self.held = Some(Held::take(&self.path)?);
        let position = position.filter(|position| !position.is_null());
        self.given = position.map(|position| position["after"].clone());
        self.count = position.and_then(|position| position["rows"].as_u64()).unwrap_or(0);
        self.fetched = self.given.clone();
        Ok(())
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        if self.ready.is_empty() {
            self.fetch()?;
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < room.records && bytes < room.bytes {
            let Some((key, fields)) = self.ready.pop_front() else { break };
            let shown = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            let record = Record::from_value(format!("{}:{shown}", self.name), Value::Object(fields));
            bytes += record.size();
            batch.push(Pulled::Record(record));
            self.given = Some(key);
            self.count += 1;
        }
        Ok(match batch.is_empty() {
            false => Pull::Batch(batch),
            true if self.watch => Pull::Idle,
            true => Pull::End,
        })
    }

    fn position(&self) -> Value {
        self.given.as_ref().map_or(Value::Null, |key| json!({ "after": key, "rows": self.count }))
    }

    fn progress(&self) -> Progress {
        Progress { done: self.count, total: None }
    }
}
