//! `bench run`: what serving costs. Tokens per second and time to first token of `inferno serve` against the same llama.cpp
//! called directly with the same settings, and the latency that the gateway plugin adds.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use inferno_inference::{Config, Generate, Inference, Input, Message, Role, WorkerCommand};
use inferno_tests::gguf::{Kind, Shape, random_model};
use serde_json::json;

use crate::direct::Pass;
use crate::report::{Row, percentile};
use crate::served::{self, Server, isolated};

/// Rounds of each side, alternating.
const ROUNDS: usize = 3;
/// Echo requests of each kind.
const ECHOES: usize = 2000;
const CONTEXT: u32 = 512;
const SEQUENCES: u32 = 8;

/// Where things are.
pub(crate) struct Places {
    /// The built `inferno`.
    pub(crate) program: PathBuf,
    /// A folder for this benchmark's files.
    pub(crate) home: PathBuf,
    /// The demo model.
    pub(crate) storyteller: PathBuf,
}

/// Runs all of it.
pub(crate) async fn run(places: &Places) -> Result<Vec<Row>> {
    let models = places.home.join("models");
    std::fs::create_dir_all(&models)?;
    std::fs::copy(&places.storyteller, models.join("tiny-2m.gguf"))?;
    let large = models.join("random-100m.gguf");
    if !large.exists() {
        random_model(&places.storyteller, &large, Shape::HUNDRED_MILLION, Kind::Q8_0, 1)?;
    }
    std::fs::write(models.join("echo.echo"), "inferno-echo\n{\"context\": 4096}\n")?;

    let mut rows = Vec::new();
    for (model, threads) in [("tiny-2m", 1), ("random-100m", 2)] {
        rows.extend(throughput(places, model, threads).await?);
    }
    rows.extend(latency(places).await?);
    Ok(rows)
}

fn settings(places: &Places, threads: u32) -> Vec<(&'static str, String)> {
    vec![
        ("INFERNO_MODELS_DIR", places.home.join("models").display().to_string()),
        ("INFERNO_INFERENCE_THREADS", threads.to_string()),
        ("INFERNO_INFERENCE_CONTEXT", CONTEXT.to_string()),
        ("INFERNO_INFERENCE_SEQUENCES", SEQUENCES.to_string()),
    ]
}

/// A server against llama.cpp in process, with the same settings.
pub(crate) async fn throughput(places: &Places, model: &str, threads: u32) -> Result<Vec<Row>> {
    let mut peer = Direct::start(&places.home.join("models").join(format!("{model}.gguf")), threads)?;
    let server = Server::start(&places.program, &places.home, &settings(places, threads))?;
    let mut rows = Vec::new();
    for at_once in [1, 8] {
        // One round of each that does not count: the model is loaded and the files are read.
        let (a, b) = (peer.pass(at_once)?, served::pass(&server, model, at_once).await?);
        if at_once == 1 && a.texts != b.texts {
            bail!("the server and llama.cpp do not write the same text:\n{:?}\n{:?}", b.texts, a.texts);
        }
        let (mut direct, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            direct.push(peer.pass(at_once)?);
            ours.push(served::pass(&server, model, at_once).await?);
        }
        let aim = if at_once == 1 { "ratio >= 0.97" } else { "ratio >= 0.95" };
        rows.push(
            Row::versus(
                format!("{model}: tokens/s, {at_once} at once"),
                speed(&ours),
                "tokens/s",
                speed(&direct),
            )
            .aim(aim),
        );
        rows.push(Row::versus(
            format!("{model}: first token, {at_once} at once"),
            first(&ours),
            "ms",
            first(&direct),
        ));
    }
    Ok(rows)
}

/// The median round's tokens per second.
fn speed(passes: &[Pass]) -> f64 {
    percentile(&mut passes.iter().map(|p| p.tokens as f64 / p.seconds).collect::<Vec<_>>(), 0.5)
}

/// The median time to the first token.
fn first(passes: &[Pass]) -> f64 {
    percentile(&mut passes.iter().flat_map(|p| p.first_token_ms.clone()).collect::<Vec<_>>(), 0.5)
}

/// The peer's process.
struct Direct {
    process: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Direct {
    fn start(model: &Path, threads: u32) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("direct").arg(model).args([
            threads.to_string(),
            CONTEXT.to_string(),
            SEQUENCES.to_string(),
        ]);
        command.envs(inferno_inference::WAITING);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let answers = BufReader::new(process.stdout.take().context("standard output")?).lines();
        Ok(Self { process, answers })
    }

    fn pass(&mut self, at_once: usize) -> Result<Pass> {
        writeln!(self.process.stdin.as_mut().context("standard input")?, "{at_once}")?;
        let line = self.answers.next().context("the direct process ended")??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One-token chats with the echo backend: through the gateway over HTTP, and through the inference door in this process.
/// The difference is what HTTP, sandbox and plugin add together; `/health` is what HTTP costs by itself.
async fn latency(places: &Places) -> Result<Vec<Row>> {
    let server = Server::start(&places.program, &places.home, &settings(places, 1))?;
    let mut client = server.connect().await?;
    let door = door(places)?;
    let body = json!({"model": "echo", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1});
    let (mut through, mut inside, mut health) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ECHOES + 200 {
        let sample = [
            client.timed("POST", "/v1/chat/completions", Some(&body)).await?,
            ask(&door).await?,
            client.timed("GET", "/health", None).await?,
        ];
        // The first ones load the model and fill caches.
        if round >= 200 {
            through.push(sample[0]);
            inside.push(sample[1]);
            health.push(sample[2]);
        }
    }
    door.shutdown(Duration::ZERO).await;
    let mut rows = Vec::new();
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let [t, i, h] = [&mut through, &mut inside, &mut health].map(|s| percentile(s, share));
        rows.push(Row::versus(format!("echo: one-token chat, {name}"), t, "us", i));
        rows.push(Row::alone(format!("echo: /health, {name}"), h, "us"));
        let added = Row::alone(format!("echo: added by HTTP, sandbox and gateway, {name}"), t - i, "us");
        rows.push(if share == 0.5 { added.aim("< 300 us") } else { added });
        rows.push(Row::alone(format!("echo: added by sandbox and gateway, {name}"), t - i - h, "us"));
    }
    Ok(rows)
}

fn door(places: &Places) -> Result<Inference> {
    let models = inferno_models::Models::new(inferno_models::Config {
        dirs: vec![places.home.join("models")],
        hf_cache: None,
        foreign: Vec::new(),
        builtin: None,
    });
    let worker = isolated(&places.program, &places.home);
    let mut args: Vec<std::ffi::OsString> =
        "worker --log-level warn --log-format compact --backends-dir".split(' ').map(Into::into).collect();
    args.push(places.home.join("backends").into());
    let worker = WorkerCommand { program: worker.get_program().into(), args };
    Ok(Inference::new(models, Config::new(worker)))
}

async fn ask(door: &Inference) -> Result<f64> {
    let begin = std::time::Instant::now();
    let message = Message::new(Role::User, "hello");
    let request = Generate { max_tokens: Some(1), ..Generate::new(Input::Chat(vec![message])) };
    door.complete("echo", request).await?;
    Ok(begin.elapsed().as_secs_f64() * 1e6)
}
