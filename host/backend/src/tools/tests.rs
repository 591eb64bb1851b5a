mod samples;

use serde_json::json;

use super::ToolFormat::{Bare, Listed, Spelled, Tagged};
use super::format::{MISTRAL, PIPED};
use super::*;
use crate::{Event, Tool, ToolCallDelta};

/// What an answer came to: text, and calls as `name arguments`.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    text: String,
    calls: Vec<(String, String)>,
}

fn tools() -> Vec<Tool> {
    let tool = |name: &str, properties| Tool {
        name: name.into(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": properties}),
    };
    let get = json!({
        "a": {"type": "string"}, "n": {"type": "integer"}, "l": {"type": "array"}, "o": {"type": ["string", "null"]},
    });
    vec![tool("get", get), tool("put", json!({}))]
}

fn parse(format: ToolFormat, pieces: &[&str]) -> Seen {
    let mut seen = Seen::default();
    let mut take = |event: Event| match event {
        Event::Text(text) => {
            assert!(!text.is_empty());
            seen.text.push_str(&text);
        }
        Event::ToolCall(ToolCallDelta { index, id, name, arguments }) => {
            assert_eq!(id.is_some(), name.is_some());
            if let Some((id, name)) = id.zip(name) {
                assert_eq!(index as usize, seen.calls.len(), "calls are counted");
                assert!(id.len() == 29 && id.starts_with("call_"), "{id}");
                assert!(id["call_".len()..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
                seen.calls.push((name, String::new()));
            } else {
                assert!(!arguments.is_empty());
            }
            seen.calls[index as usize].1.push_str(&arguments);
        }
        other => panic!("{other:?}"),
    };
    let mut parser = ToolParser::new(format, tools());
    pieces.iter().for_each(|piece| parser.push(piece, &mut take));
    parser.finish(&mut take);
    assert_eq!(parser.calls() as usize, seen.calls.len());
    seen
}

/// Parses the answer cut at every byte, and in single characters.
#[track_caller]
fn check(format: ToolFormat, answer: &str, text: &str, calls: &[(&str, &str)]) {
    let calls = calls.iter().map(|(name, arguments)| ((*name).into(), (*arguments).into())).collect();
    let expect = Seen { text: text.into(), calls };
    assert_eq!(parse(format, &[answer]), expect, "{answer}");
    for (at, _) in answer.char_indices() {
        let (left, right) = answer.split_at(at);
        assert_eq!(parse(format, &[left, right]), expect, "{left} | {right}");
    }
    let letters: Vec<String> = answer.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(parse(format, &letters), expect, "{answer} in letters");
}

#[test]
fn tagged_calls_are_found() {
    let call =
        "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": \"}\\\"é\", \"b\": [1, {}]}}\n</tool_call>";
    let arguments = "{\"a\": \"}\\\"é\", \"b\": [1, {}]}";
    check(Tagged, call, "", &[("get", arguments)]);
    check(Tagged, &format!("{call}\n"), "", &[("get", arguments)]);
    check(Tagged, &format!("Let me see.\n\n{call}\n{call}"), "Let me see.", &[("get", arguments); 2]);
    check(Tagged, &format!("{call} So it is."), " So it is.", &[("get", arguments)]);
    check(
        Tagged,
        "<tool_call>{\"arguments\":{\"x\":1},\"id\":7,\"name\":\"put\"}</tool_call>",
        "",
        &[("put", "{\"x\":1}")],
    );
    check(Tagged, "<tool_call>{\"name\": \"get\"}</tool_call>", "", &[("get", "{}")]);
    check(Tagged, "<tool_call>{\"name\": \"get\", \"arguments\": null}</tool_call>", "", &[("get", "{}")]);
    check(
        Tagged,
        r#"<tool_call>{"name": "get", "arguments": "{\"a\": 1}", "more": true}</tool_call>"#,
        "",
        &[("get", r#"{"a": 1}"#)],
    );
    check(Tagged, "<tool_call>{\"name\": \"other\", \"arguments\": {}}", "", &[("other", "{}")]);
    check(Tagged, "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\": \"b", "", &[("get", "{\"a\": \"b")]);
    check(Tagged, "<tool_call>{\"name\": \"get\", \"arguments\": {}</tool_call>!", "!", &[("get", "{}")]);
}

#[test]
fn what_only_looks_like_a_tagged_call_is_text() {
    for text in [
        "",
        "  a < b\n",
        "<tool_",
        "<tool_call> is a tag",
        "<tool_call>[1]</tool_call>",
        "see <tool_call>{\"size\": 1}</tool_call>",
        "<tool_call>{\"name\": 1, \"arguments\": {}}",
        "<tool_call>{\"name\": \"get\", \"arguments\": [1]}",
        "<tool_call>{name: get}",
    ] {
        check(Tagged, text, text, &[]);
    }
    check(Tagged, "so <tool_call>\n{\"name\": \"ge", "so", &[]);
    check(
        Tagged,
        "<tool_call>no<tool_call>{\"name\": \"get\", \"arguments\": {}}</tool_call>",
        "<tool_call>no",
        &[("get", "{}")],
    );
}

#[test]
fn listed_calls_are_found() {
    let list = "[{\"name\": \"get\", \"arguments\": {\"a\": 1}}, {\"name\": \"put\", \"arguments\": {}, \"id\": \"1\"}]";
    let calls = [("get", "{\"a\": 1}"), ("put", "{}")];
    check(Listed(MISTRAL), &format!("[TOOL_CALLS] {list}"), "", &calls);
    check(Listed(MISTRAL), &format!("Well. [TOOL_CALLS]{list} "), "Well.", &calls);
    check(Listed(PIPED), &format!("<|tool_call|>{list}<|/tool_call|>"), "", &calls);
    check(Listed(MISTRAL), "[TOOL_CALLS] are marks", "[TOOL_CALLS] are marks", &[]);
    check(Listed(MISTRAL), "[1, 2]", "[1, 2]", &[]);
}

#[test]
fn spelled_calls_are_found() {
    let one = "[TOOL_CALLS]get[ARGS]{\"a\": 1}";
    check(Spelled, one, "", &[("get", "{\"a\": 1}")]);
    check(
        Spelled,
        &format!("Hm.{one}[TOOL_CALLS]put[ARGS]{{}}"),
        "Hm.",
        &[("get", "{\"a\": 1}"), ("put", "{}")],
    );
    check(Spelled, "[TOOL_CALLS]get[CALL_ID]a1b2c3d4e[ARGS]{\"a\": 1}", "", &[("get", "{\"a\": 1}")]);
    for text in ["[TOOL_CALLS]one two", "[TOOL_CALLS]get[ARGS]none", "[ARGS]{}"] {
        check(Spelled, text, text, &[]);
    }
}

#[test]
fn bare_calls_are_found() {
    let call = "{\"name\": \"get\", \"parameters\": {\"a\": 1}}";
    check(Bare, call, "", &[("get", "{\"a\": 1}")]);
    check(Bare, &format!("\n {call}; {call}"), "", &[("get", "{\"a\": 1}"); 2]);
    check(Bare, &format!("<|python_tag|>{call}"), "", &[("get", "{\"a\": 1}")]);
    check(Bare, "{\"type\": \"function\", \"name\": \"put\", \"parameters\": {}}", "", &[("put", "{}")]);
    for text in [
        "{\"name\": \"fox\", \"parameters\": {}}",
        "  {\"size\": 1}",
        "{\"a",
        "{",
        "Take {\"name\": \"get\", \"parameters\": {}}",
        "<|python_tag|>print(1)",
    ] {
        check(Bare, text, text, &[]);
    }
}

#[test]
fn arguments_are_streamed_as_they_come() {
    let mut deltas = Vec::new();
    let mut parser = ToolParser::new(Tagged, Vec::new());
    for piece in ["<tool_call>{\"name\": \"get\",", " \"arguments\":", " {\"a\"", ": 1", "}", "}"] {
        parser.push(piece, &mut |event| match event {
            Event::ToolCall(call) => deltas.push((piece, call.name.is_some(), call.arguments)),
            other => panic!("{other:?}"),
        });
    }
    let expect =
        [(" {\"a\"", true, ""), (" {\"a\"", false, "{\"a\""), (": 1", false, ": 1"), ("}", false, "}")];
    assert_eq!(deltas, expect.map(|(piece, named, arguments)| (piece, named, arguments.to_owned())));
}

/// All formats that show in samples of templates.
fn formats() -> impl Iterator<Item = ToolFormat> {
    let plain = samples::TEMPLATES.iter().filter_map(|(_, format)| *format);
    plain.chain(samples::MARKED.iter().map(|template| samples::format(template)))
}

#[test]
fn what_the_parser_finds_is_what_constrained_answers_are() {
    for format in formats() {
        let text = format.text("get");
        let (arguments, expect) = match &text.arguments {
            ArgumentText::Object => ("{\"a\": 1}".to_owned(), "{\"a\": 1}"),
            ArgumentText::Each { key, value, after, between, ends } => {
                let quote = if ends.is_some() { "" } else { "\"" };
                let text = format!("{key}a{value}{quote}x{quote}{after}{between}{key}n{value}1{after}");
                (text, "{\"a\": \"x\", \"n\": 1}")
            }
        };
        let one = format!("{}{arguments}{}", text.before, text.after);
        check(format, &format!("{}{one}{}", text.open, text.close), "", &[("get", expect)]);
        if let Some(between) = text.between {
            let two = format!("{}{one}{between}{one}{}", text.open, text.close);
            check(format, &two, "", &[("get", expect); 2]);
        }
    }
}

#[test]
fn only_texts_of_argument_by_argument_are_plain() {
    let tool = &tools()[0];
    for format in formats() {
        let plain = |argument| format.text("get").arguments.is_plain(tool, argument);
        let tagged = matches!(format, ToolFormat::Arguments(_));
        assert_eq!((plain("a"), plain("o"), plain("n")), (tagged, tagged, false), "{format:?}");
    }
}

#[test]
fn formats_show_in_templates() {
    for (template, format) in samples::TEMPLATES {
        assert_eq!(ToolFormat::of_template(template), *format, "{template}");
    }
}

#[test]
fn every_mark_in_bars_is_shown_to_the_parser() {
    for format in formats() {
        let CallText { open, before, after, close, .. } = format.text("get");
        let all = [open, before, after, close].join(" ");
        for (at, _) in all.match_indices("<|") {
            let tag = all[at..].split_inclusive('>').next().unwrap();
            assert!(format.marks().contains(&tag), "{tag} of {format:?}");
        }
    }
}
