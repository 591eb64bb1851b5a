//! The filter as the host calls it.

use std::collections::BTreeMap;

use inferno_sdk::filter::sse::Events;
use serde_json::{Value, json};

use super::*;

fn request(body: &str) -> RequestAction {
    let head = RequestHead::new("POST", "/v1/chat/completions");
    Redact::default().request(head, body.as_bytes().to_vec()).unwrap()
}

/// What the client sees of an answer that arrives in these pieces.
fn answer(media_type: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let mut filter = Redact::default();
    let head = ResponseHead::new(200).with_header("content-type", media_type);
    assert_eq!(filter.response(head)?, ResponseAction::Filter);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(filter.chunk(piece.to_vec(), false)?);
    }
    out.extend(filter.chunk(Vec::new(), true)?);
    Ok(out)
}

fn stream(pieces: &[&[u8]]) -> String {
    String::from_utf8(answer("text/event-stream; charset=utf-8", pieces).unwrap()).unwrap()
}

fn event(choice: usize, content: &str) -> String {
    let delta = json!({ "content": content });
    format!("data: {{ \"id\":\"x\", \"choices\":[{{\"delta\":{delta},\"index\":{choice}}}] }}\n\n")
}

/// The text of each choice in a stream.
fn texts(stream: &str) -> BTreeMap<u64, String> {
    let mut texts = BTreeMap::<u64, String>::new();
    let mut events = Events::new();
    let read = |event: inferno_sdk::filter::sse::Event<'_>| {
        let data = event.data().unwrap_or_default();
        let value: Value = serde_json::from_str(&data).unwrap_or_default();
        for choice in value["choices"].as_array().into_iter().flatten() {
            let text = choice["delta"]["content"].as_str().unwrap_or_default();
            texts.entry(choice["index"].as_u64().unwrap()).or_default().push_str(text);
        }
        Ok(())
    };
    events.push(stream.as_bytes(), read).unwrap();
    texts
}

