//! Benchmarks. Each runs both sides in one run, alternating, and prints ratios: only these travel between machines.

mod convert;
mod direct;
mod peer;
mod pipeline;
mod plugins;
mod process;
mod report;
mod run;
mod serve;
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
    /// Serving many against llama-server, which is built for it
    Serve,
    /// Plugins in the sandbox against plain wasmtime and native code
    Plugins,
    /// Pipelines against a plain native program
    Pipeline,
    /// Conversion against llama.cpp's quantizer, and the ONNX backend against the GGUF one
    Convert,
    /// The direct side of `run`, which starts it
    #[command(hide = true)]
    Direct { model: PathBuf, threads: i32, context: u32, sequences: u32 },
    /// The native side of `pipeline`, which starts it
    #[command(hide = true)]
    Plain {
        input: PathBuf,
        output: PathBuf,
        #[arg(long)]
        words: bool,
    },
    /// One process of idle instances, which `plugins` starts
    #[command(hide = true)]
    Idle { side: plugins::Side, home: PathBuf, plugin: PathBuf },
}

fn main() -> Result<()> {
    match Args::parse().bench {
        Bench::Direct { model, threads, context, sequences } => {
            direct::serve(&model, threads, context, sequences)
        }
        Bench::Idle { side, home, plugin } => runtime()?.block_on(plugins::serve_idle(side, &home, &plugin)),
        Bench::Plugins => {
            let target = target()?;
            let rows = runtime()?.block_on(plugins::run(&target))?;
            report::publish("plugins", &target, &rows)
        }
        Bench::Pipeline => {
            let target = target()?;
            let rows = pipeline::run(&target, &places(&target, "pipeline")?)?;
            report::publish("pipeline", &target, &rows)
        }
        Bench::Convert => {
            let target = target()?;
            let quantizer = peer::program(&target, "llama-quantize")?;
            let places = places(&target, "convert")?;
            let rows = runtime()?.block_on(convert::run(&places, &quantizer, &target.join("onnxruntime")))?;
            report::publish("convert", &target, &rows)
        }
        Bench::Plain { input, output, words } => pipeline::serve_plain(&input, &output, words),
        Bench::Run => {
            let target = target()?;
            let rows = runtime()?.block_on(run::run(&places(&target, "run")?))?;
            report::publish("run", &target, &rows)
        }
        Bench::Serve => {
            let target = target()?;
            let peer = peer::program(&target, "llama-server")?;
            let rows = runtime()?.block_on(serve::run(
                &places(&target, "serve")?,
                &peer,
                &target.join("backends/use"),
            ))?;
            report::publish("serve", &target, &rows)
        }
    }
}

/// The target folder: this executable lies in the folder of a profile in it.
fn target() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).context("an executable lies in the target folder")?;
    Ok(target.to_owned())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// What the benchmarks of a whole server need; `name` is the benchmark.
fn places(target: &Path, name: &str) -> Result<run::Places> {
    let program = std::env::current_exe()?.with_file_name("inferno");
    if !program.exists() {
        bail!("{} is missing; `cargo xtask bench {name}` builds it", program.display());
    }
    let storyteller = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/storyteller/storyteller.gguf");
    Ok(run::Places { program, home: target.join("bench").join(name), storyteller })
}
