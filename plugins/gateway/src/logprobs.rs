//! How likely tokens were, in the form of chats and in the older one of completions.

use std::collections::BTreeMap;

use inferno_sdk::inference::{Choice, Token};
use serde::Serialize;

use crate::schema::{Field, Kind, Object, may, must};

/// `logprobs` of a choice of a chat.
pub(crate) static CHAT: Object = Object {
    name: "ChatLogprobs",
    fields: &[&[
        must("content", Kind::List(&Kind::Object(&CHOSEN), 0, usize::MAX), "Every token of the answer."),
        must("refusal", Kind::Null, ""),
    ]],
};

/// A token of an answer.
pub(crate) static CHOSEN: Object = Object {
    name: "TokenLogprob",
    fields: &[
        TOKEN,
        &[must(
            "top_logprobs",
            Kind::List(&Kind::Object(&OTHER), 0, usize::MAX),
            "The likeliest in its place.",
        )],
    ],
};

static OTHER: Object = Object { name: "TopLogprob", fields: &[TOKEN] };

const TOKEN: &[Field] = &[
    must("token", Kind::Text, "Its text; a part of a character is shown as U+FFFD."),
    must("logprob", LOGPROB, "The natural logarithm of its probability."),
    must("bytes", Kind::List(&Kind::Integer(0, 255), 0, usize::MAX), "Its bytes."),
];

/// `logprobs` of a choice of a completion.
pub(crate) static LEGACY: Object = Object {
    name: "Logprobs",
    fields: &[&[
        must("tokens", Kind::List(&Kind::Text, 0, usize::MAX), "The texts of the tokens."),
        must("token_logprobs", Kind::List(&LOGPROB, 0, usize::MAX), "How likely each was."),
        may(
            "top_logprobs",
            Kind::List(&Kind::Map(&LOGPROB), 0, usize::MAX),
            "For each, the likeliest in its place.",
        ),
        must(
            "text_offset",
            Kind::List(&Kind::Integer(0, i64::MAX), 0, usize::MAX),
            "Where each begins, in characters.",
        ),
    ]],
};

const LOGPROB: Kind = Kind::Number(FLOOR as f64, 0.001);

/// What stands for "never", since JSON has no infinity.
const FLOOR: f32 = -9999.0;

#[derive(Serialize)]
struct One<'a> {
    token: String,
    logprob: f32,
    bytes: &'a [u8],
}

/// A token of an answer with the likeliest in its place.
#[derive(Serialize)]
pub(crate) struct Chosen<'a> {
    #[serde(flatten)]
    token: One<'a>,
    top_logprobs: Vec<One<'a>>,
}

/// The form of chats.
#[derive(Serialize)]
pub(crate) struct ChatForm<'a> {
    content: Vec<Chosen<'a>>,
    refusal: (),
}

/// The older form.
#[derive(Serialize)]
pub(crate) struct LegacyForm {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    top_logprobs: Option<Vec<BTreeMap<String, f32>>>,
    text_offset: Vec<usize>,
}

fn logprob(token: &Token) -> f32 {
    token.logprob.clamp(FLOOR, 0.0)
}

impl<'a> From<&'a Token> for One<'a> {
    fn from(token: &'a Token) -> Self {
        let text = String::from_utf8_lossy(&token.bytes).into_owned();
        Self { token: text, logprob: logprob(token), bytes: &token.bytes }
    }
}

impl<'a> From<&'a Choice> for Chosen<'a> {
    fn from(choice: &'a Choice) -> Self {
        Self { token: (&choice.token).into(), top_logprobs: choice.top.iter().map(Into::into).collect() }
    }
}

/// Each token of an answer.
pub(crate) fn chosen(choices: &[Choice]) -> Vec<Chosen<'_>> {
    choices.iter().map(Into::into).collect()
}

impl<'a> From<&'a [Choice]> for ChatForm<'a> {
    fn from(choices: &'a [Choice]) -> Self {
        Self { content: chosen(choices), refusal: () }
    }
}

impl LegacyForm {
    /// `offset` is where the first token begins, in characters; it is moved to the end of the last one.
    pub(crate) fn new(choices: &[Choice], offset: &mut usize) -> Self {
        let with_top = choices.iter().any(|choice| !choice.top.is_empty());
        let top = |choice: &Choice| choice.top.iter().map(|token| (text(token), logprob(token))).collect();
        let starts = choices.iter().map(|choice| {
            let start = *offset;
            // Each character is counted with the token that has its first byte.
            *offset += choice.token.bytes.iter().filter(|byte| !is_continued(**byte)).count();
            start
        });
        Self {
            text_offset: starts.collect(),
            tokens: choices.iter().map(|choice| text(&choice.token)).collect(),
            token_logprobs: choices.iter().map(|choice| logprob(&choice.token)).collect(),
            top_logprobs: with_top.then(|| choices.iter().map(top).collect()),
        }
    }
}

/// Whether this is a byte of a character that is not its first.
fn is_continued(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// The token's text; where it is a part of a character, its bytes as OpenAI writes them.
fn text(token: &Token) -> String {
    match str::from_utf8(&token.bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => token.bytes.iter().fold("bytes:".to_owned(), |text, byte| format!("{text}\\x{byte:02x}")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn token(text: &[u8], logprob: f32) -> Token {
        Token { id: 7, bytes: text.into(), logprob }
    }

    pub(crate) fn choice(text: &[u8], logprob: f32, top: &[Token]) -> Choice {
        Choice { token: token(text, logprob), top: top.to_vec() }
    }

    #[test]
    fn chats_have_tokens_with_bytes_and_alternatives() {
        let choices = [
            choice(b"Hi", -0.5, &[token(b"Hi", -0.5), token(b"\xc3", f32::NEG_INFINITY)]),
            choice(b"\xa4", 0.0, &[]),
        ];
        let form = serde_json::to_value(ChatForm::from(&choices[..])).unwrap();
        assert_eq!(
            form,
            json!({"refusal": null, "content": [
                {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [
                    {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
                    {"token": "\u{fffd}", "logprob": -9999.0, "bytes": [195]},
                ]},
                {"token": "\u{fffd}", "logprob": 0.0, "bytes": [164], "top_logprobs": []},
            ]})
        );
    }

    #[test]
    fn completions_have_lists_and_offsets_in_characters() {
        let choices =
            [choice(b"\xc3", -1.0, &[token(b"\xc3", -1.0), token(b"b", -2.0)]), choice(b"\xa4b", -0.5, &[])];
        let mut offset = 3;
        let form = serde_json::to_value(LegacyForm::new(&choices, &mut offset)).unwrap();
        assert_eq!(
            form,
            json!({
                "tokens": ["bytes:\\xc3", "bytes:\\xa4\\x62"], "token_logprobs": [-1.0, -0.5],
                "top_logprobs": [{"bytes:\\xc3": -1.0, "b": -2.0}, {}], "text_offset": [3, 4],
            })
        );
        assert_eq!(offset, 5);
        let bare = serde_json::to_value(LegacyForm::new(&choices[1..], &mut 0)).unwrap();
        assert_eq!(bare["top_logprobs"], json!(null));
    }
}
