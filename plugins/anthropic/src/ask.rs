//! What a client asks for.

use inferno_sdk::inference::{Format, Request};
use inferno_sdk::json::{FieldError, Fields};
use serde_json::Value;

use crate::error::ApiError;
use crate::{messages, tools};

/// A message to write.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) request: Request,
    /// At most one tool may be called.
    pub(crate) one_call: bool,
    pub(crate) stream: bool,
}

/// Reads a request for `/v1/messages`.
pub(crate) fn parse(body: &mut Fields) -> Result<Ask, ApiError> {
    let max_tokens = body.integer("max_tokens", 1, u32::MAX.into())?;
    let max_tokens = max_tokens.ok_or_else(|| body.missing("max_tokens"))?;
    let stream = body.boolean("stream")?.unwrap_or(false);
    let stop = stops(body)?;
    let (mut request, one_call) = prompt(body)?;
    request.stop = stop;
    request.max_tokens = u32::try_from(max_tokens).ok();
    request.temperature = body.number("temperature", 0.0, 1.0)?;
    request.top_k = body.integer("top_k", 0, i32::MAX.into())?.and_then(|k| u32::try_from(k).ok());
    // 0 is a usual way to say "only the likeliest token"; the host's range begins just above.
    request.top_p = body.number("top_p", 0.0, 1.0)?.map(|p| p.max(f32::MIN_POSITIVE));
    Ok(Ask { request, one_call, stream })
}

/// Reads a request for `/v1/messages/count_tokens`.
pub(crate) fn to_count(body: &mut Fields) -> Result<Request, ApiError> {
    Ok(prompt(body)?.0)
}

/// What the prompt is made of, and whether at most one tool may be called.
fn prompt(body: &mut Fields) -> Result<(Request, bool), ApiError> {
    refuse_unsupported(body)?;
    let model = body.string("model")?.ok_or_else(|| body.missing("model"))?;
    let mut request = Request::chat(model, messages::parse(body)?);
    let one_call = tools::parse(body, &mut request)?;
    request.format = format(body)?;
    Ok((request, one_call))
}

/// What would change the answer if it were obeyed. Values that ask for nothing pass.
fn refuse_unsupported(body: &mut Fields) -> Result<(), ApiError> {
    let off = |value: &Value| value["type"] == "disabled";
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    refuse(body, "thinking", "The models here do not think apart.", off)?;
    refuse(body, "mcp_servers", "Leave it out.", empty)?;
    refuse(body, "container", "Leave it out.", |_| false)?;
    refuse(body, "context_management", "Leave it out; nothing is ever cut silently.", |_| false)?;
    refuse(body, "prefill", "Leave it out.", |_| false)
}

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

fn stops(body: &mut Fields) -> Result<Vec<String>, FieldError> {
    let stops = body.strings("stop_sequences")?.unwrap_or_default();
    if stops.iter().any(|stop| stop.trim().is_empty()) {
        return Err(FieldError::value("stop_sequences", "each must have more than white space"));
    }
    Ok(stops)
}

/// `output_config`, and the older name of what stands in it.
fn format(body: &mut Fields) -> Result<Option<Format>, ApiError> {
    let mut format = body.object("output_format")?;
    if let Some(mut config) = body.object("output_config")? {
        refuse(&mut config, "effort", "The models here have one.", |_| false)?;
        format = config.object("format")?.or(format);
    }
    let Some(mut format) = format else { return Ok(None) };
    match format.string("type")?.as_deref() {
        Some("json_schema") => {}
        Some(other) => {
            let why = format!("{other:?} is none. There is \"json_schema\".");
            return Err(FieldError::value(format.path("type"), why).into());
        }
        None => return Err(format.missing("type").into()),
    }
    let schema = format.take("schema").ok_or_else(|| format.missing("schema"))?;
    Ok(Some(Format::Json(Some(schema.to_string()))))
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::{Message, ToolChoice};

    use super::*;
    use crate::testing::{fields, says};

    const MINIMAL: &str = r#""model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}]"#;

    fn parsed(more: &str) -> Result<Ask, ApiError> {
        parse(&mut fields(&format!("{{{MINIMAL}{more}}}")))
    }

    fn expected() -> Request {
        let mut request = Request::chat("m", vec![Message::user("a")]);
        request.max_tokens = Some(5);
        request
    }

    #[test]
    fn little_is_needed() {
        let ask = Ask { request: expected(), one_call: false, stream: false };
        assert_eq!(parsed("").unwrap(), ask);
        let harmless = r#","thinking":{"type":"disabled"},"metadata":{"user_id":"u"},"service_tier":"auto","mcp_servers":[],
            "stop_sequences":[],"tools":[],"tool_choice":{"type":"none"},"cache_control":{"type":"ephemeral"}"#;
        let mut ask = ask;
        ask.request.tool_choice = ToolChoice::None;
        assert_eq!(parsed(harmless).unwrap(), ask);
    }

    #[test]
    fn every_field_arrives() {
        let ask = parsed(
            r#","stream":true,"temperature":0.5,"top_k":7,"top_p":0,"stop_sequences":["x","\n\ny"],
                "output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#,
        )
        .unwrap();
        let mut request = expected();
        request.temperature = Some(0.5);
        request.top_k = Some(7);
        request.top_p = Some(f32::MIN_POSITIVE);
        request.format = Some(Format::Json(Some(r#"{"type":"object"}"#.to_owned())));
        request.stop = vec!["x".to_owned(), "\n\ny".to_owned()];
        assert_eq!(ask, Ask { request, one_call: false, stream: true });
    }

    #[test]
    fn a_count_needs_no_length() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#;
        assert_eq!(to_count(&mut fields(body)).unwrap(), Request::chat("m", vec![Message::user("a")]));
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |more: &str, text: &str| says(parsed(more), text);
        check(r#","thinking":{"type":"enabled","budget_tokens":1024}"#, "thinking: not supported here");
        check(r#","temperature":1.5"#, "`temperature`: it must be from 0 to 1, but is 1.5");
        check(r#","top_k":"x""#, "`top_k` must be a whole number");
        check(r#","stop_sequences":[" "]"#, "`stop_sequences`: each must have more");
        check(r#","stream":1"#, "`stream` must be a boolean");
        check(r#","container":"c""#, "container: not supported");
        check(r#","context_management":{}"#, "context_management: not supported");
        check(r#","output_config":{"effort":"max"}"#, "output_config.effort: not supported");
        check(r#","output_format":{"type":"xml"}"#, "`output_format.type`: \"xml\" is none");
        check(r#","output_format":{"type":"json_schema"}"#, "`output_format.schema` is missing");
        let bare = |json: &str, text: &str| says(parse(&mut fields(json)), text);
        bare(r#"{"messages":[]}"#, "`max_tokens` is missing");
        bare(r#"{"max_tokens":0}"#, "`max_tokens`: it must be from 1");
        bare(r#"{"max_tokens":1,"messages":[]}"#, "`model` is missing");
        bare(r#"{"max_tokens":1,"model":"m"}"#, "`messages` is missing");
    }
}
