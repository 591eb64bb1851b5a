//! When a time table has its next time.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, tz::TimeZone};

use crate::StoreError;

/// A cron expression in a time zone.
///
/// Clocks are moved: a time that the zone skips is taken right after the gap, one that it has twice is taken once, and
/// what runs every so many minutes or hours runs through both.
#[derive(Debug)]
pub(crate) struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

impl Timetable {
    pub(crate) fn parse(cron: &str, zone: &str) -> Result<Self, StoreError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(cron).map_err(|error| {
            let why = format!(
                "{error}; write minute, hour, day, month and weekday, such as \"0 2 * * *\" for every night at two"
            );
            StoreError::invalid("the schedule", cron, why)
        })?;
        let zone = TimeZone::get(zone).map_err(|_| {
            let why =
                "there is no such time zone; write a name such as Europe/Berlin, America/New_York or UTC";
            StoreError::invalid("the time zone", zone, why)
        })?;
        Ok(Self { cron, zone })
    }

    /// The first time behind `millis`; none where there is no such time any more.
    pub(crate) fn after(&self, millis: i64) -> Option<i64> {
        let from = Timestamp::from_millisecond(millis).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.timestamp().as_millisecond())
    }
}

/// The name of this machine's time zone; UTC where it has none.
pub(crate) fn own_zone() -> String {
    TimeZone::try_system()
        .ok()
        .and_then(|zone| zone.iana_name().map(str::to_owned))
        .unwrap_or_else(|| "UTC".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next times after `from`, as the zone's clocks show them.
    fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let table = Timetable::parse(cron, zone).expect("a time table");
        let mut at = from.parse::<Timestamp>().expect("a time").as_millisecond();
        (0..count)
            .map(|_| {
                at = table.after(at).expect("there is a next time");
                let zoned = Timestamp::from_millisecond(at).expect("a time").to_zoned(table.zone.clone());
                zoned.strftime("%m-%d %H:%M %z").to_string()
            })
            .collect()
    }

    #[test]
    fn the_clock_of_the_zone_counts() {
        assert_eq!(
            times("0 2 * * *", "Europe/Berlin", "2026-07-01T00:30:00Z", 2),
            ["07-02 02:00 +0200", "07-03 02:00 +0200"]
        );
        assert_eq!(
            times("0 2 * * *", "UTC", "2026-07-01T00:30:00Z", 1),
            ["07-01 02:00 +0000"],
            "it is not two yet there"
        );
        assert_eq!(
            times("30 9 * * MON-FRI", "Asia/Kolkata", "2026-11-27T05:00:00Z", 1),
            ["11-30 09:30 +0530"]
        );
        assert_eq!(
            times("@monthly", "UTC", "2026-01-31T00:00:00Z", 2),
            ["02-01 00:00 +0000", "03-01 00:00 +0000"]
        );
        assert_eq!(times("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["02-29 00:00 +0000"], "in 2028");
    }

    #[test]
    fn an_hour_that_is_skipped_is_made_up_for() {
        // On 2026-03-29 clocks in Berlin go from 02:00 to 03:00.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            ["03-29 03:00 +0200", "03-30 02:30 +0200"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
            ["03-29 01:30 +0100", "03-29 03:00 +0200", "03-29 03:30 +0200"]
        );
    }

    #[test]
    fn an_hour_that_comes_twice_counts_once_but_for_intervals() {
        // On 2026-10-25 clocks in Berlin go from 03:00 back to 02:00.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["10-25 02:30 +0200", "10-26 02:30 +0100"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:10:00Z", 4),
            ["10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100"]
        );
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for cron in ["", "* * *", "61 * * * *", "0 0 2 * * *", "0 0 * * FRY"] {
            let error = Timetable::parse(cron, "UTC").expect_err(cron).to_string();
            assert!(error.contains("0 2 * * *"), "{error}");
        }
        let error = Timetable::parse("@daily", "Europe/Berlim").expect_err("no zone").to_string();
        assert!(error.contains("Europe/Berlim") && error.contains("no such time zone"), "{error}");
        let never = Timetable::parse("0 0 31 2 *", "UTC").expect("it can be read");
        assert_eq!(never.after(0), None, "the 31st of February");
    }
}
