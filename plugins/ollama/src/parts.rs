//! What an answer consists of, in Ollama's words.

use inferno_sdk::inference::{Choice, Piece, Token, ToolCallDelta};
use serde::Serialize;
use serde_json::Value;

/// What has come of an answer and was not told yet.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) text: String,
    pub(crate) logprobs: Vec<Logprob>,
    /// Told as wholes, so not before the end.
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ToolCall {
    id: String,
    function: Function,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Function {
    index: usize,
    name: String,
    arguments: Value,
}

/// How likely a token was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Logprob {
    #[serde(flatten)]
    chosen: TokenLogprob,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_logprobs: Vec<TokenLogprob>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct TokenLogprob {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

impl Parts {
    pub(crate) fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.text.push_str(&text),
            Piece::Choices(choices) => self.logprobs.extend(choices.into_iter().map(Logprob::from)),
            Piece::ToolCall(ToolCallDelta { index, id, name, arguments }) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                match self.calls.get_mut(index) {
                    Some(call) => call.arguments.push_str(&arguments),
                    None => {
                        let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                        self.calls.push(Call { id, name, arguments });
                    }
                }
            }
        }
    }

    /// The calls. One whose arguments were cut off, where the answer had its length, is none.
    pub(crate) fn calls(&mut self) -> Vec<ToolCall> {
        let whole = |(index, Call { id, name, arguments })| {
            let arguments = if arguments.is_empty() { "{}" } else { &*arguments };
            let arguments = serde_json::from_str(arguments).ok()?;
            Some(ToolCall { id, function: Function { index, name, arguments } })
        };
        std::mem::take(&mut self.calls).into_iter().enumerate().filter_map(whole).collect()
    }
}

impl From<Choice> for Logprob {
    fn from(Choice { token, top }: Choice) -> Self {
        Self { chosen: token.into(), top_logprobs: top.into_iter().map(Into::into).collect() }
    }
}

impl From<Token> for TokenLogprob {
    fn from(Token { bytes, logprob, .. }: Token) -> Self {
        Self { token: String::from_utf8_lossy(&bytes).into_owned(), logprob, bytes }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(index: u32, name: Option<&str>, arguments: &str) -> Piece {
        Piece::ToolCall(ToolCallDelta {
            index,
            id: name.map(|_| format!("call_{index}")),
            name: name.map(Into::into),
            arguments: arguments.into(),
        })
    }

    #[test]
    fn calls_are_put_together() {
        let mut parts = Parts::default();
        for piece in [
            call(0, Some("f"), ""),
            call(0, None, "{\"a\":"),
            call(0, None, "1}"),
            call(1, Some("g"), ""),
            call(2, Some("h"), "{\"cut"),
        ] {
            parts.take(piece);
        }
        assert_eq!(
            serde_json::to_value(parts.calls()).unwrap(),
            json!([
                {"id": "call_0", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}},
                {"id": "call_1", "function": {"index": 1, "name": "g", "arguments": {}}},
            ])
        );
        assert!(parts.calls().is_empty());
    }

    #[test]
    fn likelihoods_have_ollamas_names() {
        let token = |bytes: &[u8], logprob| Token { id: 1, bytes: bytes.to_vec(), logprob };
        let choice = |top| Choice { token: token(b"a", -0.5), top };
        let mut parts = Parts::default();
        parts.take(Piece::Choices(vec![
            choice(vec![token(b"a", -0.5), token(b"\xc3", -1.0)]),
            choice(vec![]),
        ]));
        parts.take(Piece::Text("a".into()));
        assert_eq!(parts.text, "a");
        assert_eq!(
            serde_json::to_value(&parts.logprobs).unwrap(),
            json!([
                {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [
                    {"token": "a", "logprob": -0.5, "bytes": [97]}, {"token": "\u{fffd}", "logprob": -1.0, "bytes": [195]}]},
                {"token": "a", "logprob": -0.5, "bytes": [97]},
            ])
        );
    }
}
