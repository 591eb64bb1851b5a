//! `/v1/chat/completions`

use inferno_sdk::http::Response;
use inferno_sdk::inference::{self, Message, Request, Role};
use serde_json::Value;

use crate::Origin;
use crate::answer;
use crate::error::ApiError;
use crate::fields::{Fields, describe};
use crate::sampling::{self, Delivery};
use crate::stream::{self, Chunks, Form};

/// The field that the host's refusals are about.
const PARAM: &str = "messages";

pub(crate) async fn answer(mut fields: Fields, origin: Origin) -> Result<Response, ApiError> {
    let (request, delivery) = parse(&mut fields)?;
    match delivery {
        Delivery::Whole => {
            let completion = inference::complete(&request).map_err(|error| ApiError::host(error, PARAM))?;
            answer::chat(&origin, &request.model, &completion)
        }
        Delivery::Streamed { usage } => {
            let generation =
                inference::generate(&request).await.map_err(|error| ApiError::host(error, PARAM))?;
            let chunks = Chunks::new(Form::Chat, &origin, &request.model, usage);
            Ok(stream::respond(stream::events(0, generation), chunks))
        }
    }
}

fn parse(fields: &mut Fields) -> Result<(Request, Delivery), ApiError> {
    refuse_unsupported(fields)?;
    let delivery = sampling::delivery(fields)?;
    let messages = messages(fields)?;
    let mut request = Request::chat(crate::model(fields)?, messages);
    request.max_tokens = max_tokens(fields)?;
    sampling::apply(fields, &mut request)?;
    Ok((request, delivery))
}

/// What would change the answer if it were obeyed. Values that ask for nothing pass.
fn refuse_unsupported(fields: &mut Fields) -> Result<(), ApiError> {
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let unused = |value: &Value| matches!(value.as_str(), Some("none" | "auto"));
    fields.refuse("tools", "Leave it out or empty.", empty)?;
    fields.refuse("tool_choice", "Only \"none\" and \"auto\" are.", unused)?;
    fields.refuse("functions", "Leave it out or empty.", empty)?;
    fields.refuse("function_call", "Only \"none\" and \"auto\" are.", unused)?;
    fields.refuse("response_format", "Only {\"type\": \"text\"} is.", |value| value["type"] == "text")?;
    fields.refuse("logprobs", "Only false is.", |value| *value == Value::Bool(false))?;
    fields.refuse("top_logprobs", "Only 0 is.", |value| *value == 0)?;
    fields.refuse("modalities", "Only [\"text\"] is.", |value| *value == serde_json::json!(["text"]))?;
    fields.refuse("audio", "Leave it out.", |_| false)?;
    fields.refuse("web_search_options", "Leave it out.", |_| false)
}

fn max_tokens(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let old = sampling::max_tokens(fields, "max_tokens")?;
    let new = sampling::max_tokens(fields, "max_completion_tokens")?;
    if let (Some(old), Some(new)) = (old, new)
        && old != new
    {
        let why = format!("it is {old}, but 'max_completion_tokens' is {new}. They mean the same; give one.");
        return Err(ApiError::value("max_tokens", why));
    }
    Ok(new.or(old))
}

fn messages(fields: &mut Fields) -> Result<Vec<Message>, ApiError> {
    let items = fields.array(PARAM)?.ok_or_else(|| ApiError::missing(PARAM))?;
    if items.is_empty() {
        return Err(ApiError::value(PARAM, "expected at least one message, but got an empty array instead."));
    }
    items.into_iter().enumerate().map(|(n, item)| message(item, &format!("{PARAM}[{n}]"))).collect()
}

fn message(item: Value, path: &str) -> Result<Message, ApiError> {
    let mut fields = Fields::of(item, path)?;
    let role_param = fields.param("role");
    let role = match fields.string("role")?.as_deref() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => {
            return Err(ApiError::unsupported(
                &role_param,
                "Results of tools cannot be given while tools are not.",
            ));
        }
        Some(other) => {
            let why = format!(
                "'{other}' is no role. Supported values are: 'system', 'developer', 'user' and 'assistant'."
            );
            return Err(ApiError::value(&role_param, why));
        }
        None => return Err(ApiError::missing(&role_param)),
    };
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    fields.refuse("tool_calls", "Leave it out or empty.", empty)?;
    fields.refuse("function_call", "Leave it out.", |_| false)?;
    fields.refuse("audio", "Leave it out.", |_| false)?;
    let param = fields.param("content");
    let content = match fields.take("content") {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => join(parts, &param)?,
        Some(other) => {
            return Err(ApiError::wrong_type(&param, "a string or an array of parts", describe(&other)));
        }
        None => return Err(ApiError::missing(&param)),
    };
    Ok(Message::new(role, content))
}

