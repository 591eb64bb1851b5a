//! The chunks of streamed answers.

use inferno_sdk::inference::ToolCallDelta;
use serde::Serialize;

use crate::answer::{COUNT, HEAD, INDEX, USAGE};
use crate::logprobs;
use crate::schema::{Field, Kind, Object, may, must};

/// A chunk of a chat.
pub(crate) static CHAT: Object = Object {
    name: "ChatChunk",
    fields: &[HEAD, &[must("choices", Kind::List(&Kind::Object(&CHAT_CHOICE), 0, 1), ""), COUNTED]],
};

/// A chunk of a completion.
pub(crate) static TEXT: Object = Object {
    name: "CompletionChunk",
    fields: &[HEAD, &[must("choices", Kind::List(&Kind::Object(&TEXT_CHOICE), 0, 1), ""), COUNTED]],
};

const COUNTED: Field = may("usage", Kind::Object(&USAGE), "In the last chunk, where it was asked for.");
const REASON: Field =
    must("finish_reason", Kind::OneOf(&[Kind::Text, Kind::Null]), "In the last chunk of an answer.");

static CHAT_CHOICE: Object = Object {
    name: "ChatChunkChoice",
    fields: &[&[
        INDEX,
        must("delta", Kind::Object(&DELTA), "What is new."),
        must("logprobs", Kind::OneOf(&[Kind::Object(&logprobs::CHAT), Kind::Null]), ""),
        REASON,
    ]],
};

static TEXT_CHOICE: Object = Object {
    name: "CompletionChunkChoice",
    fields: &[&[
        INDEX,
        must("text", Kind::Text, "What is new."),
        must("logprobs", Kind::OneOf(&[Kind::Object(&logprobs::LEGACY), Kind::Null]), ""),
        REASON,
    ]],
};

static DELTA: Object = Object {
    name: "ChatDelta",
    fields: &[&[
        may("role", Kind::Word(&["assistant"]), "In the first chunk of an answer."),
        may("content", Kind::Text, ""),
        may("refusal", Kind::Null, ""),
        may("tool_calls", Kind::List(&Kind::Object(&CALL), 1, 1), ""),
        may("function_call", Kind::Object(&FUNCTION), "Where `functions` were given."),
    ]],
};

static CALL: Object = Object {
    name: "ToolCallDelta",
    fields: &[&[
        must("index", COUNT, "Which call of the answer."),
        may("id", Kind::Text, "In the first chunk of a call."),
        may("type", Kind::Word(&["function"]), "In the first chunk of a call."),
        must("function", Kind::Object(&FUNCTION), ""),
    ]],
};

static FUNCTION: Object = Object {
    name: "FunctionDelta",
    fields: &[&[
        may("name", Kind::Text, "In the first chunk of a call."),
        must("arguments", Kind::Text, "More of the arguments."),
    ]],
};

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Delta<'a> {
    Calls { tool_calls: [Call<'a>; 1] },
    Deprecated { function_call: Function<'a> },
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// More of a call.
pub(super) fn delta(delta: &ToolCallDelta, deprecated: bool) -> Delta<'_> {
    let function = Function { name: delta.name.as_deref(), arguments: &delta.arguments };
    if deprecated {
        return Delta::Deprecated { function_call: function };
    }
    let (index, id) = (delta.index, delta.id.as_deref());
    Delta::Calls { tool_calls: [Call { index, id, r#type: id.map(|_| "function"), function }] }
}
