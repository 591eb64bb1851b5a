//! Other programs: that they end well, and what they take.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Runs one to its end, which must be a good one.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// Waits for the end of a process; the most memory that it had, in MiB.
pub(crate) fn peak(process: &mut Child) -> Result<f64> {
    let path = format!("/proc/{}/status", process.id());
    let mut peak = 0.0_f64;
    while process.try_wait()?.is_none() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or_default() / 1024.0);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(peak)
}
