//! `keep_alive`: how long a model stays loaded after a request.

use std::time::Duration;

use inferno_sdk::json::{FieldError, Fields};
use serde_json::Value;

/// Takes the field: a time such as `"5m"`, or seconds. What is below zero is for ever, which [`Duration::MAX`] stands
/// for; zero unloads the model after the request.
pub(crate) fn take(body: &mut Fields) -> Result<Option<Duration>, FieldError> {
    let path = body.path("keep_alive");
    let Some(value) = body.take("keep_alive") else { return Ok(None) };
    let time = match &value {
        Value::Number(number) => number.as_f64().map(seconds),
        Value::String(text) => parse(text),
        other => return Err(FieldError::wrong(path, "a time such as \"5m\", or seconds", other)),
    };
    match time {
        Some(time) => Ok(Some(time)),
        None => {
            Err(FieldError::value(path, format!("{value} is no time; write one such as \"5m\", or seconds")))
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    if seconds < 0.0 { Duration::MAX } else { Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX) }
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then(|| seconds(number));
    }
    match text.strip_prefix('-') {
        Some(rest) => humantime::parse_duration(rest).ok().map(|_| Duration::MAX),
        None => humantime::parse_duration(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    fn taken(value: &str) -> Result<Option<Duration>, FieldError> {
        take(&mut fields(&format!("{{\"keep_alive\":{value}}}")))
    }

    #[test]
    fn times_are_words_or_seconds() {
        let check = |value, time| assert_eq!(taken(value), Ok(Some(time)), "{value}");
        check("\"5m\"", Duration::from_secs(300));
        check("\"1h30m\"", Duration::from_secs(5400));
        check("\"300ms\"", Duration::from_millis(300));
        check("90", Duration::from_secs(90));
        check("0.5", Duration::from_millis(500));
        check("\"90\"", Duration::from_secs(90));
        check("0", Duration::ZERO);
        check("\"0\"", Duration::ZERO);
        check("-1", Duration::MAX);
        check("\"-1\"", Duration::MAX);
        check("\"-1m\"", Duration::MAX);
        check("1e300", Duration::MAX);
        assert_eq!(taken("null"), Ok(None));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let check =
            |value, says: &str| assert!(taken(value).unwrap_err().to_string().contains(says), "{value}");
        check("\"soon\"", "\"soon\" is no time");
        check("\"\"", "is no time");
        check("\"NaN\"", "is no time");
        check("true", "must be a time such as \"5m\", or seconds, but is a boolean");
    }
}
