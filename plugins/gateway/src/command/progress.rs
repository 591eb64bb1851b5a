//! How far a run is, on standard error: one line that is drawn again, or a line now and then where nobody looks.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::batches::{Counts, Results, Stop, Watch};

/// How often answers are made durable.
const SYNC: Duration = Duration::from_secs(1);

/// Shows progress.
pub(crate) struct Meter {
    began: Instant,
    shown: Instant,
    synced: Instant,
    redraws: bool,
    /// What an earlier run has done is not this one's speed.
    before: u64,
    width: usize,
}

impl Meter {
    pub(crate) fn new(before: Counts) -> Self {
        let now = Instant::now();
        let redraws = io::stderr().is_terminal();
        Self { began: now, shown: now, synced: now, redraws, before: before.done(), width: 0 }
    }

    /// Ends the line.
    pub(crate) fn clear(&mut self) {
        if self.redraws && self.width > 0 {
            let blank = " ".repeat(self.width);
            let _unseen = write!(io::stderr(), "\r{blank}\r");
            self.width = 0;
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn show(&mut self, counts: Counts) {
        self.shown = Instant::now();
        let line = line(counts, self.before, self.began.elapsed());
        let mut err = io::stderr();
        // If nobody can see it, the run goes on all the same.
        let _unseen = if self.redraws {
            let rest = " ".repeat(self.width.saturating_sub(line.len()));
            write!(err, "\r{line}{rest}").and_then(|()| err.flush())
        } else {
            writeln!(err, "{line}")
        };
        self.width = line.len();
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
        let every = if self.redraws { Duration::from_millis(100) } else { Duration::from_secs(5) };
        if self.shown.elapsed() >= every {
            self.show(results.counts());
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
