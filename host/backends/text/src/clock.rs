//! Dates for chat templates, which call `strftime_now` to tell the model what day it is.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A moment in UTC.
struct Moment {
    year: i64,
    /// From 0.
    month: usize,
    /// From 1.
    day: i64,
    /// From 0, Monday.
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
}

/// Now, in UTC, written as Python's `strftime` would.
pub(crate) fn now(format: &str) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    strftime(i64::try_from(seconds).unwrap_or(0), format)
}

fn strftime(seconds: i64, format: &str) -> String {
    let at = Moment::of(seconds);
    let month = MONTHS.get(at.month).copied().unwrap_or_default();
    let day = DAYS.get(at.weekday).copied().unwrap_or_default();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let (code, pad) = match chars.next() {
            Some('-') => (chars.next(), false),
            code => (code, true),
        };
        let two = |number: i64| if pad { format!("{number:02}") } else { number.to_string() };
        match code {
            Some('Y') => out.push_str(&at.year.to_string()),
            Some('y') => out.push_str(&two(at.year.rem_euclid(100))),
            Some('m') => out.push_str(&two(at.month as i64 + 1)),
            Some('d') => out.push_str(&two(at.day)),
            Some('H') => out.push_str(&two(at.hour)),
            Some('I') => out.push_str(&two((at.hour + 11) % 12 + 1)),
            Some('p') => out.push_str(if at.hour < 12 { "AM" } else { "PM" }),
            Some('M') => out.push_str(&two(at.minute)),
            Some('S') => out.push_str(&two(at.second)),
            Some('B') => out.push_str(month),
            Some('b' | 'h') => out.push_str(month.get(..3).unwrap_or(month)),
            Some('A') => out.push_str(day),
            Some('a') => out.push_str(day.get(..3).unwrap_or(day)),
            Some('F') => out.push_str(&strftime(seconds, "%Y-%m-%d")),
            Some('T') => out.push_str(&strftime(seconds, "%H:%M:%S")),
            Some('Z') => out.push_str("UTC"),
            Some('%') => out.push('%'),
            // As the C library does with what it does not know.
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

impl Moment {
    /// The civil date of a time in seconds since 1970, counted in eras of 400 years that begin on March 1.
    fn of(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        let time = seconds.rem_euclid(86_400);
        let since = days + 719_468; // from 0000-03-01
        let era = since.div_euclid(146_097);
        let of_era = since.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12;
        Self {
            year: era * 400 + year_of_era + i64::from(month < 2),
            month: month as usize,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            weekday: (days + 3).rem_euclid(7) as usize,
            hour: time / 3_600,
            minute: time / 60 % 60,
            second: time % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_python_does() {
        for (seconds, format, expect) in [
            (0, "%Y-%m-%d %H:%M:%S %A", "1970-01-01 00:00:00 Thursday"),
            (951_782_400, "%d %b %Y", "29 Feb 2000"),
            (951_868_800, "%B %-d, %y", "March 1, 00"),
            (1_735_689_599, "%F %T %a", "2024-12-31 23:59:59 Tue"),
            (1_764_068_400, "%I:%M %p", "11:00 AM"),
            (1_764_068_400, "100%% %q %", "100% %q %"),
        ] {
            assert_eq!(strftime(seconds, format), expect);
        }
    }
}
