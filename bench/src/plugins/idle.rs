//! The memory of idle instances. Each side is measured in processes of its own, since memory that one side has given
//! back would be there for the other one to use.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::ValueEnum;
use inferno_sandbox::Sandbox;

use super::components::Folders;
use super::ours::{self, caller};
use super::plain::Plain;
use crate::report::{Row, percentile};

/// Idle instances.
const INSTANCES: u32 = 1_000;
/// Processes of each side, alternating.
const PROCESSES: usize = 3;

/// Whose instances.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Side {
    /// The sandbox's.
    Ours,
    /// Plain wasmtime's.
    Plain,
}

/// Measures both sides.
pub(crate) fn rows(home: &Path) -> Result<Vec<Row>> {
    let Folders { pass, redact, .. } = Folders::new(home);
    let row = |name: &str, plugin: &Path| -> Result<Row> {
        let (mut of_ours, mut of_plain) = (Vec::new(), Vec::new());
        for _ in 0..PROCESSES {
            of_ours.push(measure(home, plugin, Side::Ours)?);
            of_plain.push(measure(home, plugin, Side::Plain)?);
        }
        let title = format!("{name}: memory of an idle instance, of 1,000; vs plain wasmtime, pooled");
        Ok(Row::versus(title, percentile(&mut of_ours, 0.5), "KiB", percentile(&mut of_plain, 0.5)))
    };
    Ok(vec![row("small plugin", &pass)?.aim("<= 21.5 KiB"), row("redact-filter", &redact)?])
}

fn measure(home: &Path, plugin: &Path, side: Side) -> Result<f64> {
    let name = side.to_possible_value().context("each side has a name")?;
    let mut process = Command::new(std::env::current_exe()?);
    let output = process.arg("idle").arg(name.get_name()).arg(home).arg(plugin).output()?;
    if !output.status.success() {
        bail!("measuring memory: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("measuring memory gave {text:?}"))
}

/// Makes instances of the plugin in this folder and says how many KiB of memory each one adds.
#[expect(clippy::print_stdout, reason = "one number is how the benchmark reads it")]
pub(crate) async fn serve(side: Side, home: &Path, plugin: &Path) -> Result<()> {
    let folders = Folders::new(home);
    let data = Bytes::from_static(b"x");
    // One more comes and goes first, so that what all share is there.
    let added = match side {
        Side::Ours => {
            let sandbox = Sandbox::new(ours::config(&folders.our_cache, INSTANCES), ours::services()?)?;
            let plugin = ours::load(&sandbox, plugin)?;
            plugin.filter(caller()).await?.chunk(data.clone(), false).await?;
            let before = resident()?;
            let mut idle = Vec::new();
            for _ in 0..INSTANCES {
                let mut call = plugin.filter(caller()).await?;
                call.chunk(data.clone(), false).await?;
                idle.push(call);
            }
            resident()? - before
        }
        Side::Plain => {
            let plugin = Plain::new(&folders.plain_cache, INSTANCES)?.load(plugin)?;
            plugin.filter().await?.chunk(&data, false).await?;
            let before = resident()?;
            let mut idle = Vec::new();
            for _ in 0..INSTANCES {
                let mut live = plugin.filter().await?;
                live.chunk(&data, false).await?;
                idle.push(live);
            }
            resident()? - before
        }
    };
    println!("{}", added / f64::from(INSTANCES));
    Ok(())
}

/// KiB of this process in memory.
fn resident() -> Result<f64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("memory can be measured on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(number.parse()?)
}
