//! The response itself, as it is answered, streamed and stored.

use inferno_sdk::inference::{Choice, Completion, Finish, Request, Usage};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::items;
use crate::answer::COUNT;
use crate::error::ApiError;
use crate::logprobs::{Chosen, chosen};
use crate::schema::{Kind, Object, Tagged, may, must};
use crate::tools::Calls;

const OPTIONAL_TEXT: Kind = Kind::OneOf(&[Kind::Text, Kind::Null]);
const OPTIONAL_NUMBER: Kind = Kind::OneOf(&[Kind::Number(f32::MIN as f64, f32::MAX as f64), Kind::Null]);
const OUTPUT_ITEM: Kind = Kind::Tagged(&OUTPUT);

/// What is answered, and given back later.
pub(crate) static RESPONSE: Object = Object {
    name: "Response",
    fields: &[&[
        must("id", Kind::Text, ""),
        must("object", Kind::Word(&["response"]), ""),
        must("created_at", Kind::Integer(0, i64::MAX), "In seconds since 1970 (UTC)."),
        must("status", Kind::Word(&["in_progress", "completed", "incomplete", "failed"]), ""),
        must("model", Kind::Text, ""),
        must("output", Kind::List(&OUTPUT_ITEM, 0, usize::MAX), "What the model said and called, in order."),
        must("usage", Kind::OneOf(&[Kind::Object(&USAGE), Kind::Null]), "Absent while it is made."),
        must("error", Kind::OneOf(&[Kind::Object(&FAILURE), Kind::Null]), "Where it failed."),
        must("incomplete_details", Kind::OneOf(&[Kind::Object(&INCOMPLETE), Kind::Null]), ""),
        must("instructions", OPTIONAL_TEXT, ""),
        must("previous_response_id", OPTIONAL_TEXT, ""),
        must("store", Kind::Boolean, "Whether it is kept."),
        must("max_output_tokens", Kind::OneOf(&[COUNT, Kind::Null]), ""),
        must("temperature", OPTIONAL_NUMBER, "As it was asked for."),
        must("top_p", OPTIONAL_NUMBER, "As it was asked for."),
        must("top_logprobs", COUNT, ""),
        must("parallel_tool_calls", Kind::Boolean, ""),
        must("tools", Kind::List(&Kind::Any, 0, usize::MAX), ""),
        must("tool_choice", Kind::Any, ""),
        must("text", Kind::Map(&Kind::Any), ""),
        must("metadata", Kind::Map(&Kind::Any), ""),
        must("truncation", Kind::Word(&["disabled"]), ""),
        must("background", Kind::Boolean, ""),
    ]],
};

static OUTPUT: Tagged = Tagged { tag: "type", cases: &[&MESSAGE, &items::CALL], default: None, refused: &[] };

static MESSAGE: Object = Object {
    name: "OutputMessage",
    fields: &[&[
        must("type", Kind::Word(&["message"]), ""),
        must("id", Kind::Text, ""),
        must("status", Kind::Text, ""),
        must("role", Kind::Word(&["assistant"]), ""),
        must("content", Kind::List(&Kind::Object(&items::OUTPUT_TEXT), 0, usize::MAX), ""),
    ]],
};

static USAGE: Object = Object {
    name: "ResponseUsage",
    fields: &[&[
        must("input_tokens", COUNT, ""),
        must("input_tokens_details", Kind::Map(&COUNT), ""),
        must("output_tokens", COUNT, ""),
        must("output_tokens_details", Kind::Map(&COUNT), ""),
        must("total_tokens", COUNT, ""),
    ]],
};

static FAILURE: Object = Object {
    name: "ResponseFailure",
    fields: &[&[must("code", Kind::Text, ""), must("message", Kind::Text, "")]],
};

static INCOMPLETE: Object = Object {
    name: "IncompleteDetails",
    fields: &[&[must("reason", Kind::Text, "`max_output_tokens`: there was no room for more.")]],
};

