//! Whole answers of chats and completions.

use inferno_sdk::http::Response;
use inferno_sdk::inference::{Completion, Finish, ToolCall, Usage};
use serde::Serialize;

use crate::Origin;
use crate::error::ApiError;
use crate::logprobs::{ChatForm, LegacyForm};
use crate::schema::{Field, Kind, Object, may, must};
use crate::tools::Calls;

/// What OpenAI's clients may compare to see whether the server changed.
pub(crate) const FINGERPRINT: &str = concat!("fp_inferno_", env!("CARGO_PKG_VERSION"));

/// What all answers and chunks have.
pub(crate) const HEAD: &[Field] = &[
    must("id", Kind::Text, "With the id of the request, which the server's log has too."),
    must("object", Kind::Text, ""),
    must("created", Kind::Integer(0, i64::MAX), "In seconds since 1970 (UTC)."),
    must("model", Kind::Text, ""),
    must("system_fingerprint", Kind::Text, "Changes when the server does."),
];

/// Tokens counted.
pub(crate) static USAGE: Object = Object {
    name: "Usage",
    fields: &[&[
        must("prompt_tokens", COUNT, "Those of the chat template included."),
        must("completion_tokens", COUNT, "What the model wrote."),
        must("total_tokens", COUNT, ""),
        must("prompt_tokens_details", Kind::Object(&DETAILS), ""),
    ]],
};

static DETAILS: Object = Object {
    name: "PromptTokensDetails",
    fields: &[&[must("cached_tokens", COUNT, "Those that did not need to be computed again.")]],
};

pub(crate) const COUNT: Kind = Kind::Integer(0, u32::MAX as i64);

/// What an answer of a chat says.
pub(crate) static MESSAGE: Object = Object {
    name: "ChatAnswerMessage",
    fields: &[&[
        must("role", Kind::Word(&["assistant"]), ""),
        must("content", Kind::OneOf(&[Kind::Text, Kind::Null]), ""),
        must("refusal", Kind::Null, ""),
        may("tool_calls", Kind::List(&Kind::Object(&crate::chat::CALL), 1, usize::MAX), ""),
        may("function_call", Kind::Object(&crate::chat::CALLED), "Where `functions` were given."),
    ]],
};

pub(crate) const REASON: Field =
    must("finish_reason", Kind::Text, "`stop`, `length`, `tool_calls` or `function_call`.");
pub(crate) const INDEX: Field = must("index", COUNT, "");

#[derive(Serialize)]
struct Answer<'a, T> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<T>,
    usage: Tokens,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct ChatChoice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<ChatForm<'a>>,
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: (),
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Called<'a>>,
}

/// A call of a tool.
#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct TextChoice<'a> {
    text: &'a str,
    index: usize,
    logprobs: Option<LegacyForm>,
    finish_reason: &'a str,
}

/// Tokens counted, with OpenAI's names.
#[derive(Serialize)]
pub(crate) struct Tokens {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: Details,
}

#[derive(Serialize)]
struct Details {
    cached_tokens: u32,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: Details { cached_tokens: usage.cached_tokens },
        }
    }
}

/// Adds what an answer took. The prompt counts once for all answers to it.
pub(crate) fn add(total: &mut Usage, usage: Usage, same_prompt: bool) {
    total.output_tokens = total.output_tokens.saturating_add(usage.output_tokens);
    if !same_prompt {
        total.prompt_tokens = total.prompt_tokens.saturating_add(usage.prompt_tokens);
        total.cached_tokens = total.cached_tokens.saturating_add(usage.cached_tokens);
    }
}

/// `finish_reason`, or that there is no whole answer.
pub(crate) fn reason(finish: &Finish, calls: Calls) -> Result<&str, ApiError> {
    match finish {
        Finish::Stop => Ok("stop"),
        Finish::Length => Ok("length"),
        Finish::ToolCalls if calls.deprecated => Ok("function_call"),
        Finish::ToolCalls => Ok("tool_calls"),
        Finish::Cancelled => Err(ApiError::cancelled()),
        Finish::Other(word) => Ok(word),
    }
}

/// One choice for each answer to the one prompt.
pub(crate) fn chat(
    origin: &Origin,
    model: &str,
    completions: &[Completion],
    calls: Calls,
    logprobs: bool,
) -> Result<Response, ApiError> {
    let mut usage = Usage::default();
    let mut choices = Vec::with_capacity(completions.len());
    for (index, completion) in completions.iter().enumerate() {
        add(&mut usage, completion.usage, index > 0);
        choices.push(ChatChoice {
            index,
            message: Message::new(completion, calls),
            logprobs: logprobs.then(|| completion.choices[..].into()),
            finish_reason: reason(&completion.finish, calls)?,
        });
    }
    Ok(whole("chat.completion", origin, model, choices, usage))
}

impl<'a> Message<'a> {
    fn new(completion: &'a Completion, calls: Calls) -> Self {
        let all = &completion.tool_calls;
        let shown = if calls.single { &all[..all.len().min(1)] } else { all };
        let function = |call: &'a ToolCall| Called { name: &call.name, arguments: &call.arguments };
        let call = |call: &'a ToolCall| Call { id: &call.id, r#type: "function", function: function(call) };
        let silent = completion.text.is_empty() && !shown.is_empty();
        Self {
            role: "assistant",
            content: (!silent).then_some(&completion.text),
            refusal: (),
            tool_calls: if calls.deprecated { Vec::new() } else { shown.iter().map(call).collect() },
            function_call: shown.first().filter(|_| calls.deprecated).map(function),
        }
    }
}

