//! Builds what the tests run: the program itself, and whatever else is made by cargo.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The directory of the build profile, such as `target/debug`: the test's own executable lies in its `deps`.
pub fn profile_dir() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.ancestors().nth(2).expect("the test lies in target/PROFILE/deps").to_owned()
}

/// A directory that outlives the tests, for what is dear to make.
pub fn tools_dir() -> PathBuf {
    let dir = profile_dir().parent().unwrap().join("test-tools");
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The program, as new as its sources. `INFERNO_TEST_BINARY` names another one, such as a release build.
pub fn inferno() -> PathBuf {
    if let Some(binary) = std::env::var_os("INFERNO_TEST_BINARY") {
        return binary.into();
    }
    once("inferno", || cargo(["build", "--quiet", "--package", "inferno"]));
    profile_dir().join("inferno").with_extension(std::env::consts::EXE_EXTENSION)
}

/// Makes something once in a run of the tests, whether they share a process or not. If that fails, it is not tried
/// again in this run: the same failure after each other's wait would help nobody.
pub fn once(name: &str, make: impl FnOnce()) {
    static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.contains(name) {
        return;
    }
    let failed = tools_dir().join(format!("{name}.failed"));
    stamped(name, run_id(), || {
        let before = fs::read_to_string(&failed).unwrap_or_default();
        assert!(before != run_id(), "making {name} failed in this run; the first test that failed shows why");
        fs::write(&failed, run_id()).unwrap();
        make();
        fs::remove_file(&failed).unwrap();
    });
    made.insert(name.to_owned());
}

/// What the tests of one run share: nextest gives each a process and the run a name, cargo gives all one process.
fn run_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| {
            let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            format!("process {} at {}", std::process::id(), started.as_nanos())
        })
    })
}

/// Makes something unless that was done for this very input, by this process or another one.
pub fn stamped(name: &str, input: &str, make: impl FnOnce()) {
    let stamp = tools_dir().join(format!("{name}.stamp"));
    let lock = File::create(tools_dir().join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&stamp).is_ok_and(|made| made == input) {
        return;
    }
    make();
    fs::write(stamp, input).unwrap();
}

/// Runs cargo in the repository with this build's profile and target directory.
pub fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root());
    command.arg("--target-dir").arg(profile_dir().parent().unwrap());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    run(&mut command);
}

/// Builds a package of the workspace as a plugin is built, and gives the component.
pub fn plugin(package: &str, artifact: &str) -> PathBuf {
    // Where the program's own build puts its plugins, so that nothing is built twice.
    let target = profile_dir().parent().unwrap().join("plugins");
    let args = ["build", "--quiet", "--target", "wasm32-wasip2", "--profile", "plugin", "--package", package];
    once(package, || {
        let mut command = Command::new(env!("CARGO"));
        // Flags for this machine's code are none for WebAssembly.
        command.args(args).arg("--target-dir").arg(&target).env_remove("RUSTFLAGS").current_dir(root());
        run(&mut command);
    });
    target.join("wasm32-wasip2/plugin").join(artifact).with_extension("wasm")
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
