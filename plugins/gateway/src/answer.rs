//! Whole answers.

use inferno_sdk::http::Response;
use inferno_sdk::inference::{Completion, Finish, Usage};
use serde::Serialize;

use crate::Origin;
use crate::error::ApiError;

/// What OpenAI's clients may compare to see whether the server changed.
pub(crate) const FINGERPRINT: &str = concat!("fp_inferno_", env!("CARGO_PKG_VERSION"));

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
    logprobs: (),
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    refusal: (),
}

#[derive(Serialize)]
struct TextChoice<'a> {
    text: &'a str,
    index: usize,
    logprobs: (),
    finish_reason: &'a str,
}

/// Tokens counted, with OpenAI's names.
#[derive(Serialize)]
pub(crate) struct Tokens {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.output_tokens),
        }
    }
}

/// Adds to what was counted.
pub(crate) fn add(total: &mut Usage, usage: Usage) {
    total.prompt_tokens = total.prompt_tokens.saturating_add(usage.prompt_tokens);
    total.output_tokens = total.output_tokens.saturating_add(usage.output_tokens);
    total.cached_tokens = total.cached_tokens.saturating_add(usage.cached_tokens);
}

/// `finish_reason`, or that there is no whole answer.
pub(crate) fn reason(finish: &Finish) -> Result<&str, ApiError> {
    match finish {
        Finish::Stop => Ok("stop"),
        Finish::Length => Ok("length"),
        Finish::ToolCalls => Ok("tool_calls"),
        Finish::Cancelled => Err(ApiError::cancelled()),
        Finish::Other(word) => Ok(word),
    }
}

pub(crate) fn chat(origin: &Origin, model: &str, completion: &Completion) -> Result<Response, ApiError> {
    let choice = ChatChoice {
        index: 0,
        message: Message { role: "assistant", content: &completion.text, refusal: () },
        logprobs: (),
        finish_reason: reason(&completion.finish)?,
    };
    Ok(whole("chat.completion", origin, model, vec![choice], completion.usage))
}

/// One choice for each completion, in order.
pub(crate) fn text(origin: &Origin, model: &str, completions: &[Completion]) -> Result<Response, ApiError> {
    let mut usage = Usage::default();
    let mut choices = Vec::with_capacity(completions.len());
    for (index, completion) in completions.iter().enumerate() {
        add(&mut usage, completion.usage);
        let finish_reason = reason(&completion.finish)?;
        choices.push(TextChoice { text: &completion.text, index, logprobs: (), finish_reason });
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
    use crate::testing::{now, refused};

    fn origin() -> Origin {
        Origin { id: "cmpl-1".into(), created: 17 }
    }

    fn completion(text: &str, finish: Finish) -> Completion {
        let usage = Usage { prompt_tokens: 5, output_tokens: 2, cached_tokens: 0 };
        Completion { text: text.into(), tool_calls: Vec::new(), choices: Vec::new(), finish, usage }
    }

    fn body(response: Result<Response, ApiError>) -> Value {
        let response = response.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!((response.status(), response.get_header("content-type")), (200, Some("application/json")));
        serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_chat_has_openais_form() {
        let answer = body(chat(&origin(), "m", &completion("\"Hi\"\n", Finish::Stop)));
        assert_eq!(
            answer,
            json!({
                "id": "cmpl-1", "object": "chat.completion", "created": 17, "model": "m",
                "choices": [{
                    "index": 0, "message": {"role": "assistant", "content": "\"Hi\"\n", "refusal": null},
                    "logprobs": null, "finish_reason": "stop",
                }],
                "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
                "system_fingerprint": FINGERPRINT,
            })
        );
    }

    #[test]
    fn completions_are_numbered_and_their_usage_added() {
        let both = [completion("a", Finish::Length), completion("b", Finish::Other("filter".into()))];
        let answer = body(text(&origin(), "m", &both));
        assert_eq!(
            answer["choices"],
            json!([
                {"text": "a", "index": 0, "logprobs": null, "finish_reason": "length"},
                {"text": "b", "index": 1, "logprobs": null, "finish_reason": "filter"},
            ])
        );
        assert_eq!(answer["object"], "text_completion");
        assert_eq!(answer["usage"], json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}));
    }

    #[test]
    fn half_an_answer_is_not_passed_off_as_one() {
        refused(chat(&origin(), "m", &completion("a", Finish::Cancelled)), 503, "", "cancelled", "cancelled");
    }
}
