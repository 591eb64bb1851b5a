//! `bench pipeline`: records through `inferno pipeline run` against a plain native program that does the same, and what a
//! run takes of the machine's memory, whatever the number of records.
//!
//! Both sides are processes that read lines of JSON, count the words of each record's text and write the lines, durably.
//! The native one is this program, with the very code of the Rust step.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use inferno_bench_step::{Config, Words};
use inferno_sdk::step::{Item, Outcome, Step as _};

use crate::plugins::components;
use crate::process::{finish, peak};
use crate::report::{Row, percentile};
use crate::run::Places;
use crate::served::isolated;

/// Rounds of each side, alternating.
const ROUNDS: usize = 3;
/// The bytes of a record, about.
const RECORD: usize = 1024;
/// Records of the short run and of the long one whose memory is compared.
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;

/// A step and how many records are put through it.
struct Plan {
    what: &'static str,
    step: &'static str,
    records: usize,
    aim: Option<&'static str>,
}

const PLANS: [Plan; 4] = [
    Plan { what: "no step", step: "", records: 200_000, aim: None },
    Plan {
        what: "built-in step (map)",
        step: "[[step]]\nuse = \"map\"\nfields = { words = \"text | split | length\" }\n",
        records: 200_000,
        aim: None,
    },
    Plan {
        what: "Rust step",
        step: "[[step]]\nuse = \"plugin\"\nplugin = \"words\"\n",
        records: 200_000,
        aim: Some("ratio >= 0.7"),
    },
    Plan {
        what: "Python step",
        step: "[[step]]\nuse = \"plugin\"\nplugin = \"words-python\"\n",
        records: 10_000,
        aim: None,
    },
];

/// Runs all of it.
pub(crate) fn run(target: &Path, places: &Places) -> Result<Vec<Row>> {
    // Pipelines run where the host keeps nothing of its own.
    let work = places.home.join("work");
    fs::create_dir_all(&work)?;
    steps(target, places)?;
    let mut rows = Vec::new();
    for plan in &PLANS {
        let input = input(&work, plan.records)?;
        let megabytes = fs::metadata(&input)?.len() as f64 / 1e6;
        let (mut ours, mut native) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (a, b) = (pipeline(places, plan.step, &input)?.0, plain(plan, &input)?);
            // The first round compiles the plugins.
            if round > 0 {
                ours.push(a);
                native.push(b);
            }
        }
        if fs::read(work.join("out.jsonl"))? != fs::read(work.join("plain.jsonl"))? {
            bail!("{}: the pipeline and the native program do not write the same", plan.what);
        }
        let rate = |amount: f64, times: &mut [f64]| amount / percentile(times, 0.5);
        let records = plan.records as f64;
        let row = Row::versus(
            format!("{}: records/s", plan.what),
            rate(records, &mut ours),
            "1/s",
            rate(records, &mut native),
        );
        rows.push(match plan.aim {
            Some(aim) => row.aim(aim),
            None => row,
        });
        rows.push(Row::versus(
            format!("{}: MB/s", plan.what),
            rate(megabytes, &mut ours),
            "MB/s",
            rate(megabytes, &mut native),
        ));
    }
    let mut memory = Vec::new();
    for records in [FEW, MANY] {
        memory.push(pipeline(places, PLANS[2].step, &input(&work, records)?)?.1);
    }
    let row = Row::versus("Rust step: memory, 1M records against 1k", memory[1], "MiB", memory[0]);
    rows.push(row.aim("flat"));
    Ok(rows)
}

