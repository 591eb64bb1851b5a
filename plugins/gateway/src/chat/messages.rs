//! The messages of a chat.

use inferno_sdk::inference::{Message, ToolCall};
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::parts;
use crate::schema::{Field, Kind, Object, Tagged, may, must};

/// One message.
pub(crate) static MESSAGE: Tagged =
    Tagged { tag: "role", cases: &[&INSTRUCTION, &ASSISTANT, &TOOL, &FUNCTION], default: None, refused: &[] };

const SAID: Kind = Kind::OneOf(&[Kind::Text, PARTS]);
const PARTS: Kind = Kind::List(&Kind::Tagged(&PART), 1, 1024);
const NAME: Field = may("name", Kind::Text, "Who of several speaks; without effect.");

static INSTRUCTION: Object = Object {
    name: "ChatMessage",
    fields: &[&[
        must("role", Kind::Word(&["system", "developer", "user"]), "`developer` is the same as `system`."),
        must(
            "content",
            SAID,
            "What is said; several texts are put on lines of their own, images where they stand.",
        ),
        NAME,
    ]],
};

static ASSISTANT: Object = Object {
    name: "AssistantMessage",
    fields: &[&[
        must("role", Kind::Word(&["assistant"]), ""),
        may("content", SAID, "What the model said; may be absent where it called tools."),
        NAME,
        may("refusal", Kind::Text, "What it said instead of an answer."),
        may("tool_calls", Kind::List(&Kind::Object(&CALL), 0, 128), "The tools that it called."),
        may("function_call", Kind::Object(&CALLED), "Deprecated: `tool_calls`."),
        may("audio", Kind::Only(&[], "Leave it out."), ""),
    ]],
};

static TOOL: Object = Object {
    name: "ToolMessage",
    fields: &[&[
        must("role", Kind::Word(&["tool"]), ""),
        must("content", SAID, "The result."),
        must("tool_call_id", Kind::Filled, "The call that this is the result of."),
    ]],
};

static FUNCTION: Object = Object {
    name: "FunctionMessage",
    fields: &[&[
        must("role", Kind::Word(&["function"]), "Deprecated: `tool`."),
        must("content", SAID, "The result."),
        must("name", Kind::Identifier, "The function that was called last."),
    ]],
};

/// A call that the model made.
pub(crate) static CALL: Object = Object {
    name: "ChatToolCall",
    fields: &[&[
        must("id", Kind::Filled, "What the result is matched with."),
        must("type", Kind::Word(&["function"]), ""),
        must("function", Kind::Object(&CALLED), ""),
    ]],
};

/// What was called, and with what.
pub(crate) static CALLED: Object = Object {
    name: "CalledFunction",
    fields: &[&[
        must("name", Kind::Text, "The tool."),
        must("arguments", Kind::Text, "A JSON object as text."),
    ]],
};

static PART: Tagged = Tagged {
    tag: "type",
    cases: &[&TEXT_PART, &IMAGE_PART, &REFUSAL_PART],
    default: None,
    refused: &[
        ("input_audio", "the model has no hearing: it takes text only."),
        ("file", "files cannot be given; put their text into the message."),
    ],
};

static TEXT_PART: Object = Object {
    name: "TextPart",
    fields: &[&[must("type", Kind::Word(&["text"]), ""), must("text", Kind::Text, "")]],
};

static IMAGE_PART: Object = Object {
    name: "ImagePart",
    fields: &[&[
        must("type", Kind::Word(&["image_url"]), "Only in messages of the user."),
        must("image_url", Kind::Object(&IMAGE_URL), ""),
    ]],
};

static IMAGE_URL: Object =
    Object { name: "ImageUrl", fields: &[&[must("url", Kind::Filled, parts::URL), parts::DETAIL]] };

static REFUSAL_PART: Object = Object {
    name: "RefusalPart",
    fields: &[&[must("type", Kind::Word(&["refusal"]), ""), must("refusal", Kind::Text, "")]],
};

