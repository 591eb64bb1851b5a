//! Every test of the workspace.

use anyhow::Result;

use crate::shell::{self, command};

pub(crate) fn run(args: &[String]) -> Result<()> {
    crate::setup::run()?;
    // The integration tests drive the real program; cargo builds a package's binaries only for its own tests.
    shell::run(&mut command("cargo build --package inferno"))?;
    shell::run(command("cargo test --workspace").args(args))
}