/// Builds the two steps and puts them where a user has plugins.
fn steps(target: &Path, places: &Places) -> Result<()> {
    let (root, plugins) = (components::root(), places.home.join("plugins"));
    let built = components::build(target, &["inferno-bench-step"])?;
    let component = built.join("inferno_bench_step.wasm");
    components::put(&plugins.join("words"), &root.join("bench/step"), &component)?;
    let python = places.home.join("python");
    fs::create_dir_all(&python)?;
    for file in ["plugin.toml", "plugin.py"] {
        fs::copy(root.join("bench/step-python").join(file), python.join(file))?;
    }
    let mut build = isolated(&places.program, &places.home);
    finish(build.args(["plugin", "build"]).arg(&python).stdout(Stdio::null()))?;
    components::put(&plugins.join("words-python"), &python, &python.join("plugin.wasm"))
}

/// A file with so many records, made once.
fn input(work: &Path, records: usize) -> Result<PathBuf> {
    let path = work.join(format!("{records}.jsonl"));
    if path.exists() {
        return Ok(path);
    }
    let part = work.join("part");
    let mut file = BufWriter::new(File::create(&part)?);
    let words = ["fox", "bear", "river", "mountain", "evening", "story", "lantern", "quietly"];
    for number in 0..records {
        let (mut text, mut at) = (String::with_capacity(RECORD), number);
        while text.len() < RECORD - 40 {
            text.push_str(words[at % words.len()]);
            text.push(' ');
            at = at.wrapping_mul(31).wrapping_add(7);
        }
        writeln!(file, r#"{{"number":{number},"text":"{}"}}"#, text.trim_end())?;
    }
    file.into_inner().context("the last bytes")?.sync_all()?;
    fs::rename(&part, &path)?;
    Ok(path)
}

/// Seconds and MiB of a run of the pipeline.
fn pipeline(places: &Places, step: &str, input: &Path) -> Result<(f64, f64)> {
    let name = input.file_name().context("a file")?.display();
    let work = input.parent().context("a folder")?;
    let text = format!(
        "[[source]]\nuse = \"jsonl\"\npath = \"{name}\"\n\n{step}\n[[sink]]\nname = \"out\"\nuse = \"jsonl\"\npath = \"out.jsonl\"\n"
    );
    fs::write(work.join("bench.toml"), text)?;
    let mut command = isolated(&places.program, &places.home);
    command.current_dir(work);
    command.env("INFERNO_PLUGINS_DIR", places.home.join("plugins"));
    // What is told on the way is not what is measured, but what it says when it fails is wanted.
    let said = places.home.join("said.txt");
    command.args(["pipeline", "run", "bench.toml", "--fresh"]).stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    let mut process = command.stderr(File::create(&said)?).spawn().context("cannot start the pipeline")?;
    let memory = peak(&mut process)?;
    let seconds = begin.elapsed().as_secs_f64();
    let status = process.wait()?;
    if !status.success() {
        bail!("the pipeline ended with {status}: {}", fs::read_to_string(&said)?);
    }
    Ok((seconds, memory))
}

/// Seconds of the native program for the same.
fn plain(plan: &Plan, input: &Path) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("plain").arg(input).arg(input.with_file_name("plain.jsonl"));
    if !plan.step.is_empty() {
        command.arg("--words");
    }
    let begin = Instant::now();
    finish(&mut command)?;
    Ok(begin.elapsed().as_secs_f64())
}

/// The native program.
pub(crate) fn serve_plain(input: &Path, output: &Path, words: bool) -> Result<()> {
    let mut step = Words::open(Config {}).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut out = BufWriter::new(File::create(output)?);
    for (number, line) in BufReader::new(File::open(input)?).lines().enumerate() {
        let mut item = Item { id: format!("{}:{number}", input.display()), data: line? };
        if words {
            let outcomes = step.process(vec![item]).map_err(|error| anyhow::anyhow!("{error}"))?;
            let Some(Outcome::Emit(items)) = outcomes.into_iter().next() else {
                bail!("a record was refused")
            };
            item = items.into_iter().next().context("a record is missing")?;
        }
        writeln!(out, "{}", item.data)?;
    }
    out.into_inner().context("the last bytes")?.sync_all()?;
    Ok(())
}