/// The text of content that comes in parts, each on lines of its own.
fn join(parts: Vec<Value>, param: &str) -> Result<String, ApiError> {
    if parts.is_empty() {
        return Err(ApiError::value(param, "expected at least one part, but got an empty array instead."));
    }
    let mut joined = String::new();
    for (n, part) in parts.into_iter().enumerate() {
        let path = format!("{param}[{n}]");
        let mut part = Fields::of(part, &path)?;
        let kind = part.string("type")?.ok_or_else(|| ApiError::missing(&part.param("type")))?;
        if kind != "text" {
            let why = format!("'{kind}' parts cannot be given, since the models here take text only.");
            return Err(ApiError::value(&part.param("type"), why));
        }
        let text = part.string("text")?.ok_or_else(|| ApiError::missing(&part.param("text")))?;
        if n > 0 {
            joined.push('\n');
        }
        joined.push_str(&text);
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    fn parsed(json: &str) -> Result<(Request, Delivery), ApiError> {
        parse(&mut fields(json))
    }

    /// A chat with these messages.
    fn said(messages: &str) -> Result<Vec<Message>, ApiError> {
        super::messages(&mut fields(&format!(r#"{{"messages":{messages}}}"#)))
    }

    /// A chat with these fields more.
    fn with(more: &str) -> Result<(Request, Delivery), ApiError> {
        parsed(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{more}}}"#))
    }

    #[test]
    fn a_chat_arrives_whole() {
        let (request, delivery) = parsed(
            r#"{"model":"org/m","stream":true,"max_completion_tokens":9,"temperature":0,"messages":[
                {"role":"developer","content":"Be brief."},
                {"role":"user","content":[{"type":"text","text":"One."},{"type":"text","text":"Two."}],"name":"ann"},
                {"role":"assistant","content":"","tool_calls":[],"refusal":null},
                {"role":"system","content":"ä\u0000"}]}"#,
        )
        .unwrap();
        let mut expected = Request::chat(
            "org/m",
            vec![
                Message::system("Be brief."),
                Message::user("One.\nTwo."),
                Message::assistant(""),
                Message::system("ä\0"),
            ],
        );
        expected.max_tokens = Some(9);
        expected.temperature = Some(0.0);
        assert_eq!((request, delivery), (expected, Delivery::Streamed { usage: false }));
    }

    #[test]
    fn messages_that_cannot_be_name_their_place() {
        let check = |messages: &str, param: &str, code, says| refused(said(messages), 400, param, code, says);
        refused(parsed(r#"{"model":"m"}"#), 400, "messages", "missing_required_parameter", "messages");
        check("[]", "messages", "invalid_value", "at least one message");
        check("\"hi\"", "messages", "invalid_type", "an array");
        check("[\"hi\"]", "messages[0]", "invalid_type", "an object");
        check(r#"[{"content":"a"}]"#, "messages[0].role", "missing_required_parameter", "role");
        check(r#"[{"role":"pirate","content":"a"}]"#, "messages[0].role", "invalid_value", "'pirate'");
        check(r#"[{"role":7,"content":"a"}]"#, "messages[0].role", "invalid_type", "a number");
        check(r#"[{"role":"tool","content":"a"}]"#, "messages[0].role", "unsupported_parameter", "tools");
        let user = |content: &str| {
            format!(r#"[{{"role":"user","content":"ok"}},{{"role":"user","content":{content}}}]"#)
        };
        check(&user("null"), "messages[1].content", "missing_required_parameter", "content");
        check(&user("1"), "messages[1].content", "invalid_type", "a number");
        check(&user("[]"), "messages[1].content", "invalid_value", "at least one part");
        check(&user("[\"a\"]"), "messages[1].content[0]", "invalid_type", "an object");
        check(
            &user(r#"[{"text":"a"}]"#),
            "messages[1].content[0].type",
            "missing_required_parameter",
            "type",
        );
        check(
            &user(r#"[{"type":"text"}]"#),
            "messages[1].content[0].text",
            "missing_required_parameter",
            "text",
        );
        let image = user(r#"[{"type":"image_url","image_url":{"url":"data:"}}]"#);
        check(&image, "messages[1].content[0].type", "invalid_value", "text only");
        let called = r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]"#;
        check(called, "messages[0].tool_calls", "unsupported_parameter", "not supported yet");
    }

    #[test]
    fn what_is_not_obeyed_is_refused() {
        let check =
            |more, param| refused(with(more), 400, param, "unsupported_parameter", "not supported yet");
        check(r#""tools":[{"type":"function"}]"#, "tools");
        check(r#""tool_choice":"required""#, "tool_choice");
        check(r#""functions":[{}]"#, "functions");
        check(r#""response_format":{"type":"json_object"}"#, "response_format");
        check(r#""response_format":{"type":"json_schema","json_schema":{}}"#, "response_format");
        check(r#""logprobs":true"#, "logprobs");
        check(r#""top_logprobs":3"#, "top_logprobs");
        check(r#""modalities":["text","audio"]"#, "modalities");
        check(r#""audio":{"voice":"a"}"#, "audio");
        check(r#""n":3"#, "n");
    }

    #[test]
    fn what_asks_for_nothing_passes() {
        let plain = with(r#""stream":false"#).unwrap();
        let same = |more| assert_eq!(with(more).unwrap(), plain);
        same(r#""tools":[],"tool_choice":"none","functions":null,"function_call":"auto","n":1"#);
        same(r#""response_format":{"type":"text"},"logprobs":false,"top_logprobs":0,"modalities":["text"]"#);
        same(
            r#""user":"u","metadata":{"a":"b"},"store":false,"service_tier":"auto","parallel_tool_calls":true"#,
        );
        same(r#""prediction":null,"reasoning_effort":"low","something_new":[1]"#);
    }

    #[test]
    fn both_names_of_the_token_count_must_agree() {
        let count = |more| with(more).map(|(request, _)| request.max_tokens);
        assert_eq!(count(r#""max_tokens":3"#).unwrap(), Some(3));
        assert_eq!(count(r#""max_tokens":3,"max_completion_tokens":3"#).unwrap(), Some(3));
        let result = count(r#""max_tokens":3,"max_completion_tokens":4"#);
        refused(result, 400, "max_tokens", "invalid_value", "They mean the same");
    }

    #[test]
    fn a_model_is_a_string() {
        let result = parsed(r#"{"model":5,"messages":[{"role":"user","content":"hi"}]}"#);
        refused(result, 400, "model", "invalid_type", "a string");
    }
}
