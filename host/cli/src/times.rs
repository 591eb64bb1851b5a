//! Times as people write and read them; programs get milliseconds since 1970.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use inferno_sandbox::Span;

/// A time as it was typed: with or without a zone, or how long from now.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let now = Timestamp::now();
    let time = if let Ok(span) = text.parse::<Span>() {
        now.checked_add(span.0).map_err(|_| format!("{text:?} is too long"))?
    } else if let Ok(time) = text.parse::<Timestamp>() {
        time
    } else if let Ok(zoned) = text.parse::<Zoned>() {
        zoned.timestamp()
    } else {
        let civil = text.parse::<DateTime>().ok().and_then(|time| time.to_zoned(TimeZone::system()).ok());
        let Some(zoned) = civil else {
            return Err(format!(
                "{text:?} is no time; write one such as 2030-01-31T02:00 or 2030-01-31T02:00:00Z, or how long from \
                 now, such as 90m"
            ));
        };
        zoned.timestamp()
    };
    Ok(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

/// By this machine's clock.
pub(crate) fn shown(millis: u64) -> String {
    in_zone(millis, &TimeZone::system())
}

fn in_zone(millis: u64, zone: &TimeZone) -> String {
    let time = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_else(|| "never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_ways_that_people_write_them() {
        assert_eq!(parse("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(parse("1970-01-01T02:00:01+02:00"), Ok(1000));
        assert_eq!(parse("2026-07-01T02:00[Europe/Berlin]"), parse("2026-07-01T00:00:00Z"));
        let local = parse("2026-07-01T02:00").unwrap();
        assert!(local.abs_diff(parse("2026-07-01T02:00:00Z").unwrap()) <= 14 * 3_600_000);
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap();
        assert!(parse("2h").unwrap().abs_diff(now + 2 * 3_600_000) < 60_000);
        assert!(parse("tomorrow").unwrap_err().contains("such as 90m"));
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(in_zone(1_767_225_601_234, &TimeZone::UTC), "2026-01-01 00:00:01");
        assert_eq!(in_zone(u64::MAX, &TimeZone::UTC), "never");
    }
}
