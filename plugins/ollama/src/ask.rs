//! What chat and generate have in common.

use std::time::Duration;

use inferno_sdk::inference::{Format, Request};
use inferno_sdk::json::{FieldError, Fields};
use inferno_sdk::media;
use serde_json::Value;

use crate::error::ApiError;
use crate::{keep_alive, options};

/// Which of the two endpoints: they name the text of an answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Chat,
    Generate,
}

/// An answer to write.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) form: Form,
    pub(crate) model: String,
    /// None: the model is only to be loaded, or unloaded.
    pub(crate) request: Option<Request>,
    pub(crate) stream: bool,
    /// How long the model stays loaded afterwards.
    pub(crate) keep_alive: Option<Duration>,
}

/// The model's name, in a field that older clients call `name`. Every model has one version here, which Ollama calls
/// `latest`.
pub(crate) fn model(body: &mut Fields) -> Result<String, FieldError> {
    let older = body.string("name")?;
    let mut name = body.string("model")?.or(older).ok_or_else(|| body.missing("model"))?;
    if let Some(bare) = name.strip_suffix(":latest") {
        name.truncate(bare.len());
    }
    Ok(name)
}

/// Reads what both have, into a request if there is to be an answer.
pub(crate) fn parse(
    body: &mut Fields,
    form: Form,
    model: String,
    mut request: Option<Request>,
) -> Result<Ask, ApiError> {
    let stream = body.boolean("stream")?.unwrap_or(true);
    let keep_alive = keep_alive::take(body)?;
    refuse_thinking(body, &model)?;
    if let Some(request) = &mut request {
        request.format = format(body)?;
        request.logprobs = logprobs(body)?;
        options::apply(body, request)?;
    }
    Ok(Ask { form, model, request, stream, keep_alive })
}

/// Refuses a field that is not obeyed, unless its value asks for nothing.
pub(crate) fn refuse(
    fields: &mut Fields,
    name: &str,
    instead: &str,
    harmless: impl FnOnce(&Value) -> bool,
) -> Result<(), ApiError> {
    match fields.take(name) {
        Some(value) if !harmless(&value) => Err(ApiError::unsupported(&fields.path(name), instead)),
        _ => Ok(()),
    }
}

/// The images beside a text, as base64.
pub(crate) fn images(fields: &mut Fields) -> Result<Vec<Vec<u8>>, ApiError> {
    let path = fields.path("images");
    let images = match fields.take("images") {
        None => return Ok(Vec::new()),
        Some(Value::Array(images)) => images,
        Some(other) => return Err(FieldError::wrong(path, "an array of base64 texts", &other).into()),
    };
    let image = |(index, image): (usize, Value)| {
        let path = format!("{path}[{index}]");
        match image {
            Value::String(text) => Ok(media::base64(&text).map_err(|why| FieldError::value(path, why))?),
            other => Err(FieldError::wrong(path, "the base64 of an image", &other).into()),
        }
    };
    images.into_iter().enumerate().map(image).collect()
}

pub(crate) fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_str().is_some_and(str::is_empty)
}

fn refuse_thinking(body: &mut Fields, model: &str) -> Result<(), ApiError> {
    match body.take("think") {
        None | Some(Value::Bool(false)) => Ok(()),
        Some(Value::Bool(true) | Value::String(_)) => {
            Err(ApiError::invalid(format!("\"{model}\" does not support thinking")))
        }
        Some(other) => Err(FieldError::wrong("think", "a boolean or a string", &other).into()),
    }
}

/// `""`, `"json"` or a JSON schema.
fn format(body: &mut Fields) -> Result<Option<Format>, FieldError> {
    match body.take("format") {
        None => Ok(None),
        Some(Value::String(word)) if word.is_empty() => Ok(None),
        Some(Value::String(word)) if word == "json" => Ok(Some(Format::Json(None))),
        Some(Value::String(word)) => {
            Err(FieldError::value("format", format!("{word:?} is none; there are \"json\" and JSON schemas")))
        }
        Some(schema @ Value::Object(_)) => Ok(Some(Format::Json(Some(schema.to_string())))),
        Some(other) => Err(FieldError::wrong("format", "\"json\" or a JSON schema", &other)),
    }
}

fn logprobs(body: &mut Fields) -> Result<Option<u32>, FieldError> {
    let wanted = body.boolean("logprobs")?.unwrap_or(false);
    let top = body.integer("top_logprobs", 0, 20)?.unwrap_or(0);
    Ok(wanted.then(|| u32::try_from(top).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, says};

    fn parsed(json: &str) -> Result<Ask, ApiError> {
        let request = Request::prompt("m", "p");
        parse(&mut fields(json), Form::Generate, "m".into(), Some(request))
    }

    #[test]
    fn an_answer_streams_unless_it_is_not_wanted() {
        let expected = Ask {
            form: Form::Generate,
            model: "m".into(),
            request: Some(Request::prompt("m", "p")),
            stream: true,
            keep_alive: None,
        };
        assert_eq!(parsed(r#"{"think":false,"format":"","logprobs":false}"#).unwrap(), expected);
        let ask = parsed(r#"{"stream":false,"keep_alive":"1m"}"#).unwrap();
        assert_eq!((ask.stream, ask.keep_alive), (false, Some(Duration::from_secs(60))));
    }

    #[test]
    fn formats_and_likelihoods_arrive() {
        let request = |json: &str| parsed(json).unwrap().request.unwrap();
        assert_eq!(request(r#"{"format":"json"}"#).format, Some(Format::Json(None)));
        let schema = r#"{"type":"object"}"#;
        let with_schema = request(&format!("{{\"format\":{schema}}}"));
        assert_eq!(with_schema.format, Some(Format::Json(Some(schema.into()))));
        assert_eq!(request(r#"{"logprobs":true}"#).logprobs, Some(0));
        assert_eq!(request(r#"{"logprobs":true,"top_logprobs":3}"#).logprobs, Some(3));
        assert_eq!(request(r#"{"top_logprobs":3}"#).logprobs, None);
        assert_eq!(request(r#"{"options":{"top_k":3}}"#).top_k, Some(3));
    }

    #[test]
    fn a_model_has_one_version() {
        let name = |json: &str| model(&mut fields(json)).map_err(|error| error.to_string());
        assert_eq!(name(r#"{"model":"a:latest"}"#).as_deref(), Ok("a"));
        assert_eq!(name(r#"{"model":"a:7b"}"#).as_deref(), Ok("a:7b"));
        assert_eq!(name(r#"{"name":"a"}"#).as_deref(), Ok("a"));
        assert_eq!(name("{}").unwrap_err(), "`model` is missing");
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        says(parsed(r#"{"think":true}"#), "\"m\" does not support thinking");
        says(parsed(r#"{"think":"high"}"#), "does not support thinking");
        says(parsed(r#"{"think":1}"#), "`think` must be a boolean or a string");
        says(parsed(r#"{"format":"xml"}"#), "`format`: \"xml\" is none");
        says(parsed(r#"{"format":[]}"#), "`format` must be \"json\" or a JSON schema");
        says(parsed(r#"{"logprobs":true,"top_logprobs":21}"#), "`top_logprobs`: it must be from 0 to 20");
        says(parsed(r#"{"stream":"no"}"#), "`stream` must be a boolean");
        says(parsed(r#"{"keep_alive":"soon"}"#), "`keep_alive`");
    }
}
