//! Several processes and threads that install at the same time lose nothing of one another.

use std::path::Path;
use std::process::Command;

use inferno_plugins::{Allow, Decision, ErrorKind, Holder, Incoming, Installed};

use crate::kit::{caps, unsigned};

const DATA: &str = "INFERNO_TEST_DATA";
const PREFIX: &str = "INFERNO_TEST_PREFIX";
const EACH: usize = 5;

fn install(data: &Path, name: &str) {
    let installed = Installed::new(data);
    let incoming = Incoming::packed(&unsigned(name, "kv = true"), "/x").unwrap();
    let plan = installed.plan(incoming, Allow { unsigned: true, ..Allow::default() }).unwrap();
    installed.commit(plan, Decision::Grant(caps("kv = true"))).unwrap();
}

fn check(data: &Path, count: usize) {
    let installed = Installed::new(data);
    let records = installed.list().unwrap();
    assert_eq!(records.len(), count);
    for record in records {
        let package = installed.package(&record.name).unwrap();
        let holder = Holder { plugin: &record.name, digest: package.digest(), tenant: None };
        assert_eq!(installed.held(holder).unwrap(), Some(caps("kv = true")));
    }
}

/// What the processes of the next test run; by itself it does nothing.
#[test]
fn one_of_several_processes() {
    let (Ok(data), Ok(prefix)) = (std::env::var(DATA), std::env::var(PREFIX)) else { return };
    for n in 0..EACH {
        install(Path::new(&data), &format!("{prefix}-{n}"));
    }
}

#[test]
fn processes() {
    let data = tempfile::tempdir().unwrap();
    let start = |prefix: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "concurrent::one_of_several_processes"])
            .env(DATA, data.path())
            .env(PREFIX, prefix)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = ["a", "b", "c", "d"].iter().map(|prefix| start(prefix)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    check(data.path(), 4 * EACH);
}

#[test]
fn threads() {
    let data = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for prefix in ["a", "b", "c", "d"] {
            let data = data.path();
            scope.spawn(move || {
                for n in 0..EACH {
                    install(data, &format!("{prefix}-{n}"));
                }
            });
        }
    });
    check(data.path(), 4 * EACH);
}

#[test]
fn of_two_installations_of_one_plugin_one_is_told() {
    let data = tempfile::tempdir().unwrap();
    let plan = || {
        let incoming = Incoming::packed(&unsigned("acme", "kv = true"), "/x").unwrap();
        Installed::new(data.path()).plan(incoming, Allow { unsigned: true, ..Allow::default() }).unwrap()
    };
    let plans = [plan(), plan(), plan(), plan()];
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads = plans.map(|plan| {
            scope.spawn(|| Installed::new(data.path()).commit(plan, Decision::Grant(caps("kv = true"))))
        });
        threads.map(|thread| thread.join().unwrap()).into_iter().collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    assert!(refused.clone().count() == 3 && refused.clone().all(|error| error.kind() == ErrorKind::Changed));
    check(data.path(), 1);
}
