//! The store on real files, with several handles on one.

#![expect(clippy::expect_used, reason = "a test ends where its premises do")]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, thread, time::Duration};

use inferno_store::{DEFAULT_TENANT, MAX_VALUE, Space, Store, StoreError};
use rusqlite::Connection;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("data/state.db")
    }

    fn store(&self) -> Store {
        Store::open(&self.file()).expect("opened")
    }

    fn sql(&self) -> Connection {
        fs::create_dir_all(self.file().parent().expect("a folder")).expect("made");
        Connection::open(self.file()).expect("opened")
    }
}

fn space(tenant: &str, plugin: &str) -> Space {
    Space { tenant: tenant.to_owned(), plugin: plugin.to_owned() }
}

fn mine() -> Space {
    space(DEFAULT_TENANT, "p")
}

#[test]
fn pairs_outlive_the_handle() {
    let place = Place::new();
    place.store().kv_set(&mine(), "k", b"v\0\xff", None).expect("set");
    assert_eq!(place.store().kv_get(&mine(), "k").expect("read").as_deref(), Some(&b"v\0\xff"[..]));
    assert!(place.store().kv_delete(&mine(), "k").expect("deleted"));
    assert!(!place.store().kv_delete(&mine(), "k").expect("deleted"));
    assert_eq!(place.store().kv_get(&mine(), "k").expect("read"), None);
}

#[test]
fn spaces_do_not_see_each_other() {
    let store = Store::in_memory().expect("opened");
    store.kv_set(&space("a", "p"), "k", b"1", None).expect("set");
    for other in [space("b", "p"), space("a", "q"), space("ap", ""), space("", "ap")] {
        assert_eq!(store.kv_get(&other, "k").expect("read"), None);
        assert!(store.kv_keys(&other, "", None, 10).expect("listed").is_empty());
        assert!(!store.kv_delete(&other, "k").expect("deleted"));
    }
}

#[test]
fn keys_are_listed_by_prefix_and_page() {
    let store = Store::in_memory().expect("opened");
    for key in ["a", "b/1", "b/2", "b/3", "b0", "c", "b/é", "b/%", "b/\u{10ffff}x"] {
        store.kv_set(&mine(), key, b"", None).expect("set");
    }
    let keys = |prefix, after, limit| store.kv_keys(&mine(), prefix, after, limit).expect("listed");
    assert_eq!(keys("b/", None, 100), ["b/%", "b/1", "b/2", "b/3", "b/é", "b/\u{10ffff}x"]);
    assert_eq!(keys("b/", None, 2), ["b/%", "b/1"]);
    assert_eq!(keys("b/", Some("b/1"), 2), ["b/2", "b/3"]);
    assert_eq!(keys("", Some("b0"), 9), ["c"]);
    assert_eq!(keys("_", None, 9), [""; 0]);
    assert_eq!(keys("", None, 0), [""; 0]);
}

#[test]
fn sizes_are_limited() {
    let store = Store::in_memory().expect("opened").with_quota(3 * MAX_VALUE);
    let large = vec![0; MAX_VALUE as usize];
    let set = |key: &str, value: &[u8]| store.kv_set(&mine(), key, value, None);
    for key in ["", "a\0b", &"k".repeat(1025)] {
        assert!(set(key, b"").is_err(), "{key:?}");
    }
    set(&"k".repeat(1024), b"").expect("set");
    let error = set("k", &vec![0; large.len() + 1]).expect_err("refused");
    assert!(matches!(error, StoreError::TooLarge { size: 1_048_577, limit: 1_048_576, .. }), "{error}");
    set("1", &large).expect("set");
    set("2", &large).expect("set");
    let error = set("3", &large).expect_err("refused").to_string();
    assert!(error.contains("plugin \"p\"") && error.contains("at most 3145728"), "{error}");
    assert_eq!(store.kv_get(&mine(), "3").expect("read"), None);
    // Replacing counts the difference, deleting makes room, and others have a quota of their own.
    set("2", b"small").expect("set");
    set("3", &large).expect("set");
    store.kv_delete(&mine(), "3").expect("deleted");
    set("4", &large).expect("set");
    store.kv_set(&space("other", "p"), "1", &large, None).expect("set");
    assert!(store.kv_set(&mine(), "t", b"", Some(Duration::ZERO)).is_err());
}

#[test]
fn empty_pairs_are_not_free() {
    let store = Store::in_memory().expect("opened").with_quota(1000);
    let full = (0..1000).find(|n| store.kv_set(&mine(), &n.to_string(), b"", None).is_err());
    assert_eq!(full, Some(15));
}

#[test]
fn adding_needs_numbers() {
    let store = Store::in_memory().expect("opened");
    let add = |key: &str, by| store.kv_add(&mine(), key, by, None);
    assert_eq!(add("n", 5).expect("added"), 5);
    assert_eq!(add("n", -7).expect("added"), -2);
    assert_eq!(store.kv_get(&mine(), "n").expect("read").as_deref(), Some(&b"-2"[..]));
    store.kv_set(&mine(), "text", b"x", None).expect("set");
    assert!(matches!(add("text", 1), Err(StoreError::NotANumber { .. })));
    store.kv_set(&mine(), "most", i64::MAX.to_string().as_bytes(), None).expect("set");
    assert!(matches!(add("most", 1), Err(StoreError::NotANumber { .. })));
    assert_eq!(add("most", 0).expect("added"), i64::MAX);
}

