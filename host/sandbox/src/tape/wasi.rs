//! Clocks and random numbers of a run that is on tape.

use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand_core::TryRng;
use serde_json::json;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, Rng as _, WasiCtxBuilder};

use super::Tape;
use super::lines::Bytes;

/// `wasi:random/insecure-seed` is asked for before there is anything that could be told apart, so it is the same for all.
const SEED: u128 = 0x696e_6665_726e_6f20_7461_7065_2031_0000;

/// How many random bytes are drawn at first, and at most; each time twice as many.
const FIRST_BLOCK: usize = 32;
const LAST_BLOCK: usize = 4096;

/// Lends them.
pub(crate) fn lend(tape: &Tape, wasi: &mut WasiCtxBuilder) {
    wasi.wall_clock(Wall(tape.clone()))
        .monotonic_clock(Monotonic { tape: tape.clone(), began: Instant::now() })
        .secure_random(Random::new(tape, "wasi:random/random"))
        .insecure_random(Random::new(tape, "wasi:random/insecure"))
        .insecure_random_seed(SEED);
}

/// A number that nobody can guess.
pub(crate) fn seed() -> u64 {
    wasmtime_wasi::thread_rng().next_u64()
}

struct Wall(Tape);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        let live = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.instant("wasi:clocks/wall-clock.now", || json!({}), live)
    }
}

struct Monotonic {
    tape: Tape,
    began: Instant,
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        let live = || u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.tape.instant("wasi:clocks/monotonic-clock.now", || json!({}), live)
    }
}

/// Random bytes, drawn in blocks: the engine asks for a few at a time, and a call for each would be most of a tape.
struct Random {
    tape: Tape,
    name: &'static str,
    /// Those that were drawn and not yet used, the last one first.
    block: Vec<u8>,
    /// How large the next block is.
    next: usize,
}

impl Random {
    fn new(tape: &Tape, name: &'static str) -> Self {
        Self { tape: tape.clone(), name, block: Vec::new(), next: FIRST_BLOCK }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.block.is_empty() {
                self.draw();
            }
            *byte = self.block.pop().unwrap_or_default();
        }
    }

    fn draw(&mut self) {
        let size = self.next;
        let live = || {
            let mut drawn = vec![0; size];
            wasmtime_wasi::thread_rng().fill_bytes(&mut drawn);
            Bytes(drawn)
        };
        Bytes(self.block) = self.tape.instant(self.name, || json!({ "bytes": size }), live);
        self.next = (2 * size).min(LAST_BLOCK);
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}
