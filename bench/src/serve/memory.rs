//! What a server takes of the machine's memory.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};

/// MiB of a process and all that it has started; pages that several of them share count once (PSS).
pub(crate) fn of(pid: u32) -> Result<f64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = parent(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut open = vec![pid];
    let mut kib = 0;
    while let Some(pid) = open.pop() {
        kib += pss(pid)?;
        open.extend(children.remove(&pid).unwrap_or_default());
    }
    Ok(kib as f64 / 1024.0)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may have anything in it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn pss(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("no Pss")
}
