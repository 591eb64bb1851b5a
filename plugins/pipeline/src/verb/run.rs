//! `inferno pipeline run` and `resume`.

use std::time::Instant;

use serde_json::{Value, json};

use super::{print_json, say};
use crate::args::{How, Resume, Run};
use crate::engine::Report;
use crate::error::Error;
use crate::progress::{Meter, thousands};
use crate::session::{Options, Script, Tools};
use crate::trial::Trial;

pub(super) fn run(script: &Script, run: &Run, tools: &Tools) -> Result<(), Error> {
    let options =
        Options { limit: run.limit.map(Into::into), watch: run.watch, fresh: run.fresh, ..options(&run.how) };
    go(script, options, &run.how, tools)
}

pub(super) fn resume(script: &Script, resume: &Resume, tools: &Tools) -> Result<(), Error> {
    let options = Options { resume: true, watch: resume.watch, ..options(&resume.how) };
    go(script, options, &resume.how, tools)
}

pub(super) fn dry_run(script: &Script, run: &Run, tools: &Tools) -> Result<(), Error> {
    let options = Options { limit: run.limit.map(Into::into), ..options(&run.how) };
    let (mut meter, began) = (Meter::new(), Instant::now());
    let report = script.attempt(options, tools, Trial::default(), &mut meter);
    meter.clear();
    tell(&report?, &run.how, began, "nothing was written: this was a dry run")
}

fn options(how: &How) -> Options {
    Options { parallel: how.parallel.map(Into::into), no_cache: how.no_cache, ..Options::default() }
}

fn go(script: &Script, options: Options, how: &How, tools: &Tools) -> Result<(), Error> {
    let (mut meter, began) = (Meter::new(), Instant::now());
    let report = script.run(options, tools, &mut meter);
    meter.clear();
    let report = report?;
    let dead: u64 = report.counts.iter().map(|(_, counts)| counts.dead).sum();
    let word = match dead {
        0 => String::new(),
        _ => format!("{} records failed: see {}", thousands(dead), script.dead(&script.parse()?).display()),
    };
    tell(&report, how, began, &word)
}

fn tell(report: &Report, how: &How, began: Instant, word: &str) -> Result<(), Error> {
    let seconds = began.elapsed().as_secs_f64();
    if how.json {
        print_json(&told(report, seconds))?;
    } else {
        say(&format!("{} records in {seconds:.1} s", thousands(report.records)));
    }
    if !word.is_empty() {
        say(word);
    }
    Ok(())
}

/// What was done, for programs.
fn told(report: &Report, seconds: f64) -> Value {
    let nodes: serde_json::Map<_, _> =
        report.counts.iter().map(|(name, counts)| (name.clone(), json!(counts))).collect();
    let (asked, known) = report.calls;
    json!({ "records": report.records, "seconds": seconds, "calls": { "made": asked, "known": known }, "nodes": nodes })
}