#[test]
fn adding_is_one_step_for_all_handles() {
    const EACH: i64 = 40;
    let place = Place::new();
    let stores = [place.store(), place.store()];
    thread::scope(|scope| {
        for store in stores.iter().flat_map(|store| [store, store]) {
            scope.spawn(move || {
                for _ in 0..EACH {
                    store.kv_add(&mine(), "n", 1, None).expect("added");
                }
            });
        }
    });
    assert_eq!(stores[0].kv_add(&mine(), "n", 0, None).expect("added"), 4 * EACH);
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let place = Place::new();
    thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || place.store().kv_set(&mine(), &number.to_string(), b"", None).expect("set"));
        }
    });
    assert_eq!(place.store().kv_keys(&mine(), "", None, 100).expect("listed").len(), 8);
}

#[test]
fn only_the_owner_may_read_the_files() {
    let place = Place::new();
    let store = place.store();
    store.kv_set(&mine(), "k", b"v", None).expect("set");
    let mode = |file: &PathBuf| fs::metadata(file).expect("there").permissions().mode() & 0o777;
    for end in ["", "-wal", "-shm"] {
        assert_eq!(mode(&place.dir.path().join(format!("data/state.db{end}"))), 0o600, "{end}");
    }
    drop(store);
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o644)).expect("set");
    place.store();
    assert_eq!(mode(&place.file()), 0o600);
}

#[test]
fn keys_are_secrets() {
    let place = Place::new();
    let store = place.store();
    assert!(!store.any_keys().expect("known"));
    let key = store.create_key("laptop", "alice").expect("made");
    assert!(key.secret.starts_with("inf-") && key.secret.len() == 4 + 64);
    assert!(!format!("{key:?}").contains(&key.secret));
    assert!(store.any_keys().expect("known"));
    let found = store.identify(&key.secret).expect("known").expect("it is there");
    assert_eq!((found.name.as_str(), found.tenant.as_str()), ("laptop", "alice"));
    for wrong in ["", "inf-", "laptop", &key.info.id, &key.secret[1..], &key.secret.to_uppercase()] {
        assert_eq!(store.identify(wrong).expect("known"), None, "{wrong}");
    }
    let error = store.create_key("laptop", "bob").expect_err("refused");
    assert!(matches!(error, StoreError::NameTaken { .. }), "{error}");
    assert!(store.create_key("a/b", "bob").is_err() && store.create_key("b", "").is_err());
    let other = store.create_key("phone", DEFAULT_TENANT).expect("made");
    assert_ne!(other.secret, key.secret);
    assert_eq!(store.keys().expect("listed"), [key.info.clone(), other.info.clone()]);
    assert_eq!(store.remove_key("laptop").expect("removed"), Some(key.info));
    assert_eq!(store.remove_key(&other.info.id).expect("removed"), Some(other.info));
    assert_eq!(store.remove_key("phone").expect("removed"), None);
    assert!(!store.any_keys().expect("known"));
    // The secret is in none of the files, not even deleted.
    for file in fs::read_dir(place.file().parent().expect("a folder")).expect("listed") {
        let bytes = fs::read(file.expect("listed").path()).expect("read");
        let secret = key.secret.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn other_handles_see_keys_come_and_go() {
    let place = Place::new();
    let (server, tool) = (place.store(), place.store());
    assert!(!server.any_keys().expect("known"));
    let key = tool.create_key("a", "t").expect("made");
    assert!(server.any_keys().expect("known"));
    assert!(server.identify(&key.secret).expect("known").is_some());
    tool.remove_key("a").expect("removed");
    assert!(server.identify(&key.secret).expect("known").is_none());
    assert!(!server.any_keys().expect("known"));
}

#[test]
fn newer_and_foreign_files_are_refused() {
    let place = Place::new();
    place.store();
    place.sql().pragma_update(None, "user_version", 7).expect("set");
    let error = Store::open(&place.file()).expect_err("refused");
    assert!(matches!(error, StoreError::Newer { found: 7, known: 2, .. }), "{error}");

    let place = Place::new();
    place.sql().execute_batch("CREATE TABLE theirs (x)").expect("made");
    let error = Store::open(&place.file()).expect_err("refused");
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    let mode: String =
        place.sql().pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
    assert_eq!(mode, "delete", "it was left as it was");

    let place = Place::new();
    fs::create_dir_all(place.file().parent().expect("a folder")).expect("made");
    fs::write(place.file(), "hello".repeat(1000)).expect("written");
    let error = Store::open(&place.file()).expect_err("refused").to_string();
    assert!(error.contains("no SQLite database") && error.contains("state.db"), "{error}");

    let error = Store::open(place.dir.path()).expect_err("refused").to_string();
    assert!(error.contains("could not open"), "{error}");
}
