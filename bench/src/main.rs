//! Benchmarks. Each runs both sides in one run, alternating, and prints ratios: only these travel between machines.

mod direct;
mod report;
mod run;
mod served;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Benchmarks of Inferno; `cargo xtask bench NAME` builds and runs them")]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Serving against the same llama.cpp called directly, and the gateway's latency
    Run,
    /// The direct side of `run`, which starts it
    #[command(hide = true)]
    Direct { model: PathBuf, threads: i32, context: u32, sequences: u32 },
}

fn main() -> Result<()> {
    match Args::parse().bench {
        Bench::Direct { model, threads, context, sequences } => {
            direct::serve(&model, threads, context, sequences)
        }
        Bench::Run => {
            // This executable lies beside the program in the release folder.
            let exe = std::env::current_exe()?;
            let release = exe.parent().context("an executable lies in a folder")?;
            let program = release.join("inferno");
            if !program.exists() {
                bail!(
                    "{} is missing; run this through `cargo xtask bench run`, which builds it",
                    program.display()
                );
            }
            let target = release.parent().context("the release folder lies in the target folder")?;
            let storyteller =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/storyteller/storyteller.gguf");
            let places = run::Places { program, home: target.join("bench/run"), storyteller };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let rows = runtime.block_on(run::run(&places))?;
            report::publish("run", target, &rows)
        }
    }
}
