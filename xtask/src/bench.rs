//! Benchmarks, always of the release build.

use anyhow::Result;

use crate::shell::{self, command};

pub(crate) fn run(name: &str) -> Result<()> {
    crate::setup::run()?;
    if name == "serve" {
        crate::backend::run(None, None)?;
    }
    if name == "convert" {
        crate::onnxruntime::run(None)?;
    }
    shell::run(&mut command("cargo build --release --package inferno --package inferno-bench"))?;
    shell::run(command("cargo run --release --quiet --package inferno-bench --").arg(name))
}
