//! The documents that are generated, never typed.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::shell::{self, output, root, say};

fn reference() -> Result<(PathBuf, String)> {
    let text = output("cargo run --quiet --package inferno -- reference")?;
    Ok((root().join("docs/src/reference.md"), text))
}

/// Writes them.
pub(crate) fn run() -> Result<()> {
    crate::setup::run()?;
    let (path, text) = reference()?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {}", path.display()));
    if shell::succeeds("mdbook --version") {
        shell::run(&mut shell::command("mdbook build docs"))?;
    }
    Ok(())
}

/// Fails if they are not what would be written.
pub(crate) fn check() -> Result<()> {
    let (path, text) = reference()?;
    if std::fs::read_to_string(&path).unwrap_or_default() != text {
        bail!("{} is not what the program says; write it anew with `cargo xtask docs`", path.display());
    }
    Ok(())
}