/// Messages that were checked.
pub(super) fn messages(items: Vec<Value>) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let next = message(Fields::of(item), index, &messages)?;
        messages.push(next);
    }
    Ok(messages)
}

fn message(mut fields: Fields, index: usize, before: &[Message]) -> Result<Message, ApiError> {
    let role = fields.text("role");
    let path = format!("messages[{index}].content");
    let content = fields.take("content");
    let mut said = Message::user("");
    let silent = content.is_none();
    parts::fill(&mut said, content.unwrap_or_default(), &path)?;
    if !said.images.is_empty() && role.as_deref() != Some("user") {
        return Err(ApiError::value(&path, "images can only be in messages of the user."));
    }
    Ok(match role.as_deref() {
        Some("assistant") => return assistant(fields, (!silent).then_some(said.content), index),
        Some("tool") => {
            let call = fields.text("tool_call_id").unwrap_or_default();
            Message::tool(call, said.content)
        }
        Some("function") => {
            let name = fields.text("name").unwrap_or_default();
            let calls = before.iter().rev().flat_map(|message| &message.tool_calls);
            let call = calls.into_iter().find(|call| call.name == name).ok_or_else(|| {
                let why = format_args!("no message before it calls '{name}'.");
                ApiError::value(&format!("messages[{index}].name"), why)
            })?;
            Message::tool(call.id.clone(), said.content)
        }
        Some("user") => said,
        _ => Message::system(said.content),
    })
}

fn assistant(mut fields: Fields, content: Option<String>, index: usize) -> Result<Message, ApiError> {
    let mut calls: Vec<ToolCall> =
        fields.list("tool_calls").unwrap_or_default().into_iter().map(call).collect();
    if let Some(called) = fields.object("function_call") {
        calls.push(function(format!("call_{index}"), called));
    }
    let content = content.or_else(|| fields.text("refusal"));
    if content.is_none() && calls.is_empty() {
        return Err(ApiError::missing(&format!("messages[{index}].content")));
    }
    Ok(Message { tool_calls: calls, ..Message::assistant(content.unwrap_or_default()) })
}

fn call(value: Value) -> ToolCall {
    let mut fields = Fields::of(value);
    let id = fields.text("id").unwrap_or_default();
    function(id, fields.object("function").unwrap_or_default())
}

