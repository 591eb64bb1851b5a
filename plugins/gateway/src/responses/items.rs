//! The items of a conversation.

use inferno_sdk::inference::{Message, Role, ToolCall};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::fields::Fields;
use crate::parts;
use crate::schema::{Field, Kind, Object, Tagged, may, must};

/// What a request may have in its input, and what a stored response was the answer to.
pub(crate) static ITEM: Tagged = Tagged {
    tag: "type",
    cases: &[&MESSAGE, &CALL, &OUTPUT],
    default: Some("message"),
    refused: &[
        ("reasoning", "the models here do not take reasoning back; leave the item out."),
        ("item_reference", "give the item itself, or 'previous_response_id'."),
    ],
};

const ID: Field = may("id", Kind::Text, "");
const STATUS: Field = may("status", Kind::Text, "");
const PARTS: Kind = Kind::OneOf(&[Kind::Text, Kind::List(&Kind::Tagged(&PART), 1, 1024)]);

static MESSAGE: Object = Object {
    name: "InputMessage",
    fields: &[&[
        may("type", Kind::Word(&["message"]), ""),
        must("role", Kind::Word(&["user", "assistant", "system", "developer"]), ""),
        must(
            "content",
            PARTS,
            "What is said; several texts are put on lines of their own, images where they stand.",
        ),
        ID,
        STATUS,
    ]],
};

/// A call of a tool; also in what is answered.
pub(super) static CALL: Object = Object {
    name: "FunctionCallItem",
    fields: &[&[
        must("type", Kind::Word(&["function_call"]), ""),
        must("call_id", Kind::Filled, "What the result is matched with."),
        must("name", Kind::Text, "The tool."),
        must("arguments", Kind::Text, "A JSON object as text."),
        ID,
        STATUS,
    ]],
};

static OUTPUT: Object = Object {
    name: "FunctionCallOutputItem",
    fields: &[&[
        must("type", Kind::Word(&["function_call_output"]), ""),
        must("call_id", Kind::Filled, "The call that this is the result of."),
        must("output", PARTS, "The result."),
        ID,
        STATUS,
    ]],
};

static PART: Tagged = Tagged {
    tag: "type",
    cases: &[&INPUT_TEXT, &INPUT_IMAGE, &OUTPUT_TEXT, &REFUSAL],
    default: None,
    refused: &[
        ("input_audio", "the model has no hearing: it takes text only."),
        ("input_file", "files cannot be given; put their text into the message."),
    ],
};

static INPUT_TEXT: Object = Object {
    name: "InputText",
    fields: &[&[must("type", Kind::Word(&["input_text"]), ""), must("text", Kind::Text, "")]],
};

static INPUT_IMAGE: Object = Object {
    name: "InputImage",
    fields: &[&[
        must("type", Kind::Word(&["input_image"]), ""),
        must("image_url", Kind::Filled, parts::URL),
        parts::DETAIL,
        may("file_id", Kind::Only(&[], "Give the image as 'image_url'."), ""),
    ]],
};

/// What the model said; also in what is answered.
pub(super) static OUTPUT_TEXT: Object = Object {
    name: "OutputText",
    fields: &[&[
        must("type", Kind::Word(&["output_text"]), ""),
        must("text", Kind::Text, ""),
        may("annotations", Kind::List(&Kind::Any, 0, usize::MAX), ""),
        may("logprobs", Kind::List(&Kind::Any, 0, usize::MAX), ""),
    ]],
};

static REFUSAL: Object = Object {
    name: "Refused",
    fields: &[&[must("type", Kind::Word(&["refusal"]), ""), must("refusal", Kind::Text, "")]],
};

/// The items of an input that was checked, in the form in which they are stored; `response` is whose they are.
pub(super) fn normal(input: Option<Value>, response: &str) -> Vec<Value> {
    let items = match input {
        Some(Value::Array(items)) => items,
        Some(text) => vec![json!({"role": "user", "content": text})],
        None => Vec::new(),
    };
    let named = items.into_iter().enumerate().map(|(index, mut item)| {
        if item["type"].is_null() {
            item["type"] = "message".into();
        }
        if item["id"].is_null() {
            let kind = if item["type"] == "message" { "msg" } else { "fc" };
            item["id"] = format!("{kind}_{}_in{index}", response.trim_start_matches("resp_")).into();
        }
        if item["type"] == "message"
            && let Some(text) = item["content"].as_str()
        {
            let kind = if item["role"] == "assistant" { "output_text" } else { "input_text" };
            item["content"] = json!([{"type": kind, "text": text}]);
        }
        item["status"] = "completed".into();
        item
    });
    named.collect()
}

/// Appends what items say to a chat; `param` is where they are in the request.
pub(super) fn add(messages: &mut Vec<Message>, items: Vec<Value>, param: &str) -> Result<(), ApiError> {
    for (index, item) in items.into_iter().enumerate() {
        let mut item = Fields::of(item);
        match item.text("type").as_deref() {
            Some("function_call") => {
                let call = ToolCall {
                    id: item.text("call_id").unwrap_or_default(),
                    name: item.text("name").unwrap_or_default(),
                    arguments: item.text("arguments").unwrap_or_default(),
                };
                // What the model said and called in one answer is one message.
                match messages.last_mut().filter(|message| message.role == Role::Assistant) {
                    Some(message) => message.tool_calls.push(call),
                    None => messages.push(Message { tool_calls: vec![call], ..Message::assistant("") }),
                }
            }
            Some("function_call_output") => {
                let call = item.text("call_id").unwrap_or_default();
                let mut message = Message::tool(call, "");
                let output = item.take("output").unwrap_or_default();
                parts::fill(&mut message, output, &format!("{param}[{index}].output"))?;
                messages.push(message);
            }
            _ => {
                let role = match item.text("role").as_deref() {
                    Some("assistant") => Role::Assistant,
                    Some("user") => Role::User,
                    _ => Role::System,
                };
                let path = format!("{param}[{index}].content");
                let mut message = Message::new(role, "");
                parts::fill(&mut message, item.take("content").unwrap_or_default(), &path)?;
                if role == Role::Assistant && !message.images.is_empty() {
                    return Err(ApiError::value(&path, "the assistant says no images."));
                }
                messages.push(message);
            }
        }
    }
    Ok(())
}
