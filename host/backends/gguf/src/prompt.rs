//! From texts and chats to tokens.

use std::sync::Arc;

use inferno_backend::{Error, Generate, Input, Message, Tool, ToolChoice, ToolFormat};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::bound::Bound;
use crate::chat::Chat;
use crate::controls::Controls;
use crate::template::Template;

/// Makes prompts for one model.
pub(crate) struct Prompts {
    model: Arc<LlamaModel>,
    controls: Controls,
    /// The token that begins every text, where the model wants one.
    bos: Option<LlamaToken>,
    bound: Bound,
    template: Result<Template, Error>,
    /// How the model writes calls of tools, if it does.
    format: Option<ToolFormat>,
    /// The template wants ids of calls that have nine letters and digits.
    short_ids: bool,
    /// Control tokens that an answer has no text for, but for those that end it.
    silent: Arc<[LlamaToken]>,
    /// Those of them that begin or end calls of tools.
    marks: Arc<[LlamaToken]>,
    /// The others.
    unmarked: Arc<[LlamaToken]>,
}

impl Prompts {
    /// For this model with this chat template.
    pub(crate) fn new(model: Arc<LlamaModel>, template: Option<&str>) -> Self {
        let vocab = model.vocab();
        let text_of = |token: LlamaToken| match token.0 {
            ..0 => String::new(),
            _ => vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        let controls = Controls::new(vocab.tokens().filter(|&token| vocab.is_control(token)).map(text_of));
        let format = template.and_then(ToolFormat::of_template);
        let short_ids = template.is_some_and(|source| source.contains("length 9"));
        let template =
            match template {
                Some(source) => Template::new(source, text_of(vocab.bos()), text_of(vocab.eos())),
                None => Err(Error::invalid("the model has no chat template")
                    .hint("send a raw prompt instead of a chat")),
            };
        let silent: Arc<[_]> =
            vocab.tokens().filter(|&token| vocab.is_control(token) && !vocab.is_eog(token)).collect();
        let is_mark = |token: &LlamaToken| {
            format.is_some_and(|format| format.marks().contains(&text_of(*token).as_str()))
        };
        let (marks, unmarked): (Vec<_>, Vec<_>) = silent.iter().copied().partition(is_mark);
        let (marks, unmarked) = (marks.into(), unmarked.into());
        let bos = vocab.should_add_bos().then(|| vocab.bos());
        let bound = Bound::of(&model);
        Self { model, controls, bos, bound, template, format, short_ids, silent, marks, unmarked }
    }

    /// Chats can be made into prompts.
    pub(crate) fn chats(&self) -> bool {
        self.template.is_ok()
    }

    /// How the model writes calls of tools; absent: it cannot be told of tools, or it is not known how it calls them.
    pub(crate) fn format(&self) -> Option<ToolFormat> {
        self.format.filter(|_| self.chats())
    }

    /// Control tokens that begin or end calls of tools.
    pub(crate) fn marks(&self) -> Arc<[LlamaToken]> {
        Arc::clone(&self.marks)
    }

    /// Control tokens that an answer under a grammar cannot have; with tools, those that begin calls it can.
    pub(crate) fn banned(&self, tools: bool) -> Arc<[LlamaToken]> {
        Arc::clone(if tools { &self.unmarked } else { &self.silent })
    }

    /// The tokens to start a generation from. What is too long for the room by its mere size is refused before it is
    /// cut into tokens; what is still too long is not.
    pub(crate) fn tokens(&self, request: &Generate, room: u32) -> Result<Vec<LlamaToken>, Error> {
        let tools = self.shown(request)?;
        let mut tokens = match &request.input {
            Input::Prompt(text) if text.is_empty() => return Err(Error::invalid("the prompt is empty")),
            Input::Prompt(text) => {
                self.bound.check(text, room)?;
                self.model.vocab().tokenize(text.as_bytes(), false, true)
            }
            Input::Chat(messages) if messages.is_empty() => {
                return Err(Error::invalid("the chat has no messages"));
            }
            Input::Chat(messages) => self.chat(messages, tools, room)?,
        };
        // Templates often begin with the token themselves; a second one would confuse the model.
        if let Some(bos) = self.bos
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        if tokens.is_empty() {
            return Err(Error::invalid("the prompt has no tokens")
                .hint("the model's tokenizer knows none of its text"));
        }
        Ok(tokens)
    }

    /// The tools that the model is told of.
    fn shown<'a>(&self, request: &'a Generate) -> Result<&'a [Tool], Error> {
        if request.tools.is_empty() {
            return match &request.tool_choice {
                ToolChoice::Auto | ToolChoice::None => Ok(&[]),
                ToolChoice::Required | ToolChoice::Named(_) => {
                    Err(Error::invalid("the model must call a tool, but there is none"))
                }
            };
        }
        if request.tool_choice == ToolChoice::None {
            return Ok(&[]);
        }
        if matches!(request.input, Input::Prompt(_)) {
            return Err(
                Error::invalid("tools can only be called in a chat").hint("send messages, not a prompt")
            );
        }
        if self.format().is_none() {
            return Err(Error::invalid("the model cannot call tools: its chat template does not say how")
                .hint("choose another model, or leave the tools out"));
        }
        for (index, Tool { name, .. }) in request.tools.iter().enumerate() {
            let usual = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
            if name.is_empty() || name.len() > 64 || !name.chars().all(usual) {
                return Err(Error::invalid(format!(
                    "the name of a tool is {name:?}, but must be 1 to 64 letters, digits, _ and -"
                )));
            }
            if request.tools.iter().take(index).any(|tool| tool.name == *name) {
                return Err(Error::invalid(format!("there are two tools named {name}")));
            }
        }
        match &request.tool_choice {
            ToolChoice::Named(name) if !request.tools.iter().any(|tool| tool.name == *name) => {
                Err(Error::invalid(format!("the model must call the tool {name}, but there is none")))
            }
            _ => Ok(&request.tools),
        }
    }

    fn chat(&self, messages: &[Message], tools: &[Tool], room: u32) -> Result<Vec<LlamaToken>, Error> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let mut chat = Chat::new(messages, tools, self.short_ids)?;
        let vocab = self.model.vocab();
        let Some(mark) = self.controls.mark(&chat.texts()) else {
            let prompt = template.render(chat.messages(), chat.tools())?;
            self.bound.check(&prompt, room)?;
            return Ok(vocab.tokenize(prompt.as_bytes(), false, true));
        };
        chat.map(&|text| self.controls.marked(text, mark).into_owned());
        let prompt = template.render(chat.messages(), chat.tools())?;
        self.bound.check(&prompt.replace(mark, ""), room)?;
        let mut tokens = Vec::new();
        for piece in self.controls.pieces(&prompt, mark) {
            vocab.tokenize_into(piece.text.as_bytes(), &mut tokens, false, piece.parse);
        }
        Ok(tokens)
    }
}
