//! `cargo xtask`: what the README's commands call. Each verb does its own set-up.

mod backend;
mod bench;
mod demo;
mod docs;
mod fuzz;
mod lint;
mod onnxruntime;
mod setup;
mod shell;
mod test;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, demo, tests and benchmarks of Inferno")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install, or name, what the build needs and this machine lacks
    Setup,
    /// Build the release program and show the main job, printing each command before its output
    Demo,
    /// Build and run every test
    Test {
        /// Passed on to `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check formatting, lints, dependencies and generated documents
    Lint,
    /// Run a benchmark in the release build and write target/bench/NAME.json
    Bench {
        /// Which one, such as `run`
        name: String,
    },
    /// Fuzz each target for a bounded time
    Fuzz {
        /// One target; absent: all
        target: Option<String>,
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Build the llama.cpp backend for this machine's processor, as a library that Inferno opens
    Backend {
        /// Where to put it: the backends directory that `inferno config show` names, for one
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// For graphics processors, too
        #[arg(long, value_enum)]
        gpu: Option<backend::Gpu>,
    },
    /// Fetch ONNX Runtime, which models in ONNX are run with, from PyPI
    Onnxruntime {
        /// Where to put it [default: target/onnxruntime]
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Write the generated documents: the command reference
    Docs,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().verb {
        Verb::Setup => setup::run(),
        Verb::Demo => demo::run(),
        Verb::Test { args } => test::run(&args),
        Verb::Lint => lint::run(),
        Verb::Bench { name } => bench::run(&name),
        Verb::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Verb::Backend { dir, gpu } => backend::run(dir.as_deref(), gpu).map(drop),
        Verb::Onnxruntime { dir } => onnxruntime::run(dir.as_deref()),
        Verb::Docs => docs::run(),
    }
}
