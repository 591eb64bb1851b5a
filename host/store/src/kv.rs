//! Key-value pairs, apart for each plugin and tenant.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, named_params};

use crate::{Store, StoreError};

/// Bytes of a key, at most.
pub const MAX_KEY: u64 = 1024;
/// Bytes of a value, at most.
pub const MAX_VALUE: u64 = 1024 * 1024;
/// Bytes of all pairs of a space, at most, unless [`Store::with_quota`] says otherwise. Each pair counts with its key,
/// its value and 64 bytes more.
pub const DEFAULT_QUOTA: u64 = 64 * 1024 * 1024;
/// Keys in one answer, at most.
const MAX_PAGE: u32 = 1000;
/// Expired pairs that each write removes, so that they go as fast as they come.
const SWEEP: i64 = 32;

/// Whose pairs: nobody reads those of another space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    /// For whom the plugin works.
    pub tenant: String,
    /// The plugin.
    pub plugin: String,
}

impl Store {
    /// The value of a key that is there and has not expired. Blocks.
    pub fn kv_get(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        let now = (self.inner.clock)();
        self.inner.database.read("read a pair", |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT value FROM kv WHERE tenant = :tenant AND plugin = :plugin AND key = :key
                    AND (expires IS NULL OR expires > :now)",
            )?;
            let parameters = named_params! {
                ":tenant": space.tenant, ":plugin": space.plugin, ":key": key, ":now": now,
            };
            statement.query_row(parameters, |row| row.get(0)).optional()
        })
    }

    /// Sets a key, for `ttl` or for good; what was there, its expiry included, is replaced. On the disk when the call
    /// returns. Blocks.
    pub fn kv_set(
        &self,
        space: &Space,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        check_key(key)?;
        check_value(key, value)?;
        let now = (self.inner.clock)();
        let expires = expiry(now, ttl)?;
        self.inner.database.write("write a pair", |transaction| {
            sweep(transaction, now, SWEEP)?;
            put(transaction, space, key, value, expires)?;
            self.check_quota(transaction, space, now)
        })
    }

    /// Removes a key and says whether it was there. Blocks.
    pub fn kv_delete(&self, space: &Space, key: &str) -> Result<bool, StoreError> {
        check_key(key)?;
        let now = (self.inner.clock)();
        self.inner.database.write("delete a pair", |transaction| {
            // Of those that expired nobody may learn that they are still there.
            sweep(transaction, now, SWEEP)?;
            let parameters = named_params! {
                ":tenant": space.tenant, ":plugin": space.plugin, ":key": key, ":now": now,
            };
            transaction
                .prepare_cached(
                    "DELETE FROM kv WHERE tenant = :tenant AND plugin = :plugin AND key = :key
                        RETURNING expires IS NULL OR expires > :now",
                )
                .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
                .map(|alive| alive.unwrap_or(false))
                .map_err(StoreError::failed("delete a pair"))
        })
    }

    /// Keys that begin with `prefix`, in the order of their bytes, those behind `after` only, at most `limit` (and at
    /// most 1000). Blocks.
    pub fn kv_keys(
        &self,
        space: &Space,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let now = (self.inner.clock)();
        let end = successor(prefix);
        self.inner.database.read("list keys", |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT key FROM kv WHERE tenant = :tenant AND plugin = :plugin
                    AND key >= :prefix AND (:end IS NULL OR key < :end) AND (:after IS NULL OR key > :after)
                    AND (expires IS NULL OR expires > :now)
                    ORDER BY key LIMIT :limit",
            )?;
            let parameters = named_params! {
                ":tenant": space.tenant, ":plugin": space.plugin, ":prefix": prefix, ":end": end, ":after": after,
                ":now": now, ":limit": limit.min(MAX_PAGE),
            };
            statement.query_map(parameters, |row| row.get(0))?.collect()
        })
    }

    /// Adds to a number and returns the sum, as one step that nothing can come between, not even another process. A
    /// key that is not there counts as 0. `ttl` begins when the number is made, and later calls do not move it, so
    /// that a counter covers a fixed window. Numbers are kept as decimal text. Blocks.
    pub fn kv_add(
        &self,
        space: &Space,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError> {
        check_key(key)?;
        let now = (self.inner.clock)();
        let fresh = expiry(now, ttl)?;
        self.inner.database.write("add to a pair", |transaction| {
            sweep(transaction, now, SWEEP)?;
            let (old, expires) = number(transaction, space, key, now)?.unwrap_or((0, fresh));
            let sum = old.checked_add(by).ok_or_else(|| StoreError::NotANumber {
                key: key.to_owned(),
                why: "the sum does not fit 64 bits",
            })?;
            put(transaction, space, key, sum.to_string().as_bytes(), expires)?;
            self.check_quota(transaction, space, now)?;
            Ok(sum)
        })
    }

    /// Removes all pairs that have expired and says how many. Writing removes them too, a few at a time; this is for
    /// times without writes. Blocks.
    pub fn sweep(&self) -> Result<u64, StoreError> {
        let now = (self.inner.clock)();
        self.inner.database.write("remove expired pairs", |transaction| sweep(transaction, now, -1))
    }

    /// Called after a write, whose transaction an error undoes.
    fn check_quota(&self, transaction: &Transaction<'_>, space: &Space, now: i64) -> Result<(), StoreError> {
        if used(transaction, space)? <= self.quota {
            return Ok(());
        }
        // Expired pairs that wait for their removal are nobody's burden.
        sweep(transaction, now, -1)?;
        let needed = used(transaction, space)?;
        if needed <= self.quota {
            return Ok(());
        }
        Err(StoreError::Full {
            tenant: space.tenant.clone(),
            plugin: space.plugin.clone(),
            needed,
            limit: self.quota,
        })
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() || key.contains('\0') {
        return Err(StoreError::invalid("the key", key, "it must have at least one byte and no zero bytes"));
    }
    if key.len() as u64 > MAX_KEY {
        let size = key.len() as u64;
        return Err(StoreError::TooLarge { what: "the key".to_owned(), size, limit: MAX_KEY });
    }
    Ok(())
}

fn check_value(key: &str, value: &[u8]) -> Result<(), StoreError> {
    let size = value.len() as u64;
    if size > MAX_VALUE {
        return Err(StoreError::TooLarge { what: format!("the value of {key:?}"), size, limit: MAX_VALUE });
    }
    Ok(())
}

fn expiry(now: i64, ttl: Option<Duration>) -> Result<Option<i64>, StoreError> {
    let Some(ttl) = ttl else { return Ok(None) };
    let milliseconds = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    if milliseconds == 0 {
        let why = "it must be at least one millisecond; to remove a key, delete it";
        return Err(StoreError::invalid("the time to live", &format!("{ttl:?}"), why));
    }
    Ok(Some(now.saturating_add(milliseconds)))
}

/// The number at a key and when it expires, where one is there.
fn number(
    transaction: &Transaction<'_>,
    space: &Space,
    key: &str,
    now: i64,
) -> Result<Option<(i64, Option<i64>)>, StoreError> {
    let parameters =
        named_params! { ":tenant": space.tenant, ":plugin": space.plugin, ":key": key, ":now": now };
    let found: Option<(Vec<u8>, Option<i64>)> = transaction
        .prepare_cached(
            "SELECT value, expires FROM kv WHERE tenant = :tenant AND plugin = :plugin AND key = :key
                AND (expires IS NULL OR expires > :now)",
        )
        .and_then(|mut statement| {
            statement.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(StoreError::failed("read a number"))?;
    let Some((value, expires)) = found else { return Ok(None) };
    match std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()) {
        Some(number) => Ok(Some((number, expires))),
        None => Err(StoreError::NotANumber { key: key.to_owned(), why: "its value is not a whole number" }),
    }
}

fn put(
    transaction: &Transaction<'_>,
    space: &Space,
    key: &str,
    value: &[u8],
    expires: Option<i64>,
) -> Result<(), StoreError> {
    let parameters = named_params! {
        ":tenant": space.tenant, ":plugin": space.plugin, ":key": key, ":value": value, ":expires": expires,
    };
    transaction
        .prepare_cached(
            "INSERT INTO kv (tenant, plugin, key, value, expires) VALUES (:tenant, :plugin, :key, :value, :expires)
                ON CONFLICT DO UPDATE SET value = excluded.value, expires = excluded.expires",
        )
        .and_then(|mut statement| statement.execute(parameters))
        .map(drop)
        .map_err(StoreError::failed("write a pair"))
}

/// Removes expired pairs, at most `most` of them; -1 is all.
fn sweep(transaction: &Transaction<'_>, now: i64, most: i64) -> Result<u64, StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE expires <= :now ORDER BY expires LIMIT :most)",
        )
        .and_then(|mut statement| statement.execute(named_params! { ":now": now, ":most": most }))
        .map(|removed| removed as u64)
        .map_err(StoreError::failed("remove expired pairs"))
}

fn used(transaction: &Transaction<'_>, space: &Space) -> Result<u64, StoreError> {
    let parameters = named_params! { ":tenant": space.tenant, ":plugin": space.plugin };
    let used: Option<i64> = transaction
        .prepare_cached("SELECT bytes FROM usage WHERE tenant = :tenant AND plugin = :plugin")
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
        .map_err(StoreError::failed("read how much is in use"))?;
    Ok(used.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}

/// The first text behind all those that begin with `prefix`; absent where there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // The order of characters is that of their UTF-8 bytes; the gap of the surrogates has no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    use super::*;
    use crate::database::Database;

    fn space() -> Space {
        Space { tenant: "local".to_owned(), plugin: "p".to_owned() }
    }

    /// A store whose time is what the test says.
    fn store() -> (tempfile::TempDir, Store, Arc<AtomicI64>) {
        let dir = tempfile::tempdir().expect("a directory");
        let database = Database::open(&dir.path().join("state.db")).expect("opened");
        let time = Arc::new(AtomicI64::new(1_000_000));
        let clock = time.clone();
        let store = Store::new(
            database,
            crate::Locks::Names(std::sync::Arc::default()),
            Box::new(move || clock.load(Ordering::SeqCst)),
        );
        (dir, store, time)
    }

    fn rows(store: &Store) -> i64 {
        let count = "SELECT count(*) FROM kv";
        store.inner.database.read("count", |t| t.query_row(count, [], |row| row.get(0))).expect("counted")
    }

    #[test]
    fn what_expired_is_not_there() {
        let (_dir, store, time) = store();
        store.kv_set(&space(), "k", b"v", Some(Duration::from_secs(1))).expect("set");
        time.fetch_add(999, Ordering::SeqCst);
        assert_eq!(store.kv_get(&space(), "k").expect("read").as_deref(), Some(&b"v"[..]));
        time.fetch_add(1, Ordering::SeqCst);
        assert_eq!(store.kv_get(&space(), "k").expect("read"), None);
        assert!(store.kv_keys(&space(), "", None, 10).expect("listed").is_empty());
        assert_eq!(rows(&store), 1, "nobody wrote since");
        assert_eq!(store.sweep().expect("swept"), 1);
        assert_eq!(rows(&store), 0);
    }

    #[test]
    fn writing_sweeps() {
        let (_dir, store, time) = store();
        for number in 0..10 {
            store.kv_set(&space(), &format!("k{number}"), b"v", Some(Duration::from_secs(1))).expect("set");
        }
        time.fetch_add(1000, Ordering::SeqCst);
        assert!(!store.kv_delete(&space(), "k1").expect("deleted"), "it had expired");
        store.kv_set(&space(), "new", b"v", None).expect("set");
        assert_eq!(rows(&store), 1);
    }

    #[test]
    fn a_counter_covers_a_fixed_window() {
        let (_dir, store, time) = store();
        let add = || store.kv_add(&space(), "n", 2, Some(Duration::from_secs(10))).expect("added");
        assert_eq!(add(), 2);
        time.fetch_add(9_999, Ordering::SeqCst);
        assert_eq!(add(), 4, "the second call does not move the end");
        time.fetch_add(1, Ordering::SeqCst);
        assert_eq!(add(), 2, "a new window");
    }

    #[test]
    fn expired_pairs_do_not_fill_a_space() {
        let (_dir, store, time) = store();
        let store = store.with_quota(100 * 1024);
        let value = vec![0; 1024];
        for number in 0..90 {
            let ttl = Some(Duration::from_secs(1));
            store.kv_set(&space(), &format!("{number}"), &value, ttl).expect("set");
        }
        let large = vec![0; 90 * 1024];
        assert!(matches!(store.kv_set(&space(), "large", &large, None), Err(StoreError::Full { .. })));
        assert_eq!(rows(&store), 90, "a refused write changes nothing");
        time.fetch_add(1000, Ordering::SeqCst);
        store.kv_set(&space(), "large", &large, None).expect("there is room");
    }

    #[test]
    fn successors_come_right_behind() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor(""), None);
        assert_eq!(successor("\u{10ffff}"), None);
    }
}
