use futures::stream;
use inferno_sdk::inference::{Finish, ToolCallDelta};
use inferno_sdk::{Error, ErrorKind};
use serde_json::{Value, json};

use super::*;
use crate::logprobs::tests::{choice, token};
use crate::schema::Object;
use crate::testing::{fits, now};

fn end(finish: Finish) -> Event {
    Event::End(Ok(End {
        finish,
        stopped_by: None,
        usage: Usage { prompt_tokens: 3, output_tokens: 2, cached_tokens: 1 },
    }))
}

fn piece(text: &str) -> Event {
    Event::Piece(Piece::Text(text.into()))
}

fn call(index: u32, id: Option<&str>, arguments: &str) -> Event {
    let (id, name) = (id.map(str::to_owned), id.map(|id| format!("name of {id}")));
    Event::Piece(Piece::ToolCall(ToolCallDelta { index, id, name, arguments: arguments.into() }))
}

fn origin() -> Origin {
    Origin { id: "id\"1".into(), created: 17 }
}

fn chunks(form: Form, usage: bool) -> Chunks {
    Chunks::new(form, Frame::Events, &origin(), "m", usage)
}

/// The events as a client sees them: JSON, or the text where it is none.
fn streamed(chunks: Chunks, events: Vec<(usize, Event)>) -> Vec<Value> {
    let kind: &'static Object = if chunks.form.is_chat() { &CHAT_CHUNK } else { &TEXT_CHUNK };
    let response = respond(stream::iter(events).boxed_local(), chunks);
    assert_eq!(response.get_header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(now(response.into_bytes()).unwrap()).unwrap();
    let event = |block: &str| {
        let data = block.strip_prefix("data: ").unwrap();
        assert!(!data.contains('\n'), "an event is one line: {data}");
        let value = serde_json::from_str(data).unwrap_or_else(|_| Value::from(data));
        if value.get("choices").is_some() {
            fits(kind, &value);
        }
        value
    };
    assert!(text.ends_with("\n\n"));
    text.trim_end().split("\n\n").map(event).collect()
}

#[test]
fn a_chat_begins_with_the_role_and_ends_with_the_reason() {
    let events = vec![(0, piece("Hi\n")), (0, piece("\"ä\"")), (0, end(Finish::Length))];
    let seen = streamed(chunks(Form::Chat, false), events);
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "id\"1", "object": "chat.completion.chunk", "created": 17, "model": "m",
            "system_fingerprint": FINGERPRINT,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
        })
    };
    assert_eq!(
        seen,
        [
            chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null),
            chunk(json!({"content": "Hi\n"}), Value::Null),
            chunk(json!({"content": "\"ä\""}), Value::Null),
            chunk(json!({}), "length".into()),
            "[DONE]".into(),
        ]
    );
}

#[test]
fn usage_comes_last_and_is_null_before() {
    let seen = streamed(chunks(Form::Chat, true), vec![(0, piece("a")), (0, end(Finish::Stop))]);
    assert_eq!(seen.len(), 5);
    for chunk in &seen[..3] {
        assert_eq!(chunk.get("usage"), Some(&Value::Null), "{chunk}");
    }
    assert_eq!(seen[3]["choices"], json!([]));
    let details = json!({"cached_tokens": 1});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": details});
    assert_eq!(seen[3]["usage"], usage);
    assert_eq!(seen[4], "[DONE]");
}

