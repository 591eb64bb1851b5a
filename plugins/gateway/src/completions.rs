//! `/v1/completions`

use std::future::Future;

use futures::future::try_join_all;
use futures::stream::{self, Stream, StreamExt};
use inferno_sdk::Error;
use inferno_sdk::http::Response;
use inferno_sdk::inference::{self, Completion, Generation, Request};
use serde_json::Value;

use crate::Origin;
use crate::answer;
use crate::error::ApiError;
use crate::fields::{Fields, describe};
use crate::sampling::{self, Delivery};
use crate::stream::{Chunks, Event, Form, events, respond};

/// The field that the host's refusals are about.
const PARAM: &str = "prompt";
/// The most prompts that one request may have; they are worked on at the same time.
const MAX_PROMPTS: usize = 32;
/// OpenAI's default of this older endpoint.
const DEFAULT_TOKENS: u32 = 16;

pub(crate) async fn answer(mut fields: Fields, origin: Origin) -> Result<Response, ApiError> {
    let (mut requests, delivery) = parse(&mut fields)?;
    let host = |error| ApiError::host(error, PARAM);
    match delivery {
        Delivery::Whole => {
            let completions = match &*requests {
                [request] => vec![inference::complete(request).map_err(host)?],
                several => try_join_all(several.iter().map(whole)).await.map_err(host)?,
            };
            answer::text(&origin, &requests[0].model, &completions)
        }
        Delivery::Streamed { usage } => {
            let others = requests.split_off(1);
            let chunks = Chunks::new(Form::Text, &origin, &requests[0].model, usage);
            // What is wrong with the first is most likely wrong with all, and still gets a status of its own.
            let first = events(0, inference::generate(&requests[0]).await.map_err(host)?);
            if others.is_empty() {
                return Ok(respond(first, chunks));
            }
            let others = others.into_iter().enumerate().map(|(n, request)| {
                let start = async move { inference::generate(&request).await };
                started(n + 1, start).boxed_local()
            });
            Ok(respond(stream::select_all([first.boxed_local()].into_iter().chain(others)), chunks))
        }
    }
}

async fn whole(request: &Request) -> Result<Completion, Error> {
    let mut generation = inference::generate(request).await?;
    let mut text = String::new();
    while let Some(piece) = generation.next().await {
        text.push_str(&piece);
    }
    let end = generation.end().await?;
    Ok(Completion { text, tool_calls: Vec::new(), choices: Vec::new(), finish: end.finish, usage: end.usage })
}

/// The events of a generation that is yet to start.
fn started(
    index: usize,
    start: impl Future<Output = Result<Generation, Error>> + 'static,
) -> impl Stream<Item = (usize, Event)> + 'static {
    stream::once(start).flat_map(move |started| match started {
        Ok(generation) => events(index, generation).boxed_local(),
        Err(error) => stream::iter([(index, Event::End(Err(error)))]).boxed_local(),
    })
}

/// One request for each prompt, at least one.
fn parse(fields: &mut Fields) -> Result<(Vec<Request>, Delivery), ApiError> {
    fields.refuse("echo", "Only false is.", |value| *value == Value::Bool(false))?;
    fields.refuse("suffix", "Leave it out.", |value| value.as_str() == Some(""))?;
    fields.refuse("best_of", "Only 1 is.", |value| *value == 1)?;
    fields.refuse("logprobs", "Leave it out.", |_| false)?;
    let delivery = sampling::delivery(fields)?;
    let prompts = prompts(fields)?;
    let mut request = Request::prompt(crate::model(fields)?, String::new());
    request.max_tokens = Some(sampling::max_tokens(fields, "max_tokens")?.unwrap_or(DEFAULT_TOKENS));
    sampling::apply(fields, &mut request)?;
    let with = |prompt| {
        let mut request = request.clone();
        request.input = inference::Input::Prompt(prompt);
        request
    };
    Ok((prompts.into_iter().map(with).collect(), delivery))
}

fn prompts(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let items = match fields.take(PARAM) {
        None => return Err(ApiError::missing(PARAM)),
        Some(Value::String(text)) => return Ok(vec![text]),
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(ApiError::wrong_type(PARAM, "a string or an array of strings", describe(&other)));
        }
    };
    if items.is_empty() {
        return Err(ApiError::value(PARAM, "expected at least one prompt, but got an empty array instead."));
    }
    if items.iter().any(|item| item.is_number() || item.is_array()) {
        return Err(ApiError::value(PARAM, "prompts as token numbers are not supported yet. Send text."));
    }
    if items.len() > MAX_PROMPTS {
        let why = format!("expected at most {MAX_PROMPTS} prompts, but got {} instead.", items.len());
        return Err(ApiError::value(PARAM, why));
    }
    let text = |item| match item {
        Value::String(text) => Ok(text),
        other => Err(ApiError::wrong_type(PARAM, "an array of strings", describe(&other))),
    };
    items.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    fn parsed(json: &str) -> Result<(Vec<Request>, Delivery), ApiError> {
        parse(&mut fields(json))
    }

    #[test]
    fn each_prompt_becomes_a_request() {
        let (requests, delivery) = parsed(
            r#"{"model":"m","prompt":["a",""],"max_tokens":5,"seed":1,"echo":false,"best_of":1,"suffix":""}"#,
        )
        .unwrap();
        let expected = |prompt| {
            let mut request = Request::prompt("m", prompt);
            request.max_tokens = Some(5);
            request.seed = Some(1);
            request
        };
        assert_eq!((requests, delivery), (vec![expected("a"), expected("")], Delivery::Whole));
    }

    #[test]
    fn openais_default_length_is_kept() {
        let (requests, delivery) = parsed(r#"{"model":"m","prompt":"a","stream":true}"#).unwrap();
        assert_eq!(requests[0].max_tokens, Some(16));
        assert_eq!(delivery, Delivery::Streamed { usage: false });
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |more: &str, param, code, says| {
            refused(parsed(&format!("{{\"model\":\"m\",{more}}}")), 400, param, code, says);
        };
        check(r#""n":1"#, "prompt", "missing_required_parameter", "prompt");
        check(r#""prompt":7"#, "prompt", "invalid_type", "a string or an array");
        check(r#""prompt":[]"#, "prompt", "invalid_value", "at least one prompt");
        check(r#""prompt":[1,2]"#, "prompt", "invalid_value", "token numbers");
        check(r#""prompt":[[1,2]]"#, "prompt", "invalid_value", "token numbers");
        check(r#""prompt":["a",true]"#, "prompt", "invalid_type", "a boolean");
        check(&format!("\"prompt\":[{}\"\"]", "\"\",".repeat(32)), "prompt", "invalid_value", "at most 32");
        check(r#""prompt":"a","echo":true"#, "echo", "unsupported_parameter", "not supported yet");
        check(r#""prompt":"a","suffix":"b""#, "suffix", "unsupported_parameter", "not supported yet");
        check(r#""prompt":"a","best_of":2"#, "best_of", "unsupported_parameter", "not supported yet");
        check(r#""prompt":"a","logprobs":0"#, "logprobs", "unsupported_parameter", "not supported yet");
        check(r#""prompt":"a","max_tokens":0"#, "max_tokens", "invalid_value", "from 1");
    }
}
