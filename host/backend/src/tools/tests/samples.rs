//! Samples of what models write, one format after the other, and of the templates that show it.

use super::super::ToolFormat::{self, Bare, Channels, Listed, Python, Spelled, Tagged};
use super::super::format::{ACTION, MISTRAL, PIPED, PYTHON_LIST};
use super::{ToolParser, check, tools};
use crate::Event;

const DEEPSEEK: &str = "{{ tools }}<｜tool▁calls▁begin｜>";
const DEEPSEEK_FENCED: &str = "{{ tools }}<｜tool▁calls▁begin｜>{{ name }}\n```json\n";
const KIMI: &str = "{{ tools }}<|tool_calls_section_begin|><|tool_call_begin|>";
const GLM: &str = "{{ tools }}<tool_call>{name}\n<arg_key>{k}</arg_key>\n<arg_value>";
const GLM_COMPACT: &str = "{{ tools }}<tool_call>{name}<arg_key>{k}</arg_key><arg_value>";
const QWEN_CODER: &str = "{{ tools }}<tool_call>\n<function=name>\n<parameter=key>";
const SEED: &str = "{{ tools }}<seed:tool_call>\n<function=name>\n<parameter=key>";
const MINIMAX: &str = "{{ tools }}<minimax:tool_call>\n<invoke name=\"name\">";

/// Templates, and the formats that show in them.
pub(super) const TEMPLATES: &[(&str, Option<ToolFormat>)] = &[
    ("{% if tools %}<tool_call>\n{\"name\"", Some(Tagged)),
    ("{% for tool in tools %}[TOOL_CALLS] [", Some(Listed(MISTRAL))),
    ("{% for tool in tools %}[TOOL_CALLS]{{ name }}[ARGS]", Some(Spelled)),
    ("{% if tools %}<|tool_call|>", Some(Listed(PIPED))),
    ("{% if tools %}write <|START_ACTION|> followed by \"tool_name\"", Some(Listed(ACTION))),
    ("{% if tools %}<|python_tag|>", Some(Bare)),
    ("{{ tools }}Answer {\"name\": function name, \"parameters\": dictionary}", Some(Bare)),
    ("{{ '{\\\"name\\\": ...' }}{{ tools }}{{ \"\\\"arguments\\\"\" }}", Some(Bare)),
    ("{{ tools }}put it in the format of [func_name1(params_name1=params_value1)]", Some(Python(""))),
    ("{{ tools }}<|tool_call_start|>[", Some(Python(PYTHON_LIST))),
    ("<|start|>assistant<|channel|>final<|message|>", Some(Channels)),
    ("{% if tools %}<tool_call><function=name>", None),
    ("{% if tools %}<function=name>{json}</function>", None),
    ("{% if tools %}call them as you like", None),
    ("<tool_call>{{ messages }}", None),
];

/// Templates of formats that have marks of their own.
pub(super) const MARKED: &[&str] =
    &[DEEPSEEK, DEEPSEEK_FENCED, KIMI, GLM, GLM_COMPACT, QWEN_CODER, SEED, MINIMAX];

pub(super) fn format(template: &str) -> ToolFormat {
    ToolFormat::of_template(template).unwrap()
}

#[test]
fn deepseek_calls_are_found() {
    let (begin, end) = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>");
    let fenced = |name: &str, json: &str| {
        format!("<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{json}\n```<｜tool▁call▁end｜>")
    };
    let plain = |name: &str, json: &str| {
        format!("<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{json}<｜tool▁call▁end｜>")
    };
    let calls = [("get", "{\"a\": \"}é```\"}"), ("put", "{}")];
    for format in [format(DEEPSEEK), format(DEEPSEEK_FENCED)] {
        for one in [&fenced as &dyn Fn(&str, &str) -> String, &plain] {
            let [first, second] = calls.map(|(name, json)| one(name, json));
            check(format, &format!("{begin}{first}{end}"), "", &calls[..1]);
            check(format, &format!("Well.\n\n{begin}{first}\n{second}{end}"), "Well.", &calls);
            check(format, &format!("{begin}{first}{second}{end} So."), " So.", &calls);
            check(format, &format!("{first}{second}"), "", &calls);
            let thought = format!("<think>\nhm\n</think>\n\nI look.{begin}{first}{end}");
            check(format, &thought, "<think>\nhm\n</think>\n\nI look.", &calls[..1]);
        }
        let cut = format!("{begin}<｜tool▁call▁begin｜>get<｜tool▁sep｜>{{\"a");
        check(format, &cut, "", &[("get", "{\"a")]);
        for text in [
            "a <｜tool",
            "<｜tool▁sep｜>",
            &format!("{begin} are: marks!"),
            &format!("{begin}get<｜tool▁sep｜>name\n[1]"),
        ] {
            check(format, text, text, &[]);
        }
    }
    assert_ne!(format(DEEPSEEK), format(DEEPSEEK_FENCED));
}

