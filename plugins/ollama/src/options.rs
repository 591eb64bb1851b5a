//! `options`: how tokens are chosen, and when to stop.
//!
//! Options that say how Ollama loads a model (`num_ctx`, `num_gpu`, `num_thread`, ...) are for the host's
//! configuration here and change nothing; a prompt that does not fit is refused and never cut.

use inferno_sdk::inference::Request;
use inferno_sdk::json::Fields;

use crate::ask::refuse;
use crate::error::ApiError;

/// Takes over the options of a request.
pub(crate) fn apply(body: &mut Fields, request: &mut Request) -> Result<(), ApiError> {
    let Some(mut options) = body.object("options")? else { return Ok(()) };
    refuse_unsupported(&mut options)?;
    // What is not above zero means no limit.
    request.max_tokens = options
        .integer("num_predict", i64::MIN, u32::MAX.into())?
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| *count > 0);
    request.temperature = options.number("temperature", 0.0, 2.0)?;
    request.top_k = options.integer("top_k", -1, i32::MAX.into())?.map(|k| u32::try_from(k).unwrap_or(0));
    // 0 is a usual way to say "only the likeliest token"; the host's range begins just above.
    request.top_p = options.number("top_p", 0.0, 1.0)?.map(|p| p.max(f32::MIN_POSITIVE));
    request.min_p = options.number("min_p", 0.0, 1.0)?;
    request.repeat_penalty = options.number("repeat_penalty", 0.01, 100.0)?;
    request.presence_penalty = options.number("presence_penalty", -2.0, 2.0)?;
    request.frequency_penalty = options.number("frequency_penalty", -2.0, 2.0)?;
    // What is below zero means any, here as there.
    request.seed = options.integer("seed", i64::MIN, i64::MAX)?.and_then(|seed| u64::try_from(seed).ok());
    let stop = options.strings("stop")?.unwrap_or_default();
    request.stop = stop.into_iter().filter(|text| !text.is_empty()).collect();
    Ok(())
}

/// Ways of choosing tokens that the host does not have. Values that turn them off pass.
fn refuse_unsupported(options: &mut Fields) -> Result<(), ApiError> {
    refuse(options, "mirostat", "Only 0 is.", |value| *value == 0)?;
    refuse(options, "typical_p", "Only 1 is.", |value| value.as_f64() == Some(1.0))?;
    refuse(options, "tfs_z", "Only 1 is.", |value| value.as_f64() == Some(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, says};

    fn applied(options: &str) -> Result<Request, ApiError> {
        let mut request = Request::prompt("m", "p");
        apply(&mut fields(&format!("{{\"options\":{options}}}")), &mut request).map(|()| request)
    }

    #[test]
    fn every_option_arrives() {
        let request = applied(
            r#"{"num_predict":9,"temperature":0.5,"top_k":7,"top_p":0.25,"min_p":0.125,"repeat_penalty":1.5,
                "presence_penalty":-2,"frequency_penalty":2,"seed":42,"stop":["a","","b"]}"#,
        );
        let mut expected = Request::prompt("m", "p");
        expected.max_tokens = Some(9);
        expected.temperature = Some(0.5);
        expected.top_k = Some(7);
        expected.top_p = Some(0.25);
        expected.min_p = Some(0.125);
        expected.repeat_penalty = Some(1.5);
        expected.presence_penalty = Some(-2.0);
        expected.frequency_penalty = Some(2.0);
        expected.seed = Some(42);
        expected.stop = vec!["a".into(), "b".into()];
        assert_eq!(request.unwrap(), expected);
    }

    #[test]
    fn usual_spellings_of_off_are_understood() {
        let request = applied(
            r#"{"num_predict":-1,"top_k":-1,"top_p":0,"seed":-1,"stop":"x","mirostat":0,"typical_p":1,"tfs_z":1.0,
                "num_ctx":4096,"num_gpu":1,"num_thread":2,"use_mmap":true}"#,
        );
        let mut expected = Request::prompt("m", "p");
        expected.top_k = Some(0);
        expected.top_p = Some(f32::MIN_POSITIVE);
        expected.stop = vec!["x".into()];
        assert_eq!(request.unwrap(), expected);
        assert_eq!(applied("null").unwrap(), Request::prompt("m", "p"));
        assert_eq!(applied(r#"{"num_predict":-2}"#).unwrap().max_tokens, None);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        says(applied("[]"), "`options` must be an object");
        says(applied(r#"{"temperature":"hot"}"#), "`options.temperature` must be a number, but is a string");
        says(applied(r#"{"temperature":3}"#), "`options.temperature`: it must be from 0 to 2");
        says(applied(r#"{"num_predict":1.5}"#), "`options.num_predict` must be a whole number");
        says(applied(r#"{"mirostat":1}"#), "`options.mirostat` is not supported here. Only 0 is.");
        says(applied(r#"{"typical_p":0.5}"#), "`options.typical_p` is not supported");
        says(applied(r#"{"tfs_z":0.5}"#), "`options.tfs_z` is not supported");
        says(applied(r#"{"stop":[1]}"#), "`options.stop[0]` must be a string");
    }
}
