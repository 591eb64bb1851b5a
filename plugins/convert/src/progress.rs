//! How far a conversion is, on standard error.

use std::time::{Duration, Instant};

use inferno_sdk::command::StatusLine;

/// Shows how far a conversion is.
pub(crate) struct Progress {
    status: Option<StatusLine>,
    name: String,
    began: Instant,
    total: u64,
    /// Bytes that an earlier run has done.
    before: u64,
    read: u64,
}

impl Progress {
    /// For people; `name` is what is being made.
    pub(crate) fn shown(name: impl Into<String>) -> Self {
        Self { status: Some(StatusLine::new()), ..Self::silent(name) }
    }

    /// For nobody.
    pub(crate) fn silent(name: impl Into<String>) -> Self {
        Self { status: None, name: name.into(), began: Instant::now(), total: 0, before: 0, read: 0 }
    }

    /// So many bytes there are in all, and so many of them are to be read.
    pub(crate) fn begin(&mut self, total: u64, open: u64) {
        (self.total, self.before, self.read, self.began) =
            (total, total.saturating_sub(open), 0, Instant::now());
    }

    /// So many more were read and written in their new form.
    pub(crate) fn done(&mut self, bytes: u64) {
        self.read += bytes;
        self.show("converting");
    }

    /// So many more were summed up.
    pub(crate) fn summed(&mut self, _bytes: u64) {
        let rest = self.total.saturating_sub(self.before + self.read);
        self.show(if rest == 0 { "checksums" } else { "converting" });
    }

    fn show(&mut self, stage: &str) {
        let Some(status) = self.status.as_mut().filter(|status| status.due()) else { return };
        let done = (self.before + self.read).min(self.total);
        let line = line(&self.name, stage, done, self.total, self.read, self.began.elapsed());
        status.show(&line);
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if let Some(status) = &mut self.status {
            status.clear();
        }
    }
}

fn line(name: &str, stage: &str, done: u64, total: u64, read: u64, elapsed: Duration) -> String {
    const BAR: u64 = 20;
    let full = (done * BAR).checked_div(total).unwrap_or(BAR).min(BAR) as usize;
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR as usize - full));
    let share = (done * 100).checked_div(total).unwrap_or(100);
    let speed = read as f64 / elapsed.as_secs_f64().max(0.001);
    let mut line = format!("{name}: {stage} [{bar}] {share} % {:.0} MB/s", speed / 1e6);
    if read > 0 && done < total {
        let left = ((total - done) as f64 / speed).ceil() as u64;
        line.push_str(&format!(" {} left", span(left)));
    }
    line
}

/// Seconds as people say them.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

/// Bytes as people say them.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_long() {
        let second = Duration::from_secs(1);
        assert_eq!(
            line("x", "converting", 25_000_000, 100_000_000, 5_000_000, second),
            "x: converting [#####---------------] 25 % 5 MB/s 15s left"
        );
        assert_eq!(
            line("x", "checksums", 8, 8, 8, second),
            "x: checksums [####################] 100 % 0 MB/s"
        );
        assert_eq!(
            line("x", "converting", 0, 0, 0, second),
            "x: converting [####################] 100 % 0 MB/s"
        );
        assert_eq!([span(59), span(61), span(3_661)], ["59s", "1m 01s", "1h 01m"]);
        assert_eq!([bytes(9), bytes(2_150), bytes(3_000_000_000)], ["9 B", "2.1 kB", "3.00 GB"]);
    }
}