#[test]
fn kimi_calls_are_found() {
    let one = |name: &str, number: u8, json: &str| {
        format!(
            "<|tool_call_begin|>functions.{name}:{number}<|tool_call_argument_begin|>{json}<|tool_call_end|>"
        )
    };
    let two = one("get", 0, "{\"a\": 1}") + &one("put", 1, "{}");
    let whole = format!("Hm.<|tool_calls_section_begin|>{two}<|tool_calls_section_end|>");
    check(format(KIMI), &whole, "Hm.", &[("get", "{\"a\": 1}"), ("put", "{}")]);
}

#[test]
fn glm_calls_are_found() {
    let arguments = r#"{"a": "1 < 2 \"é\"", "n": 7, "l": ["x", 1], "o": null}"#;
    let calls = [("get", arguments), ("put", "{}")];
    let call = "<tool_call>get\n<arg_key>a</arg_key>\n<arg_value>1 < 2 \"é\"</arg_value>\n<arg_key>n</arg_key>\n\
                <arg_value>7</arg_value>\n<arg_key>l</arg_key>\n<arg_value>[\"x\", 1]</arg_value>\n\
                <arg_key>o</arg_key>\n<arg_value>null</arg_value>\n</tool_call>";
    for template in [GLM, GLM_COMPACT] {
        let format = format(template);
        check(format, call, "", &calls[..1]);
        check(format, &call.replace('\n', ""), "", &calls[..1]);
        let thought = format!("<think>a</think>\nSo:\n{call}\n<tool_call>put\n</tool_call>\n");
        check(format, &thought, "<think>a</think>\nSo:", &calls);
        check(format, "<tool_call>put</tool_call>!", "!", &calls[1..]);
        let cut = "<tool_call>other\n<arg_key>x</arg_key><arg_value>1";
        check(format, cut, "", &[("other", "{\"x\": ")]);
        for text in [
            "<tool_call> is a tag",
            "<tool_call>{\"name\": 1}</tool_call>",
            "a <tool",
            "<arg_key>a</arg_key>",
        ] {
            check(format, text, text, &[]);
        }
    }
    assert_ne!(format(GLM), format(GLM_COMPACT));
}

