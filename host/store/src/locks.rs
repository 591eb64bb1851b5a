//! Locks that one holder has at a time, among all processes that use the store.
//!
//! Each is a file that the system locks, so that it is free as soon as its holder ends, however it ends.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::{MAX_KEY, Space, Store, StoreError};

/// Where locks are.
pub(crate) enum Locks {
    /// In a folder beside the store's file.
    Files(PathBuf),
    /// In this process, for a store that lives in memory.
    Names(Arc<Mutex<HashSet<String>>>),
}

/// A lock that is held. Dropping it frees it.
#[derive(Debug)]
pub struct Lock(Held);

#[derive(Debug)]
enum Held {
    File { path: PathBuf, file: File },
    Name { names: Arc<Mutex<HashSet<String>>>, name: String },
}

impl Locks {
    pub(crate) fn beside(store: &Path) -> Self {
        let mut folder = store.as_os_str().to_owned();
        folder.push(".locks");
        Self::Files(folder.into())
    }
}

impl Store {
    /// Takes a lock of a space; `None`: somebody has it. Blocks for no longer than the disk takes.
    pub fn try_lock(&self, space: &Space, name: &str) -> Result<Option<Lock>, StoreError> {
        let size = name.len() as u64;
        if size > MAX_KEY {
            let what = "the name of a lock".to_owned();
            return Err(StoreError::TooLarge { what, size, limit: MAX_KEY });
        }
        let Space { tenant, plugin } = space;
        let digest = Sha256::digest(format!("{tenant}\0{plugin}\0{name}"));
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        match &self.inner.locks {
            Locks::Files(folder) => take(folder, &name)
                .map_err(StoreError::failed(format!("lock a file in {}", folder.display()))),
            Locks::Names(names) => {
                let free = names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
                Ok(free.then(|| Lock(Held::Name { names: names.clone(), name })))
            }
        }
    }
}

fn take(folder: &Path, name: &str) -> io::Result<Option<Lock>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(name);
    loop {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held it removes it before it is free, and then this is the lock of a file that nobody else finds.
        let found = fs::metadata(&path).ok();
        if found.is_some_and(|found| file.metadata().is_ok_and(|own| own.ino() == found.ino())) {
            return Ok(Some(Lock(Held::File { path, file })));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match &self.0 {
            Held::File { path, file } => {
                // A file that stays is only untidy: what counts is the lock, which ends with the file's handle.
                let _untidy = fs::remove_file(path);
                let _ = file.unlock();
            }
            Held::Name { names, name } => {
                names.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(plugin: &str) -> Space {
        Space { tenant: "t".to_owned(), plugin: plugin.to_owned() }
    }

    fn check(one: &Store, other: &Store) {
        let held = one.try_lock(&space("p"), "a").unwrap().expect("it is free");
        assert!(one.try_lock(&space("p"), "a").unwrap().is_none());
        assert!(other.try_lock(&space("p"), "a").unwrap().is_none());
        assert!(other.try_lock(&space("q"), "a").unwrap().is_some(), "another plugin's is another one");
        assert!(other.try_lock(&space("p"), "b").unwrap().is_some());
        drop(held);
        assert!(other.try_lock(&space("p"), "a").unwrap().is_some());
        assert!(one.try_lock(&space("p"), &"x".repeat(2000)).is_err());
    }

    #[test]
    fn one_at_a_time_holds_a_lock() {
        let store = Store::in_memory().unwrap();
        check(&store, &store.clone());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        check(&Store::open(&path).unwrap(), &Store::open(&path).unwrap());
        let left = fs::read_dir(dir.path().join("state.db.locks")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn among_many_who_try_at_once_one_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state.db")).unwrap();
        let holders = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if let Some(held) = store.try_lock(&space("p"), "a").unwrap() {
                            assert_eq!(holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                            holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                            drop(held);
                        }
                    }
                });
            }
        });
    }
}
