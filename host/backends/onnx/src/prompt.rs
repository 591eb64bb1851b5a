//! From texts and chats to tokens.

use std::sync::Arc;

use inferno_backend::{Error, Generate, Input, Message, Tool, ToolChoice, ToolFormat};
use inferno_backend_text::{Chat, Controls, Template, Token, offered};

use crate::config::Config;
use crate::tokenizer::Tokenizer;

/// Makes prompts for one model.
pub(crate) struct Prompts {
    controls: Controls,
    template: Result<Template, Error>,
    format: Option<ToolFormat>,
    /// The template wants ids of calls that have nine letters and digits.
    short_ids: bool,
    /// Control tokens that begin or end calls of tools.
    marks: Arc<[Token]>,
}

impl Prompts {
    /// For a model with this tokenizer and these files beside it.
    pub(crate) fn new(tokenizer: &Tokenizer, config: &Config) -> Self {
        let controls = Controls::new(tokenizer.controls.iter().map(|(_, text)| text.clone()));
        let source = config.template.as_deref();
        let format = source.and_then(ToolFormat::of_template);
        let short_ids = source.is_some_and(|source| source.contains("length 9"));
        let template = match source {
            Some(source) => Template::new(source, config.begin.clone(), config.end.clone()),
            None => Err(Error::invalid("the model has no chat template beside it")
                .hint("send a raw prompt instead of a chat")),
        };
        let is_mark = |text: &str| format.is_some_and(|format| format.marks().contains(&text));
        let marks =
            tokenizer.controls.iter().filter(|(_, text)| is_mark(text)).map(|(token, _)| *token).collect();
        Self { controls, template, format, short_ids, marks }
    }

    /// Chats can be made into prompts.
    pub(crate) fn chats(&self) -> bool {
        self.template.is_ok()
    }

    /// How the model writes calls of tools, if it is known.
    pub(crate) fn format(&self) -> Option<ToolFormat> {
        self.format.filter(|_| self.chats())
    }

    /// Control tokens that begin or end calls of tools.
    pub(crate) fn marks(&self) -> Arc<[Token]> {
        Arc::clone(&self.marks)
    }

    /// What to start a generation from.
    pub(crate) fn prompt(&self, request: &Generate, tokenizer: &mut Tokenizer) -> Result<Vec<u32>, Error> {
        refuse(request)?;
        let tools = offered(request, self.format())?;
        let mut tokens = match &request.input {
            Input::Prompt(text) if text.is_empty() => return Err(Error::invalid("the prompt is empty")),
            Input::Prompt(text) => tokenizer.cut(text, true)?,
            Input::Chat(messages) if messages.is_empty() => {
                return Err(Error::invalid("the chat has no messages"));
            }
            Input::Chat(messages) => self.chat(messages, tools, tokenizer)?,
        };
        // Templates often begin with the token themselves; a second one would confuse the model.
        if let Some(begin) = tokenizer.begin
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        if tokens.is_empty() {
            return Err(Error::invalid("the prompt has no tokens")
                .hint("the model's tokenizer knows none of its text"));
        }
        Ok(tokens)
    }

    fn chat(
        &self,
        messages: &[Message],
        tools: &[Tool],
        tokenizer: &mut Tokenizer,
    ) -> Result<Vec<u32>, Error> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let mut chat = Chat::new(messages, tools, self.short_ids)?;
        let mark = self.controls.mark(&chat.texts());
        if let Some(mark) = mark {
            chat.map(&|text| self.controls.marked(text, mark).into_owned());
        }
        let prompt = template.render(chat.messages(|text| template.content(text)), chat.tools())?;
        let Some(mark) = mark else { return tokenizer.cut(&prompt, true) };
        let mut tokens = Vec::new();
        for piece in self.controls.pieces(&prompt, mark) {
            tokens.extend(tokenizer.cut(piece.text, piece.parse)?);
        }
        Ok(tokens)
    }
}

/// What this backend cannot do, whatever the model.
fn refuse(request: &Generate) -> Result<(), Error> {
    let no = |what: &str| {
        Err(Error::invalid(format!("the ONNX backend {what}")).hint("use the model's GGUF file for that"))
    };
    if request.constraint.is_some() {
        return no("keeps answers to no grammar and to no JSON schema");
    }
    if !request.tools.is_empty() && matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_))
    {
        return no("cannot make a model call a tool");
    }
    if !request.adapters.is_empty() {
        return no("applies no adapters");
    }
    if !request.images.is_empty() {
        return no("looks at no images");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use inferno_backend::{Constraint, Image};

    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused_in_words() {
        let request = || Generate::new(Input::Prompt("a".into()));
        refuse(&request()).unwrap();
        let tool = Tool { name: "t".into(), description: String::new(), parameters: serde_json::Value::Null };
        let forced = Generate { tools: vec![tool.clone()], tool_choice: ToolChoice::Required, ..request() };
        let cases = [
            (Generate { constraint: Some(Constraint::Grammar("x".into())), ..request() }, "grammar"),
            (
                Generate { constraint: Some(Constraint::Json(serde_json::Value::Null)), ..request() },
                "JSON schema",
            ),
            (forced, "tool"),
            (Generate { adapters: vec![("a".into(), 1.0)], ..request() }, "adapters"),
            (Generate { images: vec![Image(vec![1])], ..request() }, "images"),
        ];
        for (request, word) in cases {
            let error = refuse(&request).unwrap_err();
            assert!(error.message.contains(word) && error.hint.is_some(), "{error}");
        }
        refuse(&Generate { tools: vec![tool], ..request() }).unwrap();
    }
}
