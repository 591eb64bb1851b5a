use futures::stream::{self, StreamExt};
use inferno_sdk::Error;
use inferno_sdk::inference::{Completion, End, Finish, Format, Piece, ToolCall, ToolCallDelta, Usage};
use serde_json::json;

use super::*;
use crate::logprobs::tests::choice;
use crate::run::Event;
use crate::testing::{described, fields, fits, now, refused};

const ID: &str = "resp_7";

fn parsed(more: &str) -> Result<Ask, ApiError> {
    parse(fields(&format!(r#"{{"model":"m","store":false,{more}}}"#), &REQUEST)?, ID)
}

fn usage() -> Usage {
    Usage { prompt_tokens: 3, output_tokens: 2, cached_tokens: 1 }
}

fn call(id: &str) -> ToolCall {
    ToolCall { id: id.into(), name: "now".into(), arguments: "{}".into() }
}

#[test]
fn text_and_instructions_become_a_chat() {
    let ask = parsed(
        r#""input":"hi","instructions":"Be brief.","max_output_tokens":9,"temperature":0.5,"stream":true,
           "text":{"format":{"type":"json_object"}},"include":["message.output_text.logprobs"],"top_logprobs":2,
           "tools":[{"type":"function","name":"now"}],"metadata":{"a":"b"},"truncation":"disabled""#,
    )
    .unwrap();
    let mut expected = Request::chat("m", vec![Message::system("Be brief."), Message::user("hi")]);
    expected.max_tokens = Some(9);
    expected.temperature = Some(0.5);
    expected.format = Some(Format::Json(None));
    expected.logprobs = Some(2);
    expected.tools = ask.request.tools.clone();
    assert_eq!((ask.request, ask.streamed, ask.echo.store), (expected, true, false));
    let said = json!({
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}],
        "id": "msg_7_in0", "status": "completed",
    });
    assert_eq!(ask.input, [said]);
}

#[test]
fn items_become_a_chat() {
    let ask = parsed(
        r#""input":[{"role":"developer","content":"Be brief."},
            {"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},
            {"role":"assistant","content":[{"type":"output_text","text":"I look.","annotations":[]}]},
            {"type":"function_call","call_id":"c1","name":"now","arguments":"{}"},
            {"type":"function_call","call_id":"c2","name":"now","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":"noon"}]"#,
    )
    .unwrap();
    let both = vec![call("c1"), call("c2")];
    let expected = vec![
        Message::system("Be brief."),
        Message::user("a\nb"),
        Message { tool_calls: both, ..Message::assistant("I look.") },
        Message::tool("c1", "noon"),
    ];
    assert_eq!(ask.request.input, Input::Chat(expected));
}

#[test]
fn images_are_shown_by_users_and_tools() {
    let image = r#"{"type":"input_image","image_url":"data:image/png;base64,aGk=","detail":"auto"}"#;
    let said = |role: &str| {
        format!(r#""input":[{{"role":"{role}","content":[{{"type":"input_text","text":"See"}},{image}]}}]"#)
    };
    let mut message = Message::user("See");
    message.show(*b"hi");
    assert_eq!(parsed(&said("user")).unwrap().request.input, Input::Chat(vec![message]));
    let wrong = parsed(&said("assistant")).map(drop);
    refused(wrong, 400, "input[0].content", "invalid_value", "says no images");

    let call = r#"{"type":"function_call","call_id":"c","name":"look","arguments":"{}"}"#;
    let output = format!(r#"{{"type":"function_call_output","call_id":"c","output":[{image}]}}"#);
    let ask = parsed(&format!(r#""input":[{call},{output}]"#)).unwrap();
    let Input::Chat(messages) = ask.request.input else { panic!("a chat") };
    assert_eq!(messages[1].tool_call_id.as_deref(), Some("c"));
    assert_eq!(messages[1].images.len(), 1);
}

#[test]
fn what_cannot_be_names_its_field() {
    let check = |more: &str, param, code, says| refused(parsed(more).map(drop), 400, param, code, says);
    check(r#""user":"u""#, "input", "missing_required_parameter", "input");
    check(r#""input":[]"#, "input", "invalid_value", "at least one");
    check(r#""input":[{"type":"reasoning"}]"#, "input[0].type", "invalid_value", "reasoning");
    let place = "input[0].content[0].image_url";
    let image =
        |more: &str| format!(r#""input":[{{"role":"user","content":[{{"type":"input_image"{more}}}]}}]"#);
    check(&image(""), place, "missing_required_parameter", "image_url");
    let remote = image(r#","image_url":"http://example.com/a.png""#);
    check(&remote, place, "invalid_value", "fetches nothing");
    let stored = image(r#","file_id":"f""#);
    check(&stored, "input[0].content[0].file_id", "unsupported_parameter", "'image_url'");
    check(r#""input":"a","truncation":"auto""#, "truncation", "unsupported_parameter", "silently");
    check(r#""input":"a","background":true"#, "background", "unsupported_parameter", "false");
    check(
        r#""input":"a","conversation":"c""#,
        "conversation",
        "unsupported_parameter",
        "previous_response_id",
    );
    check(
        r#""input":"a","tools":[{"type":"web_search"}]"#,
        "tools[0].type",
        "invalid_value",
        "runs no tools",
    );
    check(r#""input":"a","metadata":{"a":1}"#, "metadata.a", "invalid_type", "a string");
}

fn answered(completion: Completion) -> Value {
    let Ask { echo, .. } = parsed(r#""input":"hi""#).unwrap();
    let mut reply = Reply::new(ID.into(), echo);
    reply.complete(completion).unwrap();
    described(Ok(answer::respond(&reply)), &RESPONSE)
}

#[test]
fn a_whole_answer_has_openais_form() {
    let completion = Completion {
        text: "Hi".into(),
        tool_calls: Vec::new(),
        choices: vec![choice(b"Hi", -1.0, &[])],
        finish: Finish::Length,
        stopped_by: None,
        usage: usage(),
    };
    let answer = answered(completion.clone());
    let token = json!({"token": "Hi", "logprob": -1.0, "bytes": [72, 105], "top_logprobs": []});
    let part = json!({"type": "output_text", "text": "Hi", "annotations": [], "logprobs": [token]});
    let said = json!({"type": "message", "id": "msg_7_0", "status": "completed", "role": "assistant", "content": [part]});
    assert_eq!(answer["output"], json!([said]));
    assert_eq!((&answer["status"], &answer["model"]), (&json!("incomplete"), &json!("m")));
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(
        answer["usage"],
        json!({
            "input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 5,
        })
    );
    let calls = Completion {
        text: String::new(),
        tool_calls: vec![call("c")],
        finish: Finish::ToolCalls,
        ..completion
    };
    let answer = answered(calls);
    let called = json!({
        "type": "function_call", "id": "fc_7_0", "status": "completed", "call_id": "c", "name": "now", "arguments": "{}",
    });
    assert_eq!((&answer["output"], &answer["status"]), (&json!([called]), &json!("completed")));
}

/// The events of a stream as a client sees them.
fn streamed(events: Vec<Event>) -> Vec<Value> {
    let Ask { echo, input, calls, .. } = parsed(r#""input":"hi","parallel_tool_calls":false"#).unwrap();
    let writer = events::Writer::new(Reply::new(ID.into(), echo), Keeper { input }, calls);
    let events = stream::iter(events.into_iter().map(|event| (0, event))).boxed_local();
    let response = stream_of(writer, events);
    let text = String::from_utf8(now(response.into_bytes()).unwrap()).unwrap();
    let event = |(number, block): (usize, &str)| {
        let (kind, data) = block.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let value: Value = serde_json::from_str(data).unwrap();
        fits(&EVENT, &value);
        assert_eq!((&value["type"], &value["sequence_number"]), (&json!(kind), &json!(number)));
        value
    };
    text.trim_end().split("\n\n").enumerate().map(event).collect()
}

fn stream_of(writer: events::Writer, events: run::Events) -> Response {
    crate::stream::sse(async move |body| writer.write(events, body).await)
}

fn end(finish: Finish) -> Event {
    Event::End(Ok(End { finish, stopped_by: None, usage: usage() }))
}

#[test]
fn text_streams_with_every_event() {
    let piece = |text: &str| Event::Piece(Piece::Text(text.into()));
    let seen = streamed(vec![
        Event::Piece(Piece::Choices(vec![choice(b"Hi", -1.0, &[])])),
        piece("Hi"),
        piece("!"),
        end(Finish::Stop),
    ]);
    let kinds: Vec<_> = seen.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(seen[0]["response"]["status"], "in_progress");
    assert_eq!(seen[2]["item"]["content"], json!([]));
    assert_eq!((&seen[4]["delta"], &seen[4]["item_id"]), (&json!("Hi"), &json!("msg_7_0")));
    assert_eq!(seen[4]["logprobs"][0]["token"], "Hi");
    assert_eq!((&seen[6]["text"], &seen[8]["item"]["status"]), (&json!("Hi!"), &json!("completed")));
    let last = &seen[9]["response"];
    assert_eq!((&last["status"], &last["usage"]["total_tokens"]), (&json!("completed"), &json!(5)));
    assert_eq!(last["output"], json!([seen[8]["item"]]));
}

#[test]
fn calls_stream_with_every_event() {
    let delta = |index, id: Option<&str>, arguments: &str| {
        let (id, name) = (id.map(str::to_owned), id.map(|_| "now".to_owned()));
        Event::Piece(Piece::ToolCall(ToolCallDelta { index, id, name, arguments: arguments.into() }))
    };
    let seen = streamed(vec![
        Event::Piece(Piece::Text("So.".into())),
        delta(0, Some("c"), ""),
        delta(0, None, "{"),
        delta(0, None, "}"),
        delta(1, Some("more than one"), "{}"),
        end(Finish::ToolCalls),
    ]);
    let kinds: Vec<_> = seen[8..].iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(seen[7]["type"], "response.output_item.done");
    assert_eq!((&seen[8]["output_index"], &seen[8]["item"]["call_id"]), (&json!(1), &json!("c")));
    assert_eq!((&seen[11]["arguments"], &seen[11]["name"]), (&json!("{}"), &json!("now")));
    assert_eq!(seen[13]["response"]["output"].as_array().unwrap().len(), 2);
}

#[test]
fn what_fails_in_mid_answer_says_so() {
    let error = Error::new(ErrorKind::Unavailable, "the worker died");
    let seen = streamed(vec![Event::Piece(Piece::Text("Hi".into())), Event::End(Err(error))]);
    let last = seen.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    assert_eq!(last["response"]["error"], json!({"code": "unavailable", "message": "the worker died"}));
    let seen = streamed(vec![end(Finish::Length)]);
    assert_eq!(seen.last().unwrap()["type"], "response.incomplete");
    assert_eq!(seen.last().unwrap()["response"]["output"][0]["content"][0]["text"], "");
}

#[test]
fn items_come_in_pages() {
    let items: Vec<Value> = (0..5).map(|n| json!({"id": format!("i{n}")})).collect();
    let page = |limit, descending, after| reply::page(items.clone(), limit, descending, after);
    let ids = |page: &Value| {
        let ids = page["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>().join(" "), page["has_more"].as_bool().unwrap())
    };
    assert_eq!(ids(&page(2, true, None)), ("i4 i3".into(), true));
    assert_eq!(ids(&page(9, false, Some("i2"))), ("i3 i4".into(), false));
    assert_eq!(page(9, false, Some("i4"))["first_id"], Value::Null);
    assert_eq!(
        (&page(2, true, None)["first_id"], &page(2, true, None)["last_id"]),
        (&json!("i4"), &json!("i3"))
    );
}

#[test]
fn ids_are_new_and_in_order_of_time() {
    let (first, second) = (new_id(), new_id());
    assert_ne!(first, second);
    assert_eq!(first.len(), "resp_".len() + 28);
    assert!(first[..17] <= second[..17]);
}
