//! The blocks of an answer: they open, grow and close as the model writes, and put together they are the answer.

use inferno_sdk::inference::{Piece, ToolCallDelta};
use serde::Serialize;
use serde_json::Value;

/// What happens to a block, as a streaming client reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change {
    #[serde(rename = "content_block_start")]
    Start { index: usize, content_block: Block },
    #[serde(rename = "content_block_delta")]
    Delta { index: usize, delta: Delta },
    #[serde(rename = "content_block_stop")]
    Stop { index: usize },
}

impl Change {
    /// The type, which is the event's name as well.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "content_block_start",
            Self::Delta { .. } => "content_block_delta",
            Self::Stop { .. } => "content_block_stop",
        }
    }
}

/// A block of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Text { text: String },
    ToolUse { id: String, name: String, input: Value },
}

/// More of a block.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: String },
}

/// Turns what the model writes into changes of blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    one_call: bool,
    /// How many have closed.
    closed: usize,
    open: Option<Open>,
    called: bool,
    /// What the model wrote, where the answer may end before the model does: the tokens have to be counted then.
    written: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    /// The call with this number.
    Call(u32),
}

impl Blocks {
    /// `one_call`: a second call ends the answer.
    pub(crate) fn new(one_call: bool) -> Self {
        let written = one_call.then(String::new);
        Self { one_call, closed: 0, open: None, called: false, written }
    }

    /// Takes more of the answer; true where it ends here, whatever else the model would write.
    pub(crate) fn take(&mut self, piece: Piece, each: &mut impl FnMut(Change)) -> bool {
        match piece {
            Piece::Text(text) => {
                self.note(&text);
                self.text(text, each);
                false
            }
            Piece::ToolCall(call) => self.call(call, each),
            Piece::Choices(_) => false,
        }
    }

    /// Closes what is open.
    pub(crate) fn finish(&mut self, each: &mut impl FnMut(Change)) {
        self.close(each);
    }

    /// A tool was called.
    pub(crate) fn called(&self) -> bool {
        self.called
    }

    /// What the model wrote so far, where the answer could have ended before the model did.
    pub(crate) fn written(&self) -> &str {
        self.written.as_deref().unwrap_or_default()
    }

    fn text(&mut self, text: String, each: &mut impl FnMut(Change)) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(Open::Text) {
            self.start(Open::Text, Block::Text { text: String::new() }, each);
        }
        each(Change::Delta { index: self.closed, delta: Delta::Text { text } });
    }

    fn call(&mut self, call: ToolCallDelta, each: &mut impl FnMut(Change)) -> bool {
        let ToolCallDelta { index, id, name, arguments } = call;
        if self.open != Some(Open::Call(index)) {
            if self.called && self.one_call {
                return true;
            }
            let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
            self.note(&name);
            self.called = true;
            self.start(
                Open::Call(index),
                Block::ToolUse { id, name, input: Value::Object(Default::default()) },
                each,
            );
        }
        if !arguments.is_empty() {
            self.note(&arguments);
            let delta = Delta::Input { partial_json: arguments };
            each(Change::Delta { index: self.closed, delta });
        }
        false
    }

    fn start(&mut self, open: Open, block: Block, each: &mut impl FnMut(Change)) {
        self.close(each);
        self.open = Some(open);
        each(Change::Start { index: self.closed, content_block: block });
    }

    fn close(&mut self, each: &mut impl FnMut(Change)) {
        if self.open.take().is_some() {
            each(Change::Stop { index: self.closed });
            self.closed += 1;
        }
    }

    fn note(&mut self, text: &str) {
        if let Some(written) = &mut self.written {
            written.push_str(text);
        }
    }
}

/// Blocks put together.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    blocks: Vec<Block>,
    /// What has come of the arguments of the call that is open.
    input: String,
}

