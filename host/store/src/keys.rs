//! API keys: who may ask, and for which tenant.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Row, Transaction, named_params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Store, StoreError, random_hex};

/// Who a request is for where no API key says otherwise.
pub const DEFAULT_TENANT: &str = "local";

const MAX_NAME: usize = 64;
/// What every id begins with; no name does, so that neither is ever taken for the other.
const ID: &str = "key-";

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Unique and never used again.
    pub id: String,
    /// What its maker calls it; unique.
    pub name: String,
    /// For whom requests with it are.
    pub tenant: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// A key that was just made. Its secret is not kept anywhere and cannot be had again.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewKey {
    /// Everything but the secret.
    #[serde(flatten)]
    pub info: KeyInfo,
    /// What a client sends.
    pub secret: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Debug texts end in logs.
        f.debug_struct("NewKey").field("info", &self.info).finish_non_exhaustive()
    }
}

/// All keys by the hash of their secret, as they were after so many changes.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    /// Absent before the first look.
    changes: Option<i64>,
    keys: HashMap<[u8; 32], KeyInfo>,
}

impl Store {
    /// Makes a key for a tenant ([`DEFAULT_TENANT`] is what everybody is without keys). Blocks.
    pub fn create_key(&self, name: &str, tenant: &str) -> Result<NewKey, StoreError> {
        check_name("the name of a key", name)?;
        check_name("the name of a tenant", tenant)?;
        let secret = format!("inf-{}", random_hex::<32>()?);
        let created = (self.inner.clock)() / 1000;
        let info = KeyInfo {
            id: format!("{ID}{}", random_hex::<8>()?),
            name: name.to_owned(),
            tenant: tenant.to_owned(),
            created: u64::try_from(created).unwrap_or(0),
        };
        self.inner.database.write("add an API key", |transaction| {
            let parameters = named_params! {
                ":id": info.id, ":name": info.name, ":tenant": info.tenant, ":sha256": hash(&secret),
                ":created": created,
            };
            let added = transaction
                .execute(
                    "INSERT INTO api_keys (id, name, tenant, sha256, created)
                        VALUES (:id, :name, :tenant, :sha256, :created) ON CONFLICT (name) DO NOTHING",
                    parameters,
                )
                .map_err(StoreError::failed("add an API key"))?;
            if added == 0 { Err(StoreError::NameTaken { name: info.name.clone() }) } else { Ok(()) }
        })?;
        Ok(NewKey { info, secret })
    }

    /// All keys, the oldest first. Blocks.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.inner.database.read("list API keys", |transaction| {
            let sql = "SELECT id, name, tenant, created FROM api_keys ORDER BY created, rowid";
            transaction.prepare_cached(sql)?.query_map([], info)?.collect()
        })
    }

    /// Removes the key with this id or name and returns it, if there was one. Blocks.
    pub fn remove_key(&self, id_or_name: &str) -> Result<Option<KeyInfo>, StoreError> {
        self.inner.database.write("remove an API key", |transaction| {
            let sql = "DELETE FROM api_keys WHERE id = ?1 OR name = ?1 RETURNING id, name, tenant, created";
            transaction
                .prepare(sql)
                .and_then(|mut statement| statement.query_map([id_or_name], info)?.next().transpose())
                .map_err(StoreError::failed("remove an API key"))
        })
    }

    /// The key with this secret. Sees what other processes did, and costs microseconds. Whoever asks for identity must
    /// refuse on an error. Blocks.
    pub fn identify(&self, secret: &str) -> Result<Option<KeyInfo>, StoreError> {
        // Whoever could time this lookup would learn about a hash that he cannot turn into a secret.
        let hash = hash(secret);
        self.with_keys(|keys| keys.get(&hash).cloned())
    }

    /// Whether there is any key, so that requests need one. Sees what other processes did, and costs microseconds.
    /// Whoever asks for identity must refuse on an error. Blocks.
    pub fn any_keys(&self) -> Result<bool, StoreError> {
        self.with_keys(|keys| !keys.is_empty())
    }

    fn with_keys<T>(&self, look: impl FnOnce(&HashMap<[u8; 32], KeyInfo>) -> T) -> Result<T, StoreError> {
        let mut cached = self.inner.keys.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cached.changes;
        let fresh = self.inner.database.read("read the API keys", |transaction| {
            let changes = transaction
                .prepare_cached("SELECT number FROM api_key_changes")?
                .query_row([], |row| row.get(0))?;
            if known == Some(changes) {
                return Ok(None);
            }
            Ok(Some(Cached { changes: Some(changes), keys: by_hash(transaction)? }))
        })?;
        if let Some(fresh) = fresh {
            *cached = fresh;
        }
        Ok(look(&cached.keys))
    }
}

fn by_hash(transaction: &Transaction<'_>) -> rusqlite::Result<HashMap<[u8; 32], KeyInfo>> {
    let sql = "SELECT id, name, tenant, created, sha256 FROM api_keys";
    transaction.prepare_cached(sql)?.query_map([], |row| Ok((row.get(4)?, info(row)?)))?.collect()
}

fn info(row: &Row<'_>) -> rusqlite::Result<KeyInfo> {
    let created: i64 = row.get(3)?;
    Ok(KeyInfo {
        id: row.get(0)?,
        name: row.get(1)?,
        tenant: row.get(2)?,
        created: u64::try_from(created).unwrap_or(0),
    })
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Names go into URLs, logs and file names.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), StoreError> {
    let wrong = |why: &str| Err(StoreError::invalid(what, name, why));
    if name.is_empty() || name.len() > MAX_NAME {
        return wrong("it must have 1 to 64 characters");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return wrong("it may have letters, digits, `.`, `_` and `-` only");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return wrong("it must begin with a letter or a digit");
    }
    if name.starts_with(ID) {
        return wrong("`key-` begins the ids of keys");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "team-1", "Alice.Bob_2", "9", &"a".repeat(64)] {
            assert!(check_name("the name", name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "a b", "a/b", "é", "key-a", "a\n", &"a".repeat(65)] {
            assert!(check_name("the name", name).is_err(), "{name:?}");
        }
    }
}