#[test]
fn several_answers_keep_their_index_and_share_their_prompt() {
    let events = vec![
        (1, piece("b")),
        (0, piece("a")),
        (1, end(Finish::Stop)),
        (0, piece("A")),
        (0, end(Finish::Stop)),
    ];
    let seen = streamed(chunks(Form::Chat, true).answers(2), events);
    let index: Vec<_> =
        seen[..7].iter().map(|chunk| chunk["choices"][0]["index"].as_u64().unwrap()).collect();
    assert_eq!(index, [0, 1, 1, 0, 1, 0, 0]);
    assert_eq!(seen[1]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(
        (&seen[7]["usage"]["prompt_tokens"], &seen[7]["usage"]["completion_tokens"]),
        (&json!(3), &json!(4))
    );
}

#[test]
fn completions_may_begin_with_their_prompt() {
    let events = vec![(1, piece("b")), (1, end(Finish::Stop)), (0, piece("a")), (0, end(Finish::Stop))];
    let form = chunks(Form::Text, true).prompts(1, vec!["p".into(), "q".into()], true);
    let seen = streamed(form, events);
    let texts: Vec<_> =
        seen[..6].iter().map(|c| (&c["choices"][0]["index"], &c["choices"][0]["text"])).collect();
    let expected =
        [(0, "p"), (1, "q"), (1, "b"), (1, ""), (0, "a"), (0, "")].map(|(i, t)| (json!(i), json!(t)));
    assert_eq!(texts, expected.each_ref().map(|(i, t)| (i, t)));
    assert_eq!(seen[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(seen[0]["object"], "text_completion");
    assert_eq!(seen[6]["usage"]["total_tokens"], 10);
}

#[test]
fn calls_stream_as_openai_sends_them() {
    let events = || {
        vec![
            (0, call(0, Some("a"), "")),
            (0, call(0, None, "{\"x\"")),
            (0, call(0, None, ":1}")),
            (0, call(1, Some("b"), "{}")),
            (0, end(Finish::ToolCalls)),
        ]
    };
    let deltas = |calls| {
        let seen = streamed(chunks(Form::Chat, false).calls(calls), events());
        let reason = seen[seen.len() - 2]["choices"][0]["finish_reason"].clone();
        let deltas: Vec<_> =
            seen[1..seen.len() - 2].iter().map(|c| c["choices"][0]["delta"].clone()).collect();
        (deltas, reason)
    };
    let call = |call: Value| json!({"tool_calls": [call]});
    let first = |index: u32, id: &str, arguments: &str| {
        let function = json!({"name": format!("name of {id}"), "arguments": arguments});
        call(json!({"index": index, "id": id, "type": "function", "function": function}))
    };
    let more = |arguments: &str| call(json!({"index": 0, "function": {"arguments": arguments}}));
    let all = vec![first(0, "a", ""), more("{\"x\""), more(":1}"), first(1, "b", "{}")];
    assert_eq!(deltas(Calls::default()), (all.clone(), json!("tool_calls")));
    let single = Calls { single: true, deprecated: false };
    assert_eq!(deltas(single), (all[..3].to_vec(), json!("tool_calls")));
    let (old, reason) = deltas(Calls { single: true, deprecated: true });
    assert_eq!(old[0], json!({"function_call": {"name": "name of a", "arguments": ""}}));
    assert_eq!(old[1], json!({"function_call": {"arguments": "{\"x\""}}));
    assert_eq!((old.len(), reason), (3, json!("function_call")));
}

#[test]
fn tokens_go_with_the_text_that_they_are_in() {
    let tokens = |text: &[u8]| Event::Piece(Piece::Choices(vec![choice(text, -1.0, &[token(b"x", -2.0)])]));
    let events = || {
        vec![
            (0, tokens(b"\xc3")),
            (0, tokens(b"\xa4")),
            (0, piece("ä")),
            (0, tokens(b"")),
            (0, end(Finish::Stop)),
        ]
    };
    let seen = streamed(chunks(Form::ChatWithLogprobs, false), events());
    let list = |chunk: &Value| chunk["choices"][0]["logprobs"]["content"].as_array().unwrap().len();
    assert_eq!((list(&seen[1]), list(&seen[2])), (2, 1));
    assert_eq!(seen[1]["choices"][0]["delta"]["content"], "ä");
    let seen = streamed(chunks(Form::TextWithLogprobs, false), events());
    assert_eq!(seen[0]["choices"][0]["logprobs"]["text_offset"], json!([0, 1]));
    assert_eq!(seen[1]["choices"][0]["logprobs"]["text_offset"], json!([1]));
    let seen =
        streamed(chunks(Form::Text, false), vec![(0, tokens(b"a")), (0, piece("a")), (0, end(Finish::Stop))]);
    assert_eq!(seen[0]["choices"][0]["logprobs"], Value::Null);
}

#[test]
fn an_error_in_mid_answer_is_an_event_and_the_end() {
    let error = Error {
        kind: ErrorKind::Unavailable,
        message: "the worker died".into(),
        hint: None,
        retry_after: None,
    };
    let events = vec![(0, piece("a")), (0, Event::End(Err(error))), (0, piece("never"))];
    let seen = streamed(chunks(Form::Chat, true), events);
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2]["error"]["message"], "the worker died");
    assert_eq!(seen[2]["error"]["code"], "unavailable");

    let seen = streamed(chunks(Form::Chat, false), vec![(0, end(Finish::Cancelled))]);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1]["error"]["code"], "cancelled");
}

#[test]
fn lines_say_whose_they_are() {
    let mut chunks = Chunks::new(Form::Chat, Frame::Lines("a\n".into()), &origin(), "m", false);
    let mut out = Vec::new();
    chunks.begin(&mut out);
    assert!(chunks.event(&mut out, 0, piece("Hi")).is_continue());
    assert!(chunks.event(&mut out, 0, end(Finish::Stop)).is_continue());
    chunks.end(&mut out);
    assert!(chunks.event(&mut out, 0, end(Finish::Cancelled)).is_break());
    let lines: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["delta", "delta", "delta", "done", "error"]);
    assert!(lines.iter().all(|line| line["id"] == "a\n"));
    assert_eq!(lines[1]["chunk"]["choices"][0]["delta"]["content"], "Hi");
    assert_eq!(lines[4]["error"]["code"], "cancelled");
}
