//! The guests in `tests/guests`, built for WebAssembly when they are older than their sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

pub(crate) const PROXY: &str = "inferno_guest_proxy";
pub(crate) const ROLES: &str = "inferno_guest_roles";
pub(crate) const PROBE: &str = "inferno_guest_probe";
pub(crate) const VERB: &str = "inferno-guest-verb";
pub(crate) const VERB_ASYNC: &str = "inferno_guest_verb_async";
const ALL: [&str; 5] = [PROBE, PROXY, ROLES, VERB, VERB_ASYNC];

/// The component of a guest.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        if !fresh() {
            build();
        }
    });
    fs::read(component(name)).expect("it was built")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn component(name: &str) -> PathBuf {
    // `target/tmp` is where tests of this package may write.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is inside the target directory");
    target.join("plugins/wasm32-wasip2/plugin").join(format!("{name}.wasm"))
}

fn fresh() -> bool {
    let built = ALL.iter().map(|name| modified(&component(name))).min().flatten();
    let sources = ["tests/guests", "wit", "Cargo.lock"].map(|part| newest(&root().join(part)));
    built.is_some_and(|built| sources.into_iter().flatten().all(|source| source < built))
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|about| about.modified()).ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    let inside = fs::read_dir(path).into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    inside.chain(modified(path).filter(|_| path.is_file())).max()
}

fn build() {
    let target = component("").ancestors().nth(3).expect("it is three folders down").to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--profile", "plugin", "--target", "wasm32-wasip2"]);
    cargo.arg("--target-dir").arg(target);
    for name in ALL {
        cargo.args(["--package", &name.replace('_', "-")]);
    }
    // What was meant for the tests' own build does not fit this one.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"]
    {
        cargo.env_remove(variable);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the guests do not build; is the target wasm32-wasip2 installed?");
    // Cargo leaves alone what needs no work; touched, it counts as fresh.
    for name in ALL {
        let file = fs::File::options().append(true).open(component(name)).expect("it was built");
        file.set_modified(SystemTime::now()).expect("it is ours");
    }
}
