//! The plugins that are measured, built and put into folders as a user has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Where they are, and where compiled code is kept: each side has a cache of its own.
pub(crate) struct Folders {
    /// The plugin that lets everything pass.
    pub(crate) pass: PathBuf,
    /// `examples/redact-filter`.
    pub(crate) redact: PathBuf,
    /// The sandbox's cache.
    pub(crate) our_cache: PathBuf,
    /// Plain wasmtime's.
    pub(crate) plain_cache: PathBuf,
}

impl Folders {
    /// In this folder, where [`make`] put them.
    pub(crate) fn new(home: &Path) -> Self {
        let [pass, redact, our_cache, plain_cache] =
            ["pass", "redact-filter", "cache", "plain-cache"].map(|name| home.join(name));
        Self { pass, redact, our_cache, plain_cache }
    }
}

/// Builds the components as plugins are built, and makes a folder with component and manifest of each.
pub(crate) fn make(target: &Path, home: &Path) -> Result<Folders> {
    let built = build(target, &["inferno-bench-guest", "inferno-redact-filter"])?;
    let (root, folders) = (root(), Folders::new(home));
    put(&folders.pass, &root.join("bench/guest"), &built.join("inferno_bench_guest.wasm"))?;
    put(&folders.redact, &root.join("examples/redact-filter"), &built.join("redact_filter.wasm"))?;
    Ok(folders)
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds packages as plugins are built; the folder of the components.
pub(crate) fn build(target: &Path, packages: &[&str]) -> Result<PathBuf> {
    let plugins = target.join("plugins");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--profile", "plugin", "--target", "wasm32-wasip2"]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    // Flags for this machine's code are none for WebAssembly.
    cargo.arg("--target-dir").arg(&plugins).env_remove("RUSTFLAGS").current_dir(root());
    if !cargo.status().context("cannot start cargo")?.success() {
        bail!(
            "the plugins do not build; is the target wasm32-wasip2 installed? `cargo xtask setup` does that"
        );
    }
    Ok(plugins.join("wasm32-wasip2/plugin"))
}

/// Makes a folder of a plugin with the manifest of `source`, as a user has it.
pub(crate) fn put(folder: &Path, source: &Path, component: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (from, name) in [(source.join("plugin.toml"), "plugin.toml"), (component.to_owned(), "plugin.wasm")] {
        std::fs::copy(&from, folder.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