/// An event of a streamed response.
pub(crate) static EVENT: Object = Object {
    name: "ResponseEvent",
    fields: &[&[
        must("type", Kind::Text, "What happened, such as `response.output_text.delta`."),
        must("sequence_number", COUNT, "From 0, without a gap."),
        may("response", Kind::Object(&RESPONSE), ""),
        may("output_index", COUNT, ""),
        may("content_index", COUNT, ""),
        may("item_id", Kind::Text, ""),
        may("item", OUTPUT_ITEM, ""),
        may("part", Kind::Object(&items::OUTPUT_TEXT), ""),
        may("delta", Kind::Text, "More of the text or of the arguments."),
        may("text", Kind::Text, "All of it."),
        may("name", Kind::Text, ""),
        may("arguments", Kind::Text, "All of them."),
        may("logprobs", Kind::List(&Kind::Any, 0, usize::MAX), ""),
    ]],
};

/// That a response is forgotten.
pub(crate) static DELETED: Object = Object {
    name: "DeletedResponse",
    fields: &[&[
        must("id", Kind::Text, ""),
        must("object", Kind::Word(&["response"]), ""),
        must("deleted", Kind::Boolean, ""),
    ]],
};

/// What a response was the answer to.
pub(crate) static ITEMS: Object = Object {
    name: "InputItems",
    fields: &[&[
        must("object", Kind::Word(&["list"]), ""),
        must("data", Kind::List(&Kind::Tagged(&items::ITEM), 0, usize::MAX), ""),
        must("first_id", OPTIONAL_TEXT, ""),
        must("last_id", OPTIONAL_TEXT, ""),
        must("has_more", Kind::Boolean, ""),
    ]],
};

/// What a response says about its request.
#[derive(Debug, Default)]
pub(super) struct Echo {
    pub(super) model: String,
    pub(super) instructions: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) store: bool,
    pub(super) tools: Option<Value>,
    pub(super) tool_choice: Option<Value>,
    pub(super) text: Option<Value>,
    pub(super) metadata: Option<Value>,
    max_output_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_logprobs: u32,
    pub(super) calls: Calls,
    /// Whether log-probabilities are told.
    pub(super) logprobs: bool,
}

impl Echo {
    /// Takes over what the request for the host says.
    pub(super) fn take(&mut self, request: &Request, top: Option<u32>, calls: Calls) {
        self.model.clone_from(&request.model);
        self.max_output_tokens = request.max_tokens;
        self.temperature = request.temperature;
        self.top_p = request.top_p;
        self.top_logprobs = top.unwrap_or(0);
        self.logprobs = request.logprobs.is_some();
        self.calls = calls;
    }
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) id: String,
    created: u64,
    pub(super) status: Status,
    pub(super) output: Vec<Item>,
    pub(super) usage: Option<Usage>,
    pub(super) echo: Echo,
}

/// How far a response is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// There was no room for more.
    Incomplete,
    Failed {
        code: String,
        message: String,
    },
}

/// What the model said or called.
#[derive(Debug)]
pub(super) enum Item {
    Said { id: String, done: bool, text: String, choices: Vec<Choice> },
    Called { id: String, done: bool, call: String, name: String, arguments: String },
}

impl Reply {
    pub(super) fn new(id: String, echo: Echo) -> Self {
        let created = crate::since_1970().as_secs();
        Self { id, created, status: Status::InProgress, output: Vec::new(), usage: None, echo }
    }

    /// The id of the next item.
    pub(super) fn item_id(&self, kind: &str) -> String {
        format!("{kind}_{}_{}", self.id.trim_start_matches("resp_"), self.output.len())
    }

    /// Takes over a whole answer.
    pub(super) fn complete(&mut self, completion: Completion) -> Result<(), ApiError> {
        let Completion { text, tool_calls, choices, finish, usage, .. } = completion;
        if !text.is_empty() || tool_calls.is_empty() {
            self.output.push(Item::Said { id: self.item_id("msg"), done: true, text, choices });
        }
        let most = if self.echo.calls.single { 1 } else { usize::MAX };
        for call in tool_calls.into_iter().take(most) {
            let (call, name, arguments) = (call.id, call.name, call.arguments);
            self.output.push(Item::Called { id: self.item_id("fc"), done: true, call, name, arguments });
        }
        self.end(&finish, usage)
    }