impl Whole {
    pub(crate) fn take(&mut self, change: Change) {
        match (change, self.blocks.last_mut()) {
            (Change::Start { content_block, .. }, _) => self.blocks.push(content_block),
            (Change::Delta { delta: Delta::Text { text: more }, .. }, Some(Block::Text { text })) => {
                text.push_str(&more);
            }
            (Change::Delta { delta: Delta::Input { partial_json }, .. }, _) => {
                self.input.push_str(&partial_json)
            }
            (Change::Stop { .. }, Some(Block::ToolUse { input, .. })) => {
                // Arguments that were cut off where the answer had its length are none; `stop_reason` says so.
                if let Ok(arguments) = serde_json::from_str(&std::mem::take(&mut self.input)) {
                    *input = arguments;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn into_blocks(self) -> Vec<Block> {
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    fn call(index: u32, name: Option<&str>, arguments: &str) -> Piece {
        Piece::ToolCall(ToolCallDelta {
            index,
            id: name.map(|_| format!("call_{index}")),
            name: name.map(Into::into),
            arguments: arguments.into(),
        })
    }

    /// The changes, whether the answer ended early, and the blocks.
    fn run(blocks: &mut Blocks, pieces: Vec<Piece>) -> (Vec<Change>, bool, Value) {
        let (mut changes, mut whole) = (Vec::new(), Whole::default());
        let mut each = |change: Change| {
            changes.push(change.clone());
            whole.take(change);
        };
        let over = pieces.into_iter().any(|piece| blocks.take(piece, &mut each));
        blocks.finish(&mut each);
        (changes, over, serde_json::to_value(whole.into_blocks()).unwrap())
    }

    #[test]
    fn text_and_calls_are_blocks_of_their_own() {
        let mut blocks = Blocks::new(false);
        let pieces = vec![
            text("I "),
            text("ask."),
            call(0, Some("weather"), ""),
            call(0, None, "{\"town\""),
            call(0, None, ":\"Ulm\"}"),
            call(1, Some("time"), "{}"),
        ];
        let (changes, over, whole) = run(&mut blocks, pieces);
        assert!(!over && blocks.called() && blocks.written().is_empty());
        assert_eq!(
            whole,
            json!([
                {"type": "text", "text": "I ask."},
                {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"town": "Ulm"}},
                {"type": "tool_use", "id": "call_1", "name": "time", "input": {}},
            ])
        );
        let seen: Vec<String> = changes.iter().map(|change| serde_json::to_string(change).unwrap()).collect();
        assert_eq!(
            seen,
            [
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I "}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ask."}}"#,
                r#"{"type":"content_block_stop","index":0}"#,
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_0","name":"weather","input":{}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"town\""}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":":\"Ulm\"}"}}"#,
                r#"{"type":"content_block_stop","index":1}"#,
                r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_1","name":"time","input":{}}}"#,
                r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
                r#"{"type":"content_block_stop","index":2}"#,
            ]
        );
        for change in changes {
            assert_eq!(serde_json::to_value(&change).unwrap()["type"], change.name());
        }
    }

    #[test]
    fn a_second_call_ends_the_answer_where_one_is_wanted() {
        let mut blocks = Blocks::new(true);
        let pieces = vec![call(0, Some("f"), "{"), call(0, None, "}"), call(1, Some("g"), "{}")];
        let (_, over, whole) = run(&mut blocks, pieces);
        assert!(over);
        assert_eq!(whole, json!([{"type": "tool_use", "id": "call_0", "name": "f", "input": {}}]));
        assert_eq!(blocks.written(), "f{}");
    }

    #[test]
    fn nothing_written_is_no_block_and_half_a_call_has_no_input() {
        let (changes, _, whole) = run(&mut Blocks::new(false), vec![text("")]);
        assert_eq!((changes.len(), whole), (0, json!([])));
        let (.., whole) = run(&mut Blocks::new(false), vec![call(0, Some("f"), "{\"a\":")]);
        assert_eq!(whole[0]["input"], json!({}));
    }
}
