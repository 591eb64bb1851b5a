//! Answers, whole and streamed.

use std::convert::Infallible;

use inferno_sdk::http::{Cut, EventWriter, Response};
use inferno_sdk::inference::{self, Finish, Generation, Request, Usage};
use serde::Serialize;

use crate::ask::Ask;
use crate::blocks::{Block, Blocks, Change, Whole};
use crate::error::ApiError;

/// A message, whole or at its beginning.
#[derive(Serialize)]
struct Message<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block>,
    stop_reason: Option<&'a str>,
    stop_sequence: Option<&'a str>,
    usage: Tokens,
}

/// Tokens counted, with Anthropic's names: what was read from the cache is not among the input.
#[derive(Serialize)]
struct Tokens {
    input_tokens: u32,
    cache_creation_input_tokens: u32,
    cache_read_input_tokens: u32,
    output_tokens: u32,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens.saturating_sub(usage.cached_tokens),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: usage.cached_tokens,
            output_tokens: usage.output_tokens,
        }
    }
}

/// The events around those of the blocks.
#[derive(Serialize)]
#[serde(tag = "type")]
enum Frame<'a> {
    #[serde(rename = "message_start")]
    Start { message: Message<'a> },
    #[serde(rename = "message_delta")]
    Delta { delta: Ending<'a>, usage: Tokens },
    #[serde(rename = "message_stop")]
    Stop,
}

#[derive(Serialize)]
struct Ending<'a> {
    stop_reason: &'a str,
    stop_sequence: Option<&'a str>,
}

/// How an answer ended.
#[derive(Debug, PartialEq, Eq)]
struct End {
    reason: String,
    sequence: Option<String>,
    usage: Usage,
}

/// `/v1/messages/count_tokens`
pub(crate) fn count(request: &Request) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Count {
        input_tokens: u32,
    }
    Ok(Response::json(200, &Count { input_tokens: inference::count(request)? }))
}

/// `/v1/messages`
pub(crate) async fn answer(ask: Ask, id: &str) -> Result<Response, ApiError> {
    let Ask { request, one_call, stream } = ask;
    let blocks = Blocks::new(one_call);
    let generation = inference::generate(&request).await?;
    if stream {
        // Counted while the model begins: this dialect tells the length of the prompt first. A backend that cannot
        // count tells it at the end.
        let prompt_tokens = inference::count(&request).unwrap_or(0);
        let id = id.to_owned();
        return Ok(Response::events(async move |events| {
            write(events, generation, blocks, &request, prompt_tokens, &id).await
        }));
    }
    let mut whole = Whole::default();
    let end = follow(generation, blocks, &request, async |changes: &mut Vec<Change>| {
        changes.drain(..).for_each(|change| whole.take(change));
        Ok::<_, Infallible>(())
    });
    let Ok(end) = end.await;
    Ok(Response::json(200, &message(id, &request.model, whole.into_blocks(), &end?)))
}

fn message<'a>(id: &str, model: &'a str, content: Vec<Block>, end: &'a End) -> Message<'a> {
    Message {
        stop_reason: Some(&end.reason),
        stop_sequence: end.sequence.as_deref(),
        usage: end.usage.into(),
        content,
        ..begun(id, model, 0)
    }
}

fn begun<'a>(id: &str, model: &'a str, prompt_tokens: u32) -> Message<'a> {
    Message {
        id: format!("msg_{id}"),
        r#type: "message",
        role: "assistant",
        model,
        content: Vec::new(),
        stop_reason: None,
        stop_sequence: None,
        usage: Usage { prompt_tokens, ..Usage::default() }.into(),
    }
}

/// One write for each piece. Errors in mid-answer are an event, after which the stream ends.
async fn write(
    mut events: EventWriter,
    generation: Generation,
    blocks: Blocks,
    request: &Request,
    prompt_tokens: u32,
    id: &str,
) -> Result<(), Cut> {
    // Goes with the first piece.
    start(&mut events, begun(id, &request.model, prompt_tokens))?;
    let end = follow(generation, blocks, request, async |changes: &mut Vec<Change>| {
        for change in changes.drain(..) {
            events.put(Some(change.name()), &change)?;
        }
        events.flush().await
    });
    match end.await? {
        Ok(end) => finish(&mut events, &end)?,
        Err(error) => events.put(Some("error"), &error.envelope(id))?,
    }
    events.flush().await
}

fn start(events: &mut EventWriter, message: Message<'_>) -> Result<(), Cut> {
    events.put(Some("message_start"), &Frame::Start { message })
}

fn finish(events: &mut EventWriter, end: &End) -> Result<(), Cut> {
    let delta = Ending { stop_reason: &end.reason, stop_sequence: end.sequence.as_deref() };
    events.put(Some("message_delta"), &Frame::Delta { delta, usage: end.usage.into() })?;
    events.put(Some("message_stop"), &Frame::Stop)
}