    /// How it ended.
    pub(super) fn end(&mut self, finish: &Finish, usage: Usage) -> Result<(), ApiError> {
        self.usage = Some(usage);
        self.status = match finish {
            Finish::Length => Status::Incomplete,
            Finish::Cancelled => return Err(ApiError::cancelled()),
            Finish::Stop | Finish::ToolCalls | Finish::Other(_) => Status::Completed,
        };
        Ok(())
    }
}

impl Status {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed { .. } => "failed",
        }
    }
}

#[derive(Serialize)]
struct Form<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    model: &'a str,
    output: &'a [Item],
    usage: Option<Value>,
    error: Option<Value>,
    incomplete_details: Option<Value>,
    instructions: Option<&'a str>,
    previous_response_id: Option<&'a str>,
    store: bool,
    max_output_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_logprobs: u32,
    parallel_tool_calls: bool,
    tools: Value,
    tool_choice: Value,
    text: Value,
    metadata: Value,
    truncation: &'static str,
    background: bool,
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, created, status, output, usage, echo } = self;
        let error = match status {
            Status::Failed { code, message } => Some(json!({"code": code, "message": message})),
            _ => None,
        };
        let incomplete = (*status == Status::Incomplete).then(|| json!({"reason": "max_output_tokens"}));
        let or = |value: &Option<Value>, default: Value| value.clone().unwrap_or(default);
        let form = Form {
            id,
            object: "response",
            created_at: *created,
            status: status.word(),
            model: &echo.model,
            output,
            usage: usage.map(counted),
            error,
            incomplete_details: incomplete,
            instructions: echo.instructions.as_deref(),
            previous_response_id: echo.previous.as_deref(),
            store: echo.store,
            max_output_tokens: echo.max_output_tokens,
            temperature: echo.temperature,
            top_p: echo.top_p,
            top_logprobs: echo.top_logprobs,
            parallel_tool_calls: !echo.calls.single,
            tools: or(&echo.tools, json!([])),
            tool_choice: or(&echo.tool_choice, json!("auto")),
            text: or(&echo.text, json!({"format": {"type": "text"}})),
            metadata: or(&echo.metadata, json!({})),
            truncation: "disabled",
            background: false,
        };
        form.serialize(serializer)
    }
}

fn counted(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens.saturating_add(usage.output_tokens),
    })
}

/// A part of a message.
#[derive(Serialize)]
pub(super) struct Part<'a> {
    r#type: &'static str,
    text: &'a str,
    annotations: [(); 0],
    logprobs: Vec<Chosen<'a>>,
}

impl<'a> Part<'a> {
    pub(super) fn new(text: &'a str, choices: &'a [Choice]) -> Self {
        Self { r#type: "output_text", text, annotations: [], logprobs: chosen(choices) }
    }
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum ItemForm<'a> {
    #[serde(rename = "message")]
    Said { id: &'a str, status: &'static str, role: &'static str, content: Vec<Part<'a>> },
    #[serde(rename = "function_call")]
    Called { id: &'a str, status: &'static str, call_id: &'a str, name: &'a str, arguments: &'a str },
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = |done: &bool| if *done { "completed" } else { "in_progress" };
        let form = match self {
            Self::Said { id, done, text, choices } => {
                // One that has just been begun has no parts yet.
                let content =
                    if *done || !text.is_empty() { vec![Part::new(text, choices)] } else { Vec::new() };
                ItemForm::Said { id, status: status(done), role: "assistant", content }
            }
            Self::Called { id, done, call, name, arguments } => {
                ItemForm::Called { id, status: status(done), call_id: call, name, arguments }
            }
        };
        form.serialize(serializer)
    }
}

/// A page of a list of items.
pub(super) fn page(mut items: Vec<Value>, limit: usize, descending: bool, after: Option<&str>) -> Value {
    if descending {
        items.reverse();
    }
    let seen = after.and_then(|id| items.iter().position(|item| item["id"] == id));
    items.drain(..seen.map_or(0, |index| index + 1));
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    json!({
        "object": "list", "first_id": id(items.first()), "last_id": id(items.last()), "has_more": has_more,
        "data": items,
    })
}
