//! The one shape of every benchmark's result: a table for people, JSON for programs.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// One measured figure beside what it is compared with.
#[derive(Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The peer's figure in the same unit and run.
    pub(crate) versus: Option<f64>,
    /// `value / versus`.
    pub(crate) ratio: Option<f64>,
    /// What was aimed at, in words.
    pub(crate) aim: Option<&'static str>,
}

impl Row {
    /// A figure on its own.
    pub(crate) fn alone(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, versus: None, ratio: None, aim: None }
    }

    /// A figure beside a peer's.
    pub(crate) fn versus(name: impl Into<String>, value: f64, unit: &'static str, peer: f64) -> Self {
        Self { versus: Some(peer), ratio: Some(value / peer), ..Self::alone(name, value, unit) }
    }

    /// The same with what is aimed at.
    pub(crate) fn aim(self, aim: &'static str) -> Self {
        Self { aim: Some(aim), ..self }
    }
}

/// Prints the table and writes `<target>/bench/<bench>.json`.
#[expect(clippy::print_stdout, reason = "the table is this program's product")]
pub(crate) fn publish(bench: &str, target: &Path, rows: &[Row]) -> Result<()> {
    let number = |v: f64| if v.abs() >= 100.0 { format!("{v:.0}") } else { format!("{v:.3}") };
    let optional = |v: Option<f64>| v.map_or(String::new(), number);
    let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0).max(4);
    println!("{:width$}  {:>10}  {:8}  {:>10}  {:>6}  aim", "name", "value", "unit", "versus", "ratio");
    for r in rows {
        let (versus, ratio) = (optional(r.versus), optional(r.ratio));
        println!(
            "{:width$}  {:>10}  {:8}  {versus:>10}  {ratio:>6}  {}",
            r.name,
            number(r.value),
            r.unit,
            r.aim.unwrap_or("")
        );
    }
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{bench}.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(rows)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// The value below which `share` of the sorted samples lie.
pub(crate) fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    samples.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
