//! `bench plugins`: what it costs to run a plugin. Each figure stands beside plain wasmtime doing the same with the same
//! component, or beside the plugin's own code compiled for this machine.
//!
//! Plain wasmtime has the sandbox's pool, compile cache and kind of calls, and the ordinary WASI; it has no limits, no
//! interruption, no accounts and no capabilities. So the ratios are the price of these.

mod calls;
pub(crate) mod components;
mod idle;
mod ours;
mod plain;
mod start;
mod stream;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::report::{Row, percentile};

pub(crate) use idle::{Side, serve as serve_idle};

/// Rounds of each side, alternating; one more before them does not count. They are short, about a millisecond, so that
/// most of them are not interrupted by whatever else the machine does.
const ROUNDS: usize = 101;
/// Which of a side's rounds counts, from the fastest to the slowest: one that nothing disturbed. On a busy machine the
/// median is a figure of whoever else is busy.
const UNDISTURBED: f64 = 0.05;

/// Runs all of it; its files go into `<target>/bench/plugins`.
pub(crate) async fn run(target: &Path) -> Result<Vec<Row>> {
    let home = target.join("bench/plugins");
    let folders = components::make(target, &home)?;
    let mut rows = calls::rows(&folders).await?;
    rows.extend(stream::rows(&folders).await?);
    rows.extend(start::rows(&folders).await?);
    rows.extend(idle::rows(&home)?);
    Ok(rows)
}

/// What two sides that take turns need, in microseconds for each of a round's iterations.
async fn alternate(
    iterations: u32,
    mut ours: impl AsyncFnMut() -> Result<()>,
    mut peer: impl AsyncFnMut() -> Result<()>,
) -> Result<(f64, f64)> {
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    for number in 0..=ROUNDS {
        // Neither side is always the one that finds the other's leavings in the caches.
        let (our_round, peer_round) = if number % 2 == 0 {
            let first = round(iterations, &mut ours).await?;
            (first, round(iterations, &mut peer).await?)
        } else {
            let first = round(iterations, &mut peer).await?;
            (round(iterations, &mut ours).await?, first)
        };
        if number > 0 {
            of_ours.push(our_round);
            of_peer.push(peer_round);
        }
    }
    Ok((percentile(&mut of_ours, UNDISTURBED), percentile(&mut of_peer, UNDISTURBED)))
}

async fn round(iterations: u32, work: &mut impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    for _ in 0..iterations {
        work().await?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(iterations))
}
