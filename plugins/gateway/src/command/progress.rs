//! How far a run is.

use std::io;
use std::time::{Duration, Instant};

use inferno_sdk::command::StatusLine;

use crate::batches::{Counts, Results, Stop, Watch};

/// How often answers are made durable.
const SYNC: Duration = Duration::from_secs(1);

/// Shows progress.
pub(crate) struct Meter {
    began: Instant,
    synced: Instant,
    status: StatusLine,
    /// What an earlier run has done is not this one's speed.
    before: u64,
}

impl Meter {
    pub(crate) fn new(before: Counts) -> Self {
        let now = Instant::now();
        Self { began: now, synced: now, status: StatusLine::new(), before: before.done() }
    }

    /// Ends the line.
    pub(crate) fn clear(&mut self) {
        self.status.clear();
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Watch for Meter {
    /// Whoever wants it to stop ends the program.
    fn stop(&mut self) -> io::Result<Option<Stop>> {
        Ok(None)
    }

    fn progress(&mut self, results: &mut Results) -> io::Result<()> {
        if self.synced.elapsed() >= SYNC {
            results.sync()?;
            self.synced = Instant::now();
        }
        if self.status.due() {
            self.status.show(&line(results.counts(), self.before, self.began.elapsed()));
        }
        Ok(())
    }
}

fn line(counts: Counts, before: u64, elapsed: Duration) -> String {
    let Counts { total, failed, .. } = counts;
    let done = counts.done();
    let mut line = format!("{done} of {total} requests");
    if failed > 0 {
        line += &format!(", {failed} failed");
    }
    let speed = done.saturating_sub(before) as f64 / elapsed.as_secs_f64().max(0.001);
    line += &format!(", {speed:.1}/s");
    if speed > 0.0 && done < total {
        line += &format!(", {} left", time((total - done) as f64 / speed));
    }
    line
}

/// A time as people read it: `1h 02m`, `3m 20s` or `7s`.
fn time(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX).as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_speed_of_this_run_and_the_time_that_is_left() {
        let counts = |completed, failed| Counts { total: 1000, completed, failed };
        assert_eq!(line(counts(0, 0), 0, Duration::ZERO), "0 of 1000 requests, 0.0/s");
        let shown = line(counts(597, 3), 200, Duration::from_secs(4));
        assert_eq!(shown, "600 of 1000 requests, 3 failed, 100.0/s, 4s left");
        assert_eq!(line(counts(1000, 0), 0, Duration::from_secs(1)), "1000 of 1000 requests, 1000.0/s");
        assert_eq!([time(200.0), time(3720.5), time(f64::MAX)].map(|text| text.len() < 30), [true; 3]);
        assert_eq!((time(200.0), time(3720.5)), ("3m 20s".to_owned(), "1h 02m".to_owned()));
    }
}
