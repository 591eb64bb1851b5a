//! What becomes of the tokens of one answer: text, calls of tools, and how likely they were.

use std::sync::Arc;

use inferno_backend::{Event, Finish, Tool, ToolFormat, ToolParser};
use llama_cpp_2::token::LlamaToken;

use crate::{Text, Vocabulary, likely};

/// The visible side of a request.
pub struct Answer {
    text: Text,
    /// Absent where the answer is text as it is.
    tools: Option<Tools>,
    /// Absent where nobody asked how likely tokens were.
    logprobs: Option<u32>,
}

/// Looks for calls of tools, and for what is text.
struct Tools {
    parser: ToolParser,
    /// Control tokens that begin or end calls, whose text is needed to find them.
    marks: Arc<[LlamaToken]>,
}

impl Answer {
    /// Ends at the first of these texts; tells how likely tokens were if asked to.
    pub fn new(stops: Vec<String>, logprobs: Option<u32>) -> Self {
        Self { text: Text::new(stops), tools: None, logprobs }
    }

    /// Looks for calls of these tools in this format.
    pub fn with_tools(mut self, format: ToolFormat, tools: Vec<Tool>, marks: Arc<[LlamaToken]>) -> Self {
        self.tools = Some(Tools { parser: ToolParser::new(format, tools), marks });
        self
    }

    /// Whether somebody wants to know how likely tokens are.
    pub fn wants_logprobs(&self) -> bool {
        self.logprobs.is_some()
    }

    /// Takes the token that was chosen with these logits, and the buffer for its bytes. Tells which stop
    /// text ended the answer, if one did.
    pub fn push(
        &mut self,
        token: LlamaToken,
        logits: Option<&[f32]>,
        vocab: &impl Vocabulary,
        piece: &mut Vec<u8>,
        emit: &mut dyn FnMut(Event),
    ) -> Option<u32> {
        if let Some((most, logits)) = self.logprobs.zip(logits) {
            emit(Event::Choices(vec![likely::choice(logits, token, most, vocab)]));
        }
        let shown = self.tools.as_ref().is_some_and(|tools| tools.marks.contains(&token));
        piece.clear();
        vocab.spell(token, shown, piece);
        let (text, stopped) = self.text.push(piece);
        self.tell(text, emit);
        stopped
    }

    /// Ends the answer, tells what was held back, and says how it ended.
    pub fn finish(&mut self, finish: Finish, emit: &mut dyn FnMut(Event)) -> Finish {
        let mut finish = finish;
        if !matches!(finish, Finish::StoppedBy(_)) {
            let (rest, late) = self.text.finish();
            self.tell(rest, emit);
            if let Some(number) = late {
                finish = Finish::StoppedBy(number);
            }
        }
        if let Some(tools) = &mut self.tools {
            tools.parser.finish(emit);
            if tools.parser.calls() > 0 && matches!(finish, Finish::Stop | Finish::StoppedBy(_)) {
                return Finish::ToolCalls;
            }
        }
        finish
    }

    fn tell(&mut self, text: String, emit: &mut dyn FnMut(Event)) {
        match &mut self.tools {
            _ if text.is_empty() => {}
            None => emit(Event::Text(text)),
            Some(tools) => tools.parser.push(&text, emit),
        }
    }
}
