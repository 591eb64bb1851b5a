//! How far a run is.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use inferno_sdk::command::StatusLine;

use crate::engine::{Observer, Report};
use crate::node::Progress;

/// Shows progress.
pub(crate) struct Meter {
    began: Instant,
    status: StatusLine,
    /// Where the run was when it began: what an earlier one has done is not this one's speed.
    first: Option<(u64, u64)>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), status: StatusLine::new(), first: None }
    }

    /// Ends the line.
    pub(crate) fn clear(&mut self) {
        self.status.clear();
    }
}

impl Observer for Meter {
    fn tick(&mut self, report: &dyn Fn() -> Report) {
        if self.first.is_some() && !self.status.due() {
            return;
        }
        let report = report();
        let begun = self.first.is_some();
        let first = *self.first.get_or_insert((report.records, report.progress.done));
        if begun {
            self.status.show(&line(&report, first, self.began.elapsed()));
        }
    }
}

fn line(report: &Report, (first_records, first_done): (u64, u64), elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = report.records.saturating_sub(first_records) as f64 / seconds;
    let mut line = format!("{} records, {}/s", thousands(report.records), short(rate));
    let Progress { done, total } = report.progress;
    if let Some(total) = total.filter(|total| *total > 0) {
        let share = (done as f64 / total as f64).min(1.0);
        let _ = write!(line, ", {:.0} %", share * 100.0);
        let speed = done.saturating_sub(first_done) as f64 / seconds;
        if speed > 0.0 && done < total {
            let left = Duration::from_secs(((total - done) as f64 / speed).ceil() as u64);
            let _ = write!(line, ", {} left", humantime::format_duration(left));
        }
    }
    let dead: u64 = report.counts.iter().map(|(_, counts)| counts.dead).sum();
    if dead > 0 {
        let _ = write!(line, ", {} dead letters", thousands(dead));
    }
    line
}

/// A number as people read it: `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn short(rate: f64) -> String {
    match rate {
        ..10.0 => format!("{rate:.1}"),
        ..10_000.0 => format!("{rate:.0}"),
        _ => format!("{:.0}k", rate / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Counts;

    #[test]
    fn a_line_has_the_rate_of_this_run_and_the_time_that_is_left() {
        let counts = vec![("a".to_owned(), Counts { dead: 2, ..Counts::default() })];
        let progress = Progress { done: 600, total: Some(1000) };
        let report = Report { counts, progress, records: 12_500, ..Report::default() };
        assert_eq!(
            line(&report, (2_500, 200), Duration::from_secs(4)),
            "12,500 records, 2500/s, 60 %, 4s left, 2 dead letters"
        );
        let report = Report { records: 3, ..Report::default() };
        assert_eq!(line(&report, (0, 0), Duration::from_secs(2)), "3 records, 1.5/s");
    }
}
