//! Opening the file, its schema, and who may use which connection.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::StoreError;

/// How long to wait for another process's transaction, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Marks a file as ours ("INFR").
const APPLICATION: i64 = 0x494e_4652;
/// Step `n` leads from schema `n` to schema `n + 1`.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("jobs.sql")];

/// One connection that writes and one that reads, so that readers do not wait for the disk.
pub(crate) struct Database {
    writer: Mutex<Connection>,
    /// Absent in memory, where each connection would be a database of its own.
    reader: Option<Mutex<Connection>>,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        // Closing any handle of a file drops the process's locks on it (a rule of POSIX), so a file must not be
        // made here while another thread is already using it.
        static OPENING: Mutex<()> = Mutex::new(());
        let _guard = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        prepare_file(path).map_err(StoreError::failed(format!("prepare {}", path.display())))?;
        let mut writer = connect(path)?;
        set_up(&mut writer, path)?;
        let reader = connect(path)?;
        reader.pragma_update(None, "query_only", true).map_err(|error| opening(path, error))?;
        Ok(Self { writer: Mutex::new(writer), reader: Some(Mutex::new(reader)) })
    }

    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let mut writer =
            Connection::open_in_memory().map_err(StoreError::failed("open a database in memory"))?;
        migrate(&mut writer, Path::new(":memory:"))?;
        Ok(Self { writer: Mutex::new(writer), reader: None })
    }

    /// Runs `work` in a transaction that has the right to write from its start, so that nothing that it read can be
    /// changed before it ends. An error undoes it all.
    pub(crate) fn write<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = lock(&self.writer);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::failed(doing))?;
        let result = work(&transaction)?;
        transaction.commit().map_err(StoreError::failed(doing))?;
        Ok(result)
    }

    /// Runs `work` on one unchanging view of the data.
    pub(crate) fn read<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = lock(self.reader.as_ref().unwrap_or(&self.writer));
        connection.transaction().and_then(|transaction| work(&transaction)).map_err(StoreError::failed(doing))
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A transaction that panicked was rolled back when it was dropped.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the file before SQLite does, since SQLite would let everybody read it.
fn prepare_file(path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)?.permissions().mode();
            // A file that was copied here with wider permissions.
            if mode & 0o077 != 0 { fs::set_permissions(path, Permissions::from_mode(0o600)) } else { Ok(()) }
        }
        Err(error) => Err(error),
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| opening(path, error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| opening(path, error))?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(|error| opening(path, error))?;
    Ok(connection)
}

fn set_up(writer: &mut Connection, path: &Path) -> Result<(), StoreError> {
    // First look whether it is ours: another program's database is left as it is.
    check_owner(writer, path)?;
    write_ahead(writer, path)?;
    migrate(writer, path)
}

/// Turns on the write-ahead log. SQLite does not wait for others here, so this does.
fn write_ahead(writer: &Connection, path: &Path) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        let mode: rusqlite::Result<String> =
            writer.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let why = io::Error::other(format!(
                    "this file system cannot share memory between processes (journal mode {mode})"
                ));
                return Err(StoreError::failed(format!("open {}", path.display()))(why));
            }
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(opening(path, error)),
        }
    }
}

fn check_owner(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = || -> rusqlite::Result<(i64, i64)> {
        let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((application, tables))
    };
    match read().map_err(|error| opening(path, error))? {
        (APPLICATION, _) | (0, 0) => Ok(()),
        _ => Err(StoreError::NotOurs {
            path: path.to_owned(),
            why: "it is a SQLite database of another program".to_owned(),
        }),
    }
}

/// Brings the schema up to date, unless it is newer than this program.
fn migrate(writer: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    let mut bring_up = || -> rusqlite::Result<i64> {
        // The right to write first, so that of two processes one migrates and the other sees it done.
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let done = usize::try_from(found).unwrap_or(usize::MAX);
        let steps = MIGRATIONS.get(done..).unwrap_or_default();
        for step in steps {
            transaction.execute_batch(step)?;
        }
        if !steps.is_empty() {
            transaction.pragma_update(None, "user_version", known)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
        }
        transaction.commit()?;
        Ok(found)
    };
    let found = bring_up().map_err(|error| opening(path, error))?;
    if !(0..=known).contains(&found) {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn opening(path: &Path, error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return StoreError::NotOurs { path: path.to_owned(), why: "it is no SQLite database".to_owned() };
    }
    StoreError::failed(format!("open {}", path.display()))(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_reach_the_disk_and_readers_cannot_write() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = Database::open(&dir.path().join("state.db")).expect("opened");
        let writer = lock(&database.writer);
        let synchronous: i64 =
            writer.pragma_query_value(None, "synchronous", |row| row.get(0)).expect("a number");
        let journal: String =
            writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
        assert_eq!((synchronous, journal.as_str()), (2, "wal"), "2 is FULL");
        drop(writer);
        let write = |t: &Transaction<'_>| t.execute("DELETE FROM kv", []);
        assert!(database.read("delete", write).is_err());
    }

    #[test]
    fn a_file_of_an_older_version_is_brought_up_to_date() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("state.db");
        let old = Connection::open(&path).expect("made");
        old.execute_batch(MIGRATIONS[0]).expect("as it was");
        old.execute("INSERT INTO api_keys VALUES ('key-1', 'mine', 'local', x'00', 1)", []).expect("kept");
        old.pragma_update(None, "user_version", 1).expect("marked");
        old.pragma_update(None, "application_id", APPLICATION).expect("marked");
        drop(old);
        let database = Database::open(&path).expect("opened");
        let counts = "SELECT (SELECT count(*) FROM api_keys), (SELECT count(*) FROM jobs)";
        let found: (i64, i64) = database
            .read("count", |t| t.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?))))
            .expect("both tables are there");
        assert_eq!(found, (1, 0));
    }
}
