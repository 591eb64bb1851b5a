//! How much a token costs on its way from a worker's backend to the reader of a `Generation`.
//!
//! `cargo run --release -p inferno-inference --example flow [tokens [rate]]`: the `echo` backend writes that many
//! tokens for each request, at `rate` tokens per second (0: as many as it can). CPU time is what the operating system
//! has counted for each process, so it is worth more than the rate on a busy machine.

#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::try_join_all};
use inferno_backend::Backends;
use inferno_inference::{Config, Event, Generate, Inference, Input, WorkerCommand, models};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("worker") {
        return Ok(inferno_backend::worker::run(Backends::new(vec![inferno_backend_echo::backend()], None))?);
    }
    let tokens = first.map_or(Ok(200_000), |count| count.parse())?;
    let rate = args.next().map_or(Ok(0), |rate| rate.parse())?;
    tokio::runtime::Runtime::new()?.block_on(measure(tokens, rate))
}

async fn measure(tokens: usize, rate: u32) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    fs::write(
        dir.path().join("echo.echo"),
        format!("inferno-echo\n{{\"tokens_per_second\": {rate}, \"context\": {}}}\n", 2 * tokens + 2),
    )?;
    let dirs = vec![dir.path().to_owned()];
    let models = models::Models::new(models::Config { dirs, ..models::Config::default() });
    let worker = WorkerCommand { program: std::env::current_exe()?, args: vec!["worker".into()] };
    let inference = Inference::new(models, Config { sequences: 8, ..Config::new(worker) });
    inference.load("echo", |_| {}).await?;
    let pid = inference.loaded().first().map_or(0, |loaded| loaded.pid).to_string();

    println!("reader  requests   tokens/s  tokens/event  host us/token  worker us/token");
    for requests in [1, 8] {
        for whole in [false, true] {
            let (host, worker, start) = (cpu("self")?, cpu(&pid)?, Instant::now());
            let work = (0..requests).map(|_| tokio::spawn(request(inference.clone(), tokens, whole)));
            let events: usize = try_join_all(work).await?.into_iter().sum::<Result<_, _>>()?;
            let (seconds, count) = (start.elapsed().as_secs_f64(), (requests * tokens) as f64);
            println!(
                "{:<7} {requests:>8} {:>10.0} {:>13.2} {:>14.2} {:>16.2}",
                if whole { "whole" } else { "stream" },
                count / seconds,
                count / events as f64,
                (cpu("self")? - host).as_secs_f64() * 1e6 / count,
                (cpu(&pid)? - worker).as_secs_f64() * 1e6 / count,
            );
        }
    }
    println!(
        "one token, asked for and answered, p50: {:.0} us",
        tokio::spawn(latency(inference.clone())).await??
    );
    inference.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// The number of events that it took.
async fn request(
    inference: Inference,
    tokens: usize,
    whole: bool,
) -> Result<usize, inferno_inference::Error> {
    let request = Generate::new(Input::Prompt("word ".repeat(tokens)));
    let mut generation = inference.generate("echo", request).await?;
    if whole {
        generation.complete().await?;
        return Ok(1);
    }
    let mut events = 0;
    while let Some(event) = generation.next().await {
        events += usize::from(matches!(event?, Event::Text(_)));
    }
    Ok(events)
}

/// Microseconds that the middle one of many short requests takes.
async fn latency(inference: Inference) -> Result<f64, inferno_inference::Error> {
    let mut times = Vec::new();
    for _ in 0..2000 {
        let start = Instant::now();
        request(inference.clone(), 1, false).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// The time that a process has computed, all of its threads together.
fn cpu(pid: &str) -> Outcome<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
