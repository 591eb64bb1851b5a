//! What a reviewer should not have to look at.

use anyhow::{Result, bail};

use crate::shell::{self, command, succeeds};

pub(crate) fn run() -> Result<()> {
    crate::setup::run()?;
    shell::run(&mut command("cargo fmt --all --check"))?;
    shell::run(&mut command("cargo clippy --workspace --all-targets -- -D warnings"))?;
    crate::docs::check()?;
    if !succeeds("cargo deny --version") {
        bail!(
            "cargo-deny is missing; it checks licences, sources and duplicates. Install it with `cargo install --locked cargo-deny`"
        );
    }
    // Advisories need the network's database; they have a command of their own: `cargo deny check advisories`.
    shell::run(&mut command("cargo deny check bans licenses sources"))
}
