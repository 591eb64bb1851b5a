//! From texts and chats to tokens.

use std::sync::Arc;

use inferno_backend::{Error, Input, Message};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::bound::Bound;
use crate::controls::Controls;
use crate::template::{Template, contents};

/// Makes prompts for one model.
pub(crate) struct Prompts {
    model: Arc<LlamaModel>,
    controls: Controls,
    /// The token that begins every text, where the model wants one.
    bos: Option<LlamaToken>,
    bound: Bound,
    template: Result<Template, Error>,
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
        let template =
            match template {
                Some(source) => Template::new(source, text_of(vocab.bos()), text_of(vocab.eos())),
                None => Err(Error::invalid("the model has no chat template")
                    .hint("send a raw prompt instead of a chat")),
            };
        let bos = vocab.should_add_bos().then(|| vocab.bos());
        let bound = Bound::of(&model);
        Self { model, controls, bos, bound, template }
    }

    /// Chats can be made into prompts.
    pub(crate) fn chats(&self) -> bool {
        self.template.is_ok()
    }

    /// The tokens to start a generation from. What is too long for the room by its mere size is refused before it is
    /// cut into tokens; what is still too long is not.
    pub(crate) fn tokens(&self, input: &Input, room: u32) -> Result<Vec<LlamaToken>, Error> {
        let mut tokens = match input {
            Input::Prompt(text) if text.is_empty() => return Err(Error::invalid("the prompt is empty")),
            Input::Prompt(text) => {
                self.bound.check(text, room)?;
                self.model.vocab().tokenize(text.as_bytes(), false, true)
            }
            Input::Chat(messages) if messages.is_empty() => {
                return Err(Error::invalid("the chat has no messages"));
            }
            Input::Chat(messages) => self.chat(messages, room)?,
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

    fn chat(&self, messages: &[Message], room: u32) -> Result<Vec<LlamaToken>, Error> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let contents = contents(messages);
        let roles = messages.iter().map(|message| message.role);
        let vocab = self.model.vocab();
        let Some(mark) = self.controls.mark(&contents) else {
            let prompt = template.render(roles.zip(contents))?;
            self.bound.check(&prompt, room)?;
            return Ok(vocab.tokenize(prompt.as_bytes(), false, true));
        };
        let marked: Vec<_> = contents.iter().map(|content| self.controls.marked(content, mark)).collect();
        let prompt = template.render(roles.zip(marked.iter().map(AsRef::as_ref)))?;
        self.bound.check(&prompt.replace(mark, ""), room)?;
        let mut tokens = Vec::new();
        for piece in self.controls.pieces(&prompt, mark) {
            vocab.tokenize_into(piece.text.as_bytes(), &mut tokens, false, piece.parse);
        }
        Ok(tokens)
    }
}