/// One choice for each completion, in order; so many of them belong to the same prompt. Texts are changed already.
pub(crate) fn text(
    origin: &Origin,
    model: &str,
    completions: &[Completion],
    same_prompt: usize,
    logprobs: bool,
) -> Result<Response, ApiError> {
    let mut usage = Usage::default();
    let mut choices = Vec::with_capacity(completions.len());
    for (index, completion) in completions.iter().enumerate() {
        add(&mut usage, completion.usage, !index.is_multiple_of(same_prompt.max(1)));
        choices.push(TextChoice {
            text: &completion.text,
            index,
            logprobs: logprobs.then(|| LegacyForm::new(&completion.choices, &mut 0)),
            finish_reason: reason(&completion.finish, Calls::default())?,
        });
    }
    Ok(whole("text_completion", origin, model, choices, usage))
}

fn whole<T: Serialize>(
    object: &'static str,
    origin: &Origin,
    model: &str,
    choices: Vec<T>,
    usage: Usage,
) -> Response {
    respond(&Answer {
        id: &origin.id,
        object,
        created: origin.created,
        model,
        choices,
        usage: usage.into(),
        system_fingerprint: FINGERPRINT,
    })
}

/// An answer of JSON.
pub(crate) fn respond(value: &impl Serialize) -> Response {
    Response::new(200, json(value)).header("content-type", "application/json")
}

/// The value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    put(&mut bytes, value);
    bytes
}

/// Appends the value as JSON.
pub(crate) fn put<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    // Memory takes all that is written, and the values here have no maps with odd keys: this cannot fail.
    let _written = serde_json::to_writer(bytes, value);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::logprobs::tests::choice;
    use crate::testing::{described, refused};

    fn origin() -> Origin {
        Origin { id: "cmpl-1".into(), created: 17 }
    }

    fn completion(text: &str, finish: Finish) -> Completion {
        let usage = Usage { prompt_tokens: 5, output_tokens: 2, cached_tokens: 3 };
        Completion {
            text: text.into(),
            tool_calls: Vec::new(),
            choices: Vec::new(),
            finish,
            stopped_by: None,
            usage,
        }
    }

    fn chatted(completions: &[Completion], calls: Calls, logprobs: bool) -> Value {
        described(chat(&origin(), "m", completions, calls, logprobs), &crate::chat::ANSWER)
    }

    #[test]
    fn a_chat_has_openais_form() {
        let answer = chatted(&[completion("\"Hi\"\n", Finish::Stop)], Calls::default(), false);
        assert_eq!(
            answer,
            json!({
                "id": "cmpl-1", "object": "chat.completion", "created": 17, "model": "m",
                "choices": [{
                    "index": 0, "message": {"role": "assistant", "content": "\"Hi\"\n", "refusal": null},
                    "logprobs": null, "finish_reason": "stop",
                }],
                "usage": {
                    "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 3},
                },
                "system_fingerprint": FINGERPRINT,
            })
        );
    }

    #[test]
    fn calls_take_the_place_of_content() {
        let call = |id: &str| ToolCall { id: id.into(), name: "now".into(), arguments: "{}".into() };
        let calling =
            Completion { tool_calls: vec![call("a"), call("b")], ..completion("", Finish::ToolCalls) };
        let choice = |calls| chatted(std::slice::from_ref(&calling), calls, false)["choices"][0].clone();
        let seen =
            |id: &str| json!({"id": id, "type": "function", "function": {"name": "now", "arguments": "{}"}});
        let both = choice(Calls::default());
        assert_eq!(
            (&both["message"]["content"], &both["finish_reason"]),
            (&Value::Null, &json!("tool_calls"))
        );
        assert_eq!(both["message"]["tool_calls"], json!([seen("a"), seen("b")]));
        let one = choice(Calls { single: true, deprecated: false });
        assert_eq!(one["message"]["tool_calls"], json!([seen("a")]));
        let old = choice(Calls { single: true, deprecated: true });
        assert_eq!(old["message"]["function_call"], json!({"name": "now", "arguments": "{}"}));
        assert_eq!(
            (old["message"].get("tool_calls"), &old["finish_reason"]),
            (None, &json!("function_call"))
        );
    }

    #[test]
    fn several_answers_share_their_prompt() {
        let mut both = [completion("a", Finish::Stop), completion("b", Finish::Stop)];
        both[1].choices = vec![choice(b"b", -1.0, &[])];
        let answer = chatted(&both, Calls::default(), true);
        assert_eq!(answer["choices"][1]["index"], 1);
        assert_eq!(answer["choices"][1]["logprobs"]["content"][0]["token"], "b");
        assert_eq!(
            (&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]),
            (&json!(5), &json!(4))
        );
    }

    #[test]
    fn completions_are_numbered_and_their_usage_added() {
        let mut all = vec![completion("a", Finish::Length), completion("b", Finish::Other("filter".into()))];
        all[0].choices = vec![choice(b"a", -1.0, &[])];
        let answer = described(text(&origin(), "m", &all, 1, true), &crate::completions::ANSWER);
        assert_eq!(answer["choices"][0]["logprobs"]["tokens"], json!(["a"]));
        assert_eq!(answer["choices"][1]["finish_reason"], "filter");
        assert_eq!(answer["object"], "text_completion");
        assert_eq!(answer["usage"]["total_tokens"], 14);
        let answer = described(text(&origin(), "m", &all, 2, false), &crate::completions::ANSWER);
        assert_eq!(
            answer["choices"][1],
            json!({"text": "b", "index": 1, "logprobs": null, "finish_reason": "filter"})
        );
        assert_eq!(answer["usage"]["total_tokens"], 9);
    }

    #[test]
    fn half_an_answer_is_not_passed_off_as_one() {
        let result = chat(&origin(), "m", &[completion("a", Finish::Cancelled)], Calls::default(), false);
        refused(result, 503, "", "cancelled", "cancelled");
    }
}
