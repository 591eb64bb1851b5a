//! Every test of the workspace.

use anyhow::Result;

use crate::shell::{self, command, target};

pub(crate) fn run(args: &[String]) -> Result<()> {
    crate::setup::run()?;
    // The program's own tests make cargo build it along. Building it by itself would resolve other features, and so
    // compile the engine a second time.
    let program = target().join("debug").join("inferno");
    shell::run(
        command("cargo test --workspace --no-fail-fast").args(args).env("INFERNO_TEST_BINARY", program),
    )
}