fn function(id: String, mut called: Fields) -> ToolCall {
    ToolCall {
        id,
        name: called.text("name").unwrap_or_default(),
        arguments: called.text("arguments").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::Image;

    use super::*;
    use crate::testing::{fields, refused};

    static CHAT: Object = Object {
        name: "Chat",
        fields: &[&[must("messages", Kind::List(&Kind::Tagged(&MESSAGE), 1, 99), "")]],
    };

    /// A chat with these messages.
    fn parsed(messages: &str) -> Result<Vec<Message>, ApiError> {
        let mut fields = fields(&format!(r#"{{"messages":{messages}}}"#), &CHAT)?;
        super::messages(fields.list("messages").unwrap())
    }

    #[test]
    fn every_role_arrives() {
        let seen = parsed(
            r#"[{"role":"developer","content":"Be brief."},
                {"role":"user","content":[{"type":"text","text":"One."},{"type":"text","text":"Two."}],"name":"ann"},
                {"role":"assistant","content":null,"refusal":null,
                 "tool_calls":[{"id":"c1","type":"function","function":{"name":"now","arguments":"{}"}}]},
                {"role":"tool","tool_call_id":"c1","content":"noon"},
                {"role":"assistant","content":"ä\u0000","tool_calls":[]}]"#,
        )
        .unwrap();
        let call = ToolCall { id: "c1".into(), name: "now".into(), arguments: "{}".into() };
        let expected = [
            Message::system("Be brief."),
            Message::user("One.\nTwo."),
            Message { tool_calls: vec![call], ..Message::assistant("") },
            Message::tool("c1", "noon"),
            Message::assistant("ä\0"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn images_stand_between_texts() {
        let seen = parsed(
            r#"[{"role":"user","content":[{"type":"text","text":"One"},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}},
                {"type":"image_url","image_url":{"url":"data:;base64,aG8="}},
                {"type":"text","text":"two."},{"type":"text","text":"Three."}]}]"#,
        )
        .unwrap();
        let image = |at, data: &[u8]| Image { at, data: data.to_vec() };
        assert_eq!(seen[0].content, "Onetwo.\nThree.");
        assert_eq!(seen[0].images, [image(3, b"hi"), image(3, b"ho")]);
    }

    #[test]
    fn the_deprecated_form_of_calls_is_understood() {
        let seen = parsed(
            r#"[{"role":"user","content":"?"},{"role":"assistant","function_call":{"name":"now","arguments":"{}"}},
                {"role":"function","name":"now","content":"noon"}]"#,
        )
        .unwrap();
        assert_eq!(seen[1].tool_calls[0].id, "call_1");
        assert_eq!(seen[2], Message::tool("call_1", "noon"));
        let lost = parsed(r#"[{"role":"function","name":"now","content":"noon"}]"#);
        refused(lost, 400, "messages[0].name", "invalid_value", "calls 'now'");
    }

    #[test]
    fn messages_that_cannot_be_name_their_place() {
        let check =
            |messages: &str, param: &str, code, says| refused(parsed(messages), 400, param, code, says);
        check("[]", "messages", "invalid_value", "at least one");
        check("\"hi\"", "messages", "invalid_type", "an array");
        check("[\"hi\"]", "messages[0]", "invalid_type", "an object");
        check(r#"[{"content":"a"}]"#, "messages[0].role", "missing_required_parameter", "role");
        check(r#"[{"role":"pirate","content":"a"}]"#, "messages[0].role", "invalid_value", "'pirate'");
        check(r#"[{"role":7,"content":"a"}]"#, "messages[0].role", "invalid_type", "a number");
        let bare = r#"[{"role":"tool","content":"a"}]"#;
        check(bare, "messages[0].tool_call_id", "missing_required_parameter", "tool_call_id");
        check(r#"[{"role":"assistant"}]"#, "messages[0].content", "missing_required_parameter", "content");
        let user = |content: &str| {
            format!(r#"[{{"role":"user","content":"ok"}},{{"role":"user","content":{content}}}]"#)
        };
        check(&user("null"), "messages[1].content", "missing_required_parameter", "content");
        check(&user("1"), "messages[1].content", "invalid_type", "a number");
        check(&user("[]"), "messages[1].content", "invalid_value", "at least one item");
        check(&user("[\"a\"]"), "messages[1].content[0]", "invalid_type", "an object");
        let place = "messages[1].content[0].type";
        check(&user(r#"[{"text":"a"}]"#), place, "missing_required_parameter", "type");
        check(
            &user(r#"[{"type":"text"}]"#),
            "messages[1].content[0].text",
            "missing_required_parameter",
            "text",
        );
        let image = |url: &str| user(&format!(r#"[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]"#));
        let place = "messages[1].content[0].image_url.url";
        check(&image(""), place, "invalid_value", "must not be empty");
        check(&image("https://example.com/a.png"), place, "invalid_value", "fetches nothing");
        check(&image("data:image/png;base64,%"), place, "invalid_value", "no base64");
        let system = image("data:;base64,aGk=").replace("\"user\"", "\"system\"");
        check(&system, "messages[1].content", "invalid_value", "of the user");
        let detail = r#"[{"type":"image_url","image_url":{"url":"data:;base64,aGk=","detail":"some"}}]"#;
        let place = "messages[1].content[0].image_url.detail";
        check(&user(detail), place, "invalid_value", "'some'");
        let called = r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function"}]}]"#;
        check(called, "messages[0].tool_calls[0].function", "missing_required_parameter", "function");
    }
}