/// Follows an answer to its end and hands over what happens to its blocks, piece by piece.
async fn follow<E>(
    mut generation: Generation,
    mut blocks: Blocks,
    request: &Request,
    mut each: impl AsyncFnMut(&mut Vec<Change>) -> Result<(), E>,
) -> Result<Result<End, ApiError>, E> {
    let mut changes = Vec::new();
    let mut cut = false;
    while let Some(piece) = generation.next_piece().await {
        cut = blocks.take(piece, &mut |change| changes.push(change));
        if cut {
            break;
        }
        if !changes.is_empty() {
            each(&mut changes).await?;
        }
    }
    blocks.finish(&mut |change| changes.push(change));
    let end = if cut {
        drop(generation);
        Ok(counted(&blocks, request))
    } else {
        generation.end().await.map_err(ApiError::from).and_then(|end| ended(&blocks, end))
    };
    each(&mut changes).await?;
    Ok(end)
}

fn ended(blocks: &Blocks, end: inference::End) -> Result<End, ApiError> {
    let inference::End { finish, stopped_by, usage } = end;
    let reason = match &finish {
        Finish::ToolCalls => "tool_use",
        Finish::Stop if blocks.called() => "tool_use",
        Finish::Stop if stopped_by.is_some() => "stop_sequence",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Cancelled => return Err(ApiError::cancelled()),
        Finish::Other(word) => word,
    };
    let sequence = stopped_by.filter(|_| reason == "stop_sequence");
    Ok(End { reason: reason.to_owned(), sequence, usage })
}

/// The end of an answer that was ended here, at its second call, before the model did it, so that its tokens were not told. They stay unknown
/// where the backend cannot count either, since the answer is no worse for it.
fn counted(blocks: &Blocks, request: &Request) -> End {
    let output = inference::tokenize(&request.model, blocks.written(), false).unwrap_or_default();
    let usage = Usage {
        prompt_tokens: inference::count(request).unwrap_or(0),
        output_tokens: u32::try_from(output.len()).unwrap_or(u32::MAX),
        cached_tokens: 0,
    };
    End { reason: "tool_use".to_owned(), sequence: None, usage }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{now, seen};

    const USAGE: Usage = Usage { prompt_tokens: 10, output_tokens: 4, cached_tokens: 6 };

    #[test]
    fn a_message_has_anthropics_form() {
        let end = End { reason: "stop_sequence".into(), sequence: Some("END".into()), usage: USAGE };
        let content = vec![Block::Text { text: "\"Hi\"\n".into() }];
        assert_eq!(
            serde_json::to_value(message("r-1", "m", content, &end)).unwrap(),
            json!({
                "id": "msg_r-1", "type": "message", "role": "assistant", "model": "m",
                "content": [{"type": "text", "text": "\"Hi\"\n"}],
                "stop_reason": "stop_sequence", "stop_sequence": "END",
                "usage": {"input_tokens": 4, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 6,
                          "output_tokens": 4},
            })
        );
    }

    #[test]
    fn a_stream_has_its_frame() {
        let response = Response::events(async |mut events| {
            start(&mut events, begun("r-1", "m", 10))?;
            finish(&mut events, &End { reason: "end_turn".into(), sequence: None, usage: USAGE })?;
            events.flush().await
        });
        let text = String::from_utf8(now(response.into_bytes()).unwrap()).unwrap();
        let events: Vec<(&str, Value)> = text
            .trim_end()
            .split("\n\n")
            .map(|event| {
                let (name, data) = event.split_once('\n').unwrap();
                let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                (name.strip_prefix("event: ").unwrap(), data)
            })
            .collect();
        let [(first, start), (second, delta), (third, stop)] = &events[..] else { panic!("{text}") };
        assert_eq!((*first, *second, *third), ("message_start", "message_delta", "message_stop"));
        assert_eq!(start["message"]["usage"]["input_tokens"], 10);
        assert_eq!(
            (&start["message"]["stop_reason"], &start["message"]["content"]),
            (&Value::Null, &json!([]))
        );
        assert_eq!(delta["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
        assert_eq!(delta["usage"]["output_tokens"], 4);
        assert_eq!(*stop, json!({"type": "message_stop"}));
    }

    #[test]
    fn ends_have_anthropics_names() {
        let blocks = Blocks::new(false);
        let end = |finish, text: Option<&str>| {
            let stopped_by = text.map(str::to_owned);
            ended(&blocks, inference::End { finish, stopped_by, usage: USAGE })
        };
        let reason = |finish| end(finish, None).unwrap().reason;
        assert_eq!(reason(Finish::Stop), "end_turn");
        assert_eq!(reason(Finish::Length), "max_tokens");
        assert_eq!(reason(Finish::ToolCalls), "tool_use");
        assert_eq!(reason(Finish::Other("refusal".into())), "refusal");
        assert_eq!(seen(end(Finish::Cancelled, None).unwrap_err()).0, 529);
        let stopped = end(Finish::Stop, Some("END")).unwrap();
        assert_eq!((stopped.reason.as_str(), stopped.sequence.as_deref()), ("stop_sequence", Some("END")));
        let called = end(Finish::ToolCalls, Some("END")).unwrap();
        assert_eq!((called.reason.as_str(), called.sequence), ("tool_use", None));
    }
}
