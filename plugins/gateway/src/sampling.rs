//! The fields that chats and completions share.

use inferno_sdk::inference::Request;
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::{Fields, describe};

/// How a client wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Streamed {
        /// A last chunk tells the usage.
        usage: bool,
    },
}

/// The most stop texts that a request may have.
const MAX_STOPS: usize = 4;

/// Takes over what says how to choose tokens and when to stop.
pub(crate) fn apply(fields: &mut Fields, request: &mut Request) -> Result<(), ApiError> {
    request.temperature = fields.number("temperature", 0.0, 2.0)?;
    // 0 is a usual way to say "only the likeliest token"; the host's range begins just above.
    request.top_p = fields.number("top_p", 0.0, 1.0)?.map(|p| p.max(f32::MIN_POSITIVE));
    request.min_p = fields.number("min_p", 0.0, 1.0)?;
    // -1 is a usual way to turn it off.
    request.top_k = fields.integer("top_k", -1, i32::MAX.into())?.map(|k| u32::try_from(k).unwrap_or(0));
    request.repeat_penalty = fields.number("repeat_penalty", 0.01, 100.0)?;
    request.presence_penalty = fields.number("presence_penalty", -2.0, 2.0)?;
    request.frequency_penalty = fields.number("frequency_penalty", -2.0, 2.0)?;
    request.seed = fields.integer("seed", i64::MIN, i64::MAX)?.map(i64::cast_unsigned);
    request.stop = stop(fields)?;
    if fields.integer("n", 1, 128)?.is_some_and(|n| n != 1) {
        return Err(ApiError::unsupported("n", "Only 1 is; ask several times instead."));
    }
    fields.refuse("logit_bias", "Leave it out.", |value| value.as_object().is_some_and(|map| map.is_empty()))
}

/// `max_tokens` and its newer name.
pub(crate) fn max_tokens(fields: &mut Fields, name: &str) -> Result<Option<u32>, ApiError> {
    let count = fields.integer(name, 1, u32::MAX.into())?;
    Ok(count.and_then(|count| u32::try_from(count).ok()))
}

