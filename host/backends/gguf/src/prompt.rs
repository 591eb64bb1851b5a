//! From texts and chats to tokens.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use inferno_backend::{Error, Generate, Input, Message, Tool, ToolFormat};
use inferno_backend_text::{Chat, Controls, Template, offered};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::bound::Bound;
use crate::vision::{Picture, Placed, Vision};

/// The longest run of private characters that images take.
const MARKS: RangeInclusive<u32> = 0xf_0000..=0xf_fffd;

/// What a generation starts from.
pub(crate) struct Prompt {
    /// All that the model reads; what stands for images is not in its vocabulary.
    pub(crate) tokens: Vec<LlamaToken>,
    /// The images.
    pub(crate) images: Vec<Placed>,
}

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

    /// What to start a generation from. What is too long for the room by its mere size is refused before it is cut into
    /// tokens; what is still too long is not.
    pub(crate) fn prompt(
        &self,
        request: &Generate,
        room: u32,
        vision: Option<&mut Vision>,
    ) -> Result<Prompt, Error> {
        request.check_images()?;
        let tools = offered(request, self.format())?;
        let mut images = Vec::new();
        let mut tokens = match &request.input {
            Input::Prompt(text) if text.is_empty() => return Err(Error::invalid("the prompt is empty")),
            Input::Prompt(text) => {
                self.bound.check(text, room)?;
                self.model.vocab().tokenize(text.as_bytes(), false, true)
            }
            Input::Chat(messages) if messages.is_empty() => {
                return Err(Error::invalid("the chat has no messages"));
            }
            Input::Chat(messages) if request.images.is_empty() => self.chat(messages, tools, room)?,
            Input::Chat(messages) => {
                let vision = vision.ok_or_else(|| {
                    Error::invalid("the model has no vision: no projector came with it")
                        .hint("leave the images out, or choose a model that sees")
                })?;
                let pictures = vision.look(&request.images, room)?;
                let prompt = self.seen(messages, tools, pictures, room)?;
                images = prompt.images;
                prompt.tokens
            }
        };
        // Templates often begin with the token themselves; a second one would confuse the model.
        if let Some(bos) = self.bos
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
            images.iter_mut().for_each(|image| image.at += 1);
        }
        if tokens.is_empty() {
            return Err(Error::invalid("the prompt has no tokens")
                .hint("the model's tokenizer knows none of its text"));
        }
        Ok(Prompt { tokens, images })
    }

    fn chat(&self, messages: &[Message], tools: &[Tool], room: u32) -> Result<Vec<LlamaToken>, Error> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let mut chat = Chat::new(messages, tools, self.short_ids)?;
        let mark = self.controls.mark(&chat.texts());
        if let Some(mark) = mark {
            chat.map(&|text| self.controls.marked(text, mark).into_owned());
        }
        let prompt = template.render(chat.messages(|text| template.content(text)), chat.tools())?;
        match mark {
            Some(mark) => self.bound.check(&prompt.replace(mark, ""), room)?,
            None => self.bound.check(&prompt, room)?,
        }
        let mut tokens = Vec::new();
        self.add(&prompt, mark, &mut tokens);
        Ok(tokens)
    }

    /// A chat with images. Each has a private character that occurs nowhere else, so that it is found again wherever the
    /// template puts it; one that the template leaves out is not seen.
    fn seen(
        &self,
        messages: &[Message],
        tools: &[Tool],
        pictures: Vec<Picture>,
        room: u32,
    ) -> Result<Prompt, Error> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let mut chat = Chat::new(messages, tools, self.short_ids)?;
        let first = unused(&chat.texts(), pictures.len())
            .ok_or_else(|| Error::invalid("the messages use up the characters that images need"))?;
        chat.place(messages, |number| char::from_u32(first + number).unwrap_or_default());
        let mark = self.controls.mark(&chat.texts());
        if let Some(mark) = mark {
            chat.map(&|text| self.controls.marked(text, mark).into_owned());
        }
        let rendered = template.render(chat.messages(|text| template.content(text)), chat.tools())?;
        let count = pictures.len();
        let number = |char: char| {
            let number = (char as u32).checked_sub(first)? as usize;
            (number < count).then_some(number)
        };
        let said = |char: &char| number(*char).is_none() && Some(*char) != mark;
        self.bound.check(&rendered.chars().filter(said).collect::<String>(), room)?;
        let mut pictures: Vec<Option<Picture>> = pictures.into_iter().map(Some).collect();
        let (mut tokens, mut images) = (Vec::new(), Vec::new());
        for part in rendered.split_inclusive(|char| number(char).is_some()) {
            self.add(part.trim_end_matches(|char| number(char).is_some()), mark, &mut tokens);
            let Some(index) = part.chars().next_back().and_then(number) else { continue };
            let picture = pictures.get_mut(index).and_then(Option::take).ok_or_else(|| {
                Error::invalid("the model's chat template shows an image twice")
                    .hint("choose another model for images")
            })?;
            images.push(Placed { at: tokens.len(), picture });
            if let Some(image) = images.last() {
                tokens.extend(&image.picture.tokens);
            }
        }
        if images.is_empty() {
            return Err(Error::invalid("the model's chat template shows none of the images")
                .hint("choose another model for images"));
        }
        Ok(Prompt { tokens, images })
    }

    /// Adds the tokens of a rendered text, in which a mark stands before what is no control token.
    fn add(&self, text: &str, mark: Option<char>, tokens: &mut Vec<LlamaToken>) {
        let vocab = self.model.vocab();
        let Some(mark) = mark else {
            vocab.tokenize_into(text.as_bytes(), tokens, false, true);
            return;
        };
        for piece in self.controls.pieces(text, mark) {
            vocab.tokenize_into(piece.text.as_bytes(), tokens, false, piece.parse);
        }
    }
}

/// The first of so many private characters in a row that none of the texts has.
fn unused(texts: &[&str], count: usize) -> Option<u32> {
    let count = u32::try_from(count).ok()?;
    let used: BTreeSet<u32> = texts
        .iter()
        .flat_map(|text| text.chars())
        .map(u32::from)
        .filter(|char| MARKS.contains(char))
        .collect();
    let after = used.iter().map(|char| char + 1);
    let mut starts = std::iter::once(*MARKS.start()).chain(after);
    starts
        .find(|&start| start + count <= MARKS.end() + 1 && used.range(start..start + count).next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_get_characters_that_nobody_uses() {
        assert_eq!(unused(&["a"], 2), Some(0xf_0000));
        assert_eq!(unused(&["\u{f0001}", "\u{f0003}x"], 2), Some(0xf_0004));
        assert_eq!(unused(&["\u{f0001}", "\u{f0003}x"], 1), Some(0xf_0000));
        let all: String = MARKS.filter_map(char::from_u32).collect();
        assert_eq!(unused(&[&all], 1), None);
        assert_eq!(unused(&[&all[4..]], 1), Some(0xf_0000));
    }
}