#[test]
fn prompts_are_masked_and_the_rest_stays() {
    let body = r#"{ "model":"a@b.gguf", "messages":[{"role":"user","content":"I am jo\u0040example.com\n"},
        {"role":"user","content":[{"type":"text","text":"or ann@example.org"}]}], "stream" : true }"#;
    let expect = r#"{ "model":"a@b.gguf", "messages":[{"role":"user","content":"I am [e-mail]\n"},
        {"role":"user","content":[{"type":"text","text":"or [e-mail]"}]}], "stream" : true }"#;
    assert_eq!(request(body), RequestAction::Replace(expect.as_bytes().to_vec()));
    let body = r#"{"prompt":["a","jo@example.com"]}"#;
    assert_eq!(request(body), RequestAction::Replace(br#"{"prompt":["a","[e-mail]"]}"#.to_vec()));
    assert_eq!(request(r#"{"prompt":"5 @ 3.50"}"#), RequestAction::Pass);
    assert_eq!(request(""), RequestAction::Pass);
}

#[test]
fn what_cannot_be_masked_is_refused() {
    let refused = |body: &str, why: &str| {
        let RequestAction::Refuse(refusal) = request(body) else { panic!("{body} is not refused") };
        assert_eq!(refusal.status, 400);
        assert!(refusal.message.contains(why), "{}", refusal.message);
    };
    refused(r#"{"prompt":"jo@example.com""#, "not JSON");
    refused(r#"{"prompt":"a","logprobs":true}"#, "logprobs");
    refused(r#"{"prompt":"a","logprobs":0}"#, "logprobs");
    assert_eq!(request(r#"{"prompt":"a","logprobs":false,"top_logprobs":null}"#), RequestAction::Pass);
    assert!(answer("application/json", &[b"{\"a\":\"jo@example.com\""]).is_err());
    let zipped = ResponseHead::new(200).with_header("content-encoding", "gzip");
    assert!(Redact::default().response(zipped).is_err());
}

#[test]
fn whole_answers_are_masked() {
    let body = br#"{"model":"m@x.gguf","choices":[{"message":{"content":"jo@example.com"}}]}"#;
    let expect = r#"{"model":"m@x.gguf","choices":[{"message":{"content":"[e-mail]"}}]}"#;
    for cut in 0..body.len() {
        let (first, second) = body.split_at(cut);
        let out = answer("application/json", &[first, second]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }
    let plain = ResponseHead::new(200).with_header("content-type", "text/plain");
    assert_eq!(Redact::default().response(plain).unwrap(), ResponseAction::Pass);
}

#[test]
fn an_address_in_several_events_is_masked() {
    let parts = ["To", " jo", ".doe", "@", "exa", "mple", ".", "com", ".", " Bye", "!"];
    let all: String = parts.iter().map(|part| event(0, part)).collect();
    let masked = ["To", " [e-mail]", "", "", "", "", "", "", ".", " Bye", "!"];
    let expect: String = masked.iter().map(|part| event(0, part)).collect();
    assert_eq!(stream(&[all.as_bytes()]), expect);
}

#[test]
fn streams_without_addresses_stay_byte_by_byte() {
    let all = ": hello\n\n".to_owned()
        + &event(0, "Mail @ 5")
        + "event: x\r\ndata:{\"choices\":[{\"text\":\"a \\u00e9b\"}],\r\ndata: \"usage\":null}\r\n\r\n"
        + &event(1, "a@b")
        + "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n";
    for cut in 0..all.len() {
        let (first, second) = all.as_bytes().split_at(cut);
        assert_eq!(stream(&[first, second]), all, "cut at {cut}");
    }
}

#[test]
fn an_event_waits_only_for_the_word_to_end() {
    let mut filter = Redact::default();
    filter.response(ResponseHead::new(200).with_header("content-type", "text/event-stream")).unwrap();
    let mut send = |text: String| String::from_utf8(filter.chunk(text.into_bytes(), false).unwrap()).unwrap();
    assert_eq!(send(event(0, "One ")), event(0, "One "));
    assert_eq!(send(event(0, "two")), "");
    assert_eq!(send(": still here\n\n".to_owned()), ": still here\n\n");
    assert_eq!(send(event(0, " three")), event(0, "two"));
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(send(end.to_owned()), event(0, " three") + end);
}

#[test]
fn a_text_that_another_follows_is_not_waited_for() {
    let thought = "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"so\"}}]}\n\n";
    let mut filter = Redact::default();
    filter.response(ResponseHead::new(200).with_header("content-type", "text/event-stream")).unwrap();
    let mut send = |text: &str| String::from_utf8(filter.chunk(text.into(), false).unwrap()).unwrap();
    assert_eq!(send(thought), "");
    assert_eq!(send(&event(0, "Yes.. ")), thought.to_owned() + &event(0, "Yes.. "));
}

#[test]
fn tools_are_called_with_masked_arguments() {
    let call = |tool: usize, text: &str| {
        let calls = json!([{ "function": { "arguments": text }, "index": tool }]);
        format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":{calls}}},\"index\":0}}]}}\n\n")
    };
    let all = call(0, "{\"to\":\"jo@ex") + &call(0, "ample.com\"}") + &call(1, "a@b") + &call(1, ".com");
    let expect = call(0, "{\"to\":\"[e-mail]") + &call(0, "\"}") + &call(1, "[e-mail]") + &call(1, "");
    assert_eq!(stream(&[all.as_bytes()]), expect);
}

#[test]
fn events_in_other_shapes_are_masked_too() {
    let check = |data: &str, expect: &str| {
        assert_eq!(stream(&[format!("data: {data}\n\n").as_bytes()]), format!("data: {expect}\n\n"));
    };
    check(r#"{"error":{"message":"no jo@example.com"}}"#, r#"{"error":{"message":"no [e-mail]"}}"#);
    check("jo@example.com", "[e-mail]");
}

#[test]
fn what_waits_is_bounded() {
    let mut filter = Redact::default();
    filter.response(ResponseHead::new(200).with_header("content-type", "text/event-stream")).unwrap();
    filter.chunk(event(0, "jo").into_bytes(), false).unwrap();
    let filler = format!("data: {{\"x\":\"{}\"}}\n\n", " ".repeat(100_000)).into_bytes();
    let failed = (0..20).find_map(|_| filter.chunk(filler.clone(), false).err());
    assert!(failed.expect("no more is held").message.contains("held back"));
}

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    /// Cuts a text into pieces, between characters.
    fn cut<'a>(&mut self, mut text: &'a str) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        while !text.is_empty() {
            let (piece, rest) = text.split_at(text.ceil_char_boundary(1 + self.below(text.len().min(12))));
            pieces.push(piece);
            text = rest;
        }
        pieces
    }
}

/// Whether a text has an address, found in another way than the filter does.
fn has_address(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let local = text[..at].rsplit(|c: char| !(c.is_ascii_alphanumeric() || "._%+-".contains(c))).next();
        let named =
            local.is_some_and(|local| local.contains(|c: char| c.is_ascii_alphanumeric() || c == '_'));
        let domain: Vec<&str> = text[at + 1..]
            .split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)))
            .next()
            .unwrap_or_default()
            .split('.')
            .collect();
        // The labels before the first empty one.
        let labels = domain.iter().take_while(|label| !label.is_empty()).count();
        let top = |label: &&str| {
            let letters = label.bytes().take_while(u8::is_ascii_alphabetic).count();
            letters >= 2
        };
        before.is_some() && named && domain[..labels].iter().skip(1).any(top)
    })
}

#[test]
fn however_a_stream_is_cut_its_text_is_the_same_and_has_no_address() {
    const WORDS: [&str; 20] = [
        "jo@example.com",
        "ann.b+c@mail.example.co.uk",
        "é@müller.de",
        "@",
        ".",
        " ",
        "a",
        "jo",
        "@x",
        ".com",
        "-",
        "_",
        "\n",
        "\"",
        "\\",
        "[e-mail]",
        "日本",
        "5@3",
        "x@y.z",
        "a@b@c.io",
    ];
    assert!(has_address("a jo@example.com b") && has_address("x@y.co") && !has_address("a@b 5@3.5 x@y.z"));
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut masked_some = 0;
    for round in 0..3000 {
        let choices: Vec<String> = (0..1 + numbers.below(2))
            .map(|_| (0..numbers.below(12)).map(|_| WORDS[numbers.below(WORDS.len())]).collect())
            .collect();
        let mut parts: Vec<(usize, &str)> = Vec::new();
        for (choice, text) in choices.iter().enumerate() {
            for piece in numbers.cut(text) {
                // Pieces of the choices take turns, in any way that keeps the order within each.
                let after = parts.iter().rposition(|(other, _)| *other == choice).map_or(0, |last| last + 1);
                let place = after + numbers.below(parts.len() - after + 1);
                parts.insert(place, (choice, piece));
            }
        }
        let mut all: String = parts.iter().map(|(choice, piece)| event(*choice, piece)).collect();
        if numbers.below(2) == 0 {
            all.push_str("data: [DONE]\n\n");
        }
        let out = stream(&[all.as_bytes()]);
        for (choice, text) in texts(&out) {
            let choice = &choices[usize::try_from(choice).unwrap()];
            let expect = address::mask(choice);
            masked_some += usize::from(expect.is_some());
            assert_eq!(text, expect.unwrap_or_else(|| choice.clone()), "round {round}: {parts:?}");
            assert!(!has_address(&text), "round {round}: {text:?} of {choice:?}");
        }
        let pieces = numbers.cut(&all);
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        assert_eq!(stream(&pieces), out, "round {round}: cut differently");
    }
    assert!(masked_some > 1000, "{masked_some} texts had an address");
}