#[test]
fn qwen_coder_calls_are_found() {
    let format = format(QWEN_CODER);
    let call = "<tool_call>\n<function=get>\n<parameter=a>\nif x < 1:\n    return \"</para\"\n\n</parameter>\n\
                <parameter=n>\n12\n</parameter>\n<parameter=l>\n['x', True]\n</parameter>\n</function>\n</tool_call>";
    let arguments = r#"{"a": "if x < 1:\n    return \"</para\"\n", "n": 12, "l": ["x", true]}"#;
    check(format, call, "", &[("get", arguments)]);
    check(format, &format!("I see.\n{call}\n{call}\n"), "I see.", &[("get", arguments); 2]);
    check(format, "<tool_call>\n<function=put>\n</function>\n</tool_call>", "", &[("put", "{}")]);
    // Without the outer tag, a known name makes a call of it. The tag of the function may be left open.
    check(format, "<function=put></function>.", ".", &[("put", "{}")]);
    check(
        format,
        "<tool_call><function=get><parameter=a></parameter><parameter=o>\n1\n</parameter></tool_call>",
        "",
        &[("get", r#"{"a": "", "o": "1"}"#)],
    );
    let cut = "<tool_call><function=get><parameter=a>\nab\n";
    check(format, cut, "", &[("get", "{\"a\": \"ab")]);
    for text in [
        "<function=fox>",
        "<tool_call>\n{\"name\": \"put\"}",
        "see <function=pu",
        "<func",
        "<tool_call>put it",
    ] {
        check(format, text, text, &[]);
    }
}

#[test]
fn texts_of_arguments_are_streamed() {
    let mut deltas = Vec::new();
    let mut parser = ToolParser::new(format(QWEN_CODER), tools());
    let pieces = [
        "<tool_call>\n<function=get>\n",
        "<parameter=a>",
        "\nlong",
        " te",
        "xt\n</par",
        "ameter>\n</func",
        "tion>",
    ];
    for piece in pieces {
        parser.push(piece, &mut |event| match event {
            Event::ToolCall(call) => deltas.push((piece, call.arguments)),
            other => panic!("{other:?}"),
        });
    }
    let deltas: Vec<_> = deltas.iter().map(|(piece, arguments)| (*piece, arguments.as_str())).collect();
    let expect = pieces.into_iter().zip(["", "{\"a\": \"", "long", " te", "xt", "\"", "}"]);
    assert_eq!(deltas, expect.collect::<Vec<_>>());
}

#[test]
fn calls_with_other_tags_are_found() {
    let seed = "<seed:tool_call>\n<function=get>\n<parameter=a>two\nlines</parameter>\n</function>\n</seed:tool_call>";
    check(format(SEED), seed, "", &[("get", "{\"a\": \"two\\nlines\"}")]);
    let minimax = "Ok.\n<minimax:tool_call>\n<invoke name=\"get\">\n<parameter name=\"n\">3</parameter>\n</invoke>\n\
                   <invoke name=\"put\">\n</invoke>\n</minimax:tool_call>";
    check(format(MINIMAX), minimax, "Ok.", &[("get", "{\"n\": 3}"), ("put", "{}")]);
}

#[test]
fn actions_are_found_and_thoughts_are_not_shown() {
    let action = "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get\", \"parameters\": {\"a\": 1}},\n    \
                  {\"tool_call_id\": \"1\", \"tool_name\": \"put\", \"parameters\": {}}\n]<|END_ACTION|>";
    let calls = [("get", "{\"a\": 1}"), ("put", "{}")];
    check(Listed(ACTION), action, "", &calls);
    let thought = format!("<|START_THINKING|>I <co> will.<|END_THINKING|>{action}");
    check(Listed(ACTION), &thought, "", &calls);
    check(Listed(ACTION), "<|START_RESPONSE|>So it is.<|END_RESPONSE|>", "So it is.", &[]);
}

#[test]
fn messages_go_where_their_channels_say() {
    let analysis = "<|channel|>analysis<|message|>The user < wants\n<|end|>";
    let call = "<|start|>assistant<|channel|>commentary to=functions.get <|constrain|>json<|message|>\
                {\"a\": \"<|x}\"}<|call|>";
    let calls = [("get", "{\"a\": \"<|x}\"}")];
    check(Channels, &format!("{analysis}{call}"), "", &calls);
    check(Channels, &format!("{analysis}{}", call.replace("<|call|>", "")), "", &calls);
    let early =
        "<|start|>assistant to=functions.get<|channel|>commentary json<|message|>{\"a\": \"<|x}\"}<|end|>";
    check(Channels, &format!("{analysis}{early}"), "", &calls);
    check(Channels, early.trim_start_matches("<|start|>assistant"), "", &calls);
    check(
        Channels,
        &format!("{analysis}<|start|>assistant<|channel|>final<|message|> Yes: 1 <| 2.\n<|return|>"),
        " Yes: 1 <| 2.\n",
        &[],
    );
    let preamble = "<|channel|>commentary<|message|>First I look.<|end|>";
    check(Channels, &format!("{preamble}{call}"), "First I look.", &calls);
    check(Channels, &format!("{preamble}{call}{call}"), "First I look.", &[calls[0], calls[0]]);
    check(Channels, "<|channel|>commentary to=python code<|message|>1 + 1<|call|>", "", &[]);
    check(Channels, "<|channel|>final<|message|>a<|end|><|start|>user<|message|>b", "a", &[]);
    check(Channels, "<|channel|>analysis<|message|>Only thou", "", &[]);
    for text in ["{\"a\": 1}", "plain", "<|", ""] {
        check(Channels, text, text, &[]);
    }
    // Who has no tools cannot be called.
    let mut parser = ToolParser::new(Channels, Vec::new());
    parser.push(call, &mut |event| panic!("{event:?}"));
    assert_eq!(parser.calls(), 0);
}

#[test]
fn calls_in_python_are_found() {
    let list = "[get(a=\"x, (y)\", n=-3, l=['é', None, {'k': 1.5}]), put()]";
    let calls = [("get", r#"{"a": "x, (y)", "n": -3, "l": ["é", null, {"k": 1.5}]}"#), ("put", "{}")];
    let (llama, lfm) = (Python(""), Python(PYTHON_LIST));
    check(llama, list, "", &calls);
    check(llama, &format!("\n<|python_start|>{list}<|python_end|>"), "", &calls);
    check(lfm, &format!("I look.\n<|tool_call_start|>{list}<|tool_call_end|>Done."), "I look.Done.", &calls);
    check(lfm, list, list, &[]);
    check(llama, "[get( a = 1 , ) , put( )] x", " x", &[("get", "{\"a\": 1}"), ("put", "{}")]);
    check(llama, "[get(a=\"x", "", &[("get", "")]);
    check(llama, "[get(1)]", "1)]", &[("get", "{}")]);
    for text in ["[1, 2]", "[get]", "[fox(a=1)]", "see [get(a=1)]", "[", "[ge", "<|python_tag|>print(1)"] {
        check(llama, text, text, &[]);
    }
}