/// `stream` and `stream_options`.
pub(crate) fn delivery(fields: &mut Fields) -> Result<Delivery, ApiError> {
    let streamed = fields.boolean("stream")?.unwrap_or(false);
    match fields.object("stream_options")? {
        Some(_) if !streamed => {
            Err(ApiError::value("stream_options", "it is only allowed when 'stream' is true."))
        }
        Some(mut options) => {
            Ok(Delivery::Streamed { usage: options.boolean("include_usage")?.unwrap_or(false) })
        }
        None if streamed => Ok(Delivery::Streamed { usage: false }),
        None => Ok(Delivery::Whole),
    }
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let items = match fields.take("stop") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(text @ Value::String(_)) => vec![text],
        Some(other) => {
            return Err(ApiError::wrong_type("stop", "a string or an array of strings", describe(&other)));
        }
    };
    if items.len() > MAX_STOPS {
        let why = format!("expected at most {MAX_STOPS} texts, but got {} instead.", items.len());
        return Err(ApiError::value("stop", why));
    }
    let text = |item| match item {
        Value::String(text) if text.is_empty() => {
            Err(ApiError::value("stop", "an empty text would stop at once."))
        }
        Value::String(text) => Ok(text),
        other => Err(ApiError::wrong_type("stop", "an array of strings", describe(&other))),
    };
    items.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    fn applied(json: &str) -> Result<Request, ApiError> {
        let mut request = Request::prompt("m", "p");
        apply(&mut fields(json), &mut request).map(|()| request)
    }

    #[test]
    fn every_field_arrives() {
        let request = applied(
            r#"{"temperature":0.5,"top_p":0.25,"min_p":0.125,"top_k":7,"repeat_penalty":1.5,"presence_penalty":-2,
                "frequency_penalty":2,"seed":42,"stop":["a","b"],"n":1,"logit_bias":{}}"#,
        )
        .unwrap();
        let mut expected = Request::prompt("m", "p");
        expected.temperature = Some(0.5);
        expected.top_p = Some(0.25);
        expected.min_p = Some(0.125);
        expected.top_k = Some(7);
        expected.repeat_penalty = Some(1.5);
        expected.presence_penalty = Some(-2.0);
        expected.frequency_penalty = Some(2.0);
        expected.seed = Some(42);
        expected.stop = vec!["a".into(), "b".into()];
        assert_eq!(request, expected);
        assert_eq!(applied("{}").unwrap(), Request::prompt("m", "p"));
    }

    #[test]
    fn usual_spellings_of_off_are_understood() {
        let request = applied(r#"{"top_p":0,"top_k":-1,"seed":-1,"stop":"."}"#).unwrap();
        assert_eq!(request.top_p, Some(f32::MIN_POSITIVE));
        assert_eq!(request.top_k, Some(0));
        assert_eq!(request.seed, Some(u64::MAX));
        assert_eq!(request.stop, ["."]);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |json, param, code, says| refused(applied(json), 400, param, code, says);
        check(r#"{"temperature":2.1}"#, "temperature", "invalid_value", "from 0 to 2");
        check(r#"{"temperature":"hot"}"#, "temperature", "invalid_type", "a string");
        check(r#"{"top_p":1.5}"#, "top_p", "invalid_value", "from 0 to 1");
        check(r#"{"top_k":-2}"#, "top_k", "invalid_value", "-2");
        check(r#"{"presence_penalty":3}"#, "presence_penalty", "invalid_value", "from -2 to 2");
        check(r#"{"frequency_penalty":-3}"#, "frequency_penalty", "invalid_value", "from -2 to 2");
        check(r#"{"repeat_penalty":0}"#, "repeat_penalty", "invalid_value", "from 0.01");
        check(r#"{"seed":1.5}"#, "seed", "invalid_type", "a decimal");
        check(r#"{"n":2}"#, "n", "unsupported_parameter", "Only 1");
        check(r#"{"n":0}"#, "n", "invalid_value", "from 1");
        check(r#"{"logit_bias":{"5":1}}"#, "logit_bias", "unsupported_parameter", "not supported yet");
        check(r#"{"stop":["a","b","c","d","e"]}"#, "stop", "invalid_value", "at most 4");
        check(r#"{"stop":""}"#, "stop", "invalid_value", "empty");
        check(r#"{"stop":[1]}"#, "stop", "invalid_type", "array of strings");
        check(r#"{"stop":1}"#, "stop", "invalid_type", "a string or an array");
    }

    #[test]
    fn token_counts_are_bounded() {
        let count = |json| max_tokens(&mut fields(json), "max_tokens");
        assert_eq!(count(r#"{"max_tokens":1}"#).unwrap(), Some(1));
        assert_eq!(count(r#"{"max_tokens":4294967295}"#).unwrap(), Some(u32::MAX));
        refused(count(r#"{"max_tokens":0}"#), 400, "max_tokens", "invalid_value", "from 1");
        refused(count(r#"{"max_tokens":4294967296}"#), 400, "max_tokens", "invalid_value", "4294967296");
    }

    #[test]
    fn stream_options_need_a_stream() {
        let how = |json| delivery(&mut fields(json));
        assert_eq!(how("{}").unwrap(), Delivery::Whole);
        assert_eq!(how(r#"{"stream":false,"stream_options":null}"#).unwrap(), Delivery::Whole);
        assert_eq!(how(r#"{"stream":true}"#).unwrap(), Delivery::Streamed { usage: false });
        let json = r#"{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#;
        assert_eq!(how(json).unwrap(), Delivery::Streamed { usage: true });
        refused(how(r#"{"stream_options":{}}"#), 400, "stream_options", "invalid_value", "'stream' is true");
        refused(how(r#"{"stream":"yes"}"#), 400, "stream", "invalid_type", "a boolean");
        let json = r#"{"stream":true,"stream_options":{"include_usage":1}}"#;
        refused(how(json), 400, "stream_options.include_usage", "invalid_type", "a number");
    }
}
