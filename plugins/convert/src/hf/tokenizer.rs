//! Tokens: how a model's texts become numbers, as Hugging Face's `tokenizer.json` says it and as GGUF does.

mod bytes;
mod file;
mod letters;
mod pieces;
pub(super) mod pre;
mod scores;
mod special;
mod template;
mod words;

use std::collections::HashSet;

use file::{File, MAX_ENTRIES, MAX_FILE, Vocabulary};

use super::Error;
use super::folder::{Folder, json, missing};
use super::keys::Keys;
use super::object::Object;
use inferno_formats::gguf::{Array, Value};

pub(super) use letters::{byte_of, letter};
pub(super) use special::NAMES;

const FILE: &str = "tokenizer.json";

/// What a token is, by GGUF's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Kind {
    Normal = 1,
    Unknown = 2,
    /// It is never a part of a text.
    Control = 3,
    /// It is found before all others.
    Added = 4,
    Unused = 5,
    Byte = 6,
}

/// One token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) score: f32,
}

/// All of them, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Tokens {
    list: Vec<Token>,
}

/// Reads a folder's tokenizer and says it in metadata. `rows` is how many tokens the model knows.
pub(super) fn tell(
    folder: &Folder,
    config: &Object,
    arch: &str,
    rows: u32,
    keys: &mut Keys,
) -> Result<(), Error> {
    if rows as usize > MAX_ENTRIES {
        return Err(config.wrong("vocab_size", format!("is {rows}, but at most {MAX_ENTRIES} are allowed")));
    }
    let bytes = folder.bytes(FILE, MAX_FILE)?.ok_or_else(|| without(folder))?;
    let file: File = json(FILE, &bytes)?;
    drop(bytes);
    let mut tokens = Tokens::read(&file, rows)?;
    let kind = file.model.kind.as_deref().unwrap_or("BPE");
    let model = match (kind, file.model.byte_fallback.unwrap_or(false)) {
        ("BPE", false) => bytes::tell(&file, arch, keys),
        ("BPE", true) => pieces::tell(&file, &mut tokens, keys),
        ("WordPiece", _) => words::tell(&file, &mut tokens, keys),
        ("Unigram", _) => scores::tell(&file, &mut tokens, keys),
        (other, _) => {
            Err(Error::new(FILE, format!("model.type is {other:?}, but must be BPE, WordPiece or Unigram")))
        }
    }?;
    tokens.check()?;
    keys.texts("tokenizer.ggml.tokens", tokens.list.iter().map(|token| &token.text));
    if matches!(model, "llama" | "t5") {
        let scores = Array::of_f32(tokens.list.iter().map(|token| token.score));
        keys.set("tokenizer.ggml.scores", Value::Array(scores));
    }
    let kinds = Array::of_i32(tokens.list.iter().map(|token| token.kind as i32));
    keys.set("tokenizer.ggml.token_type", Value::Array(kinds));
    special::tell(folder, config, &file, rows, keys)?;
    template::tell(folder, keys)
}

fn without(folder: &Folder) -> Error {
    let older = ["tokenizer.model", "vocab.json", "vocab.txt"]
        .into_iter()
        .find(|name| matches!(folder.open(name), Ok(Some(_))));
    match older {
        Some(name) => Error::new(
            FILE,
            format!(
                "it is not there, only {name}; load the tokenizer with transformers and save it again, which makes it"
            ),
        ),
        None => missing(FILE),
    }
}

impl Tokens {
    /// The vocabulary with what was added to it, filled up to the rows of the model's embedding.
    fn read(file: &File, rows: u32) -> Result<Self, Error> {
        let unused =
            |number: usize| Token { text: format!("[PAD{number}]"), kind: Kind::Unused, score: -10_000.0 };
        let mut places: Vec<Option<Token>> = vec![None; rows as usize];
        let mut set = |number: u32, text: &str, score: f32| {
            let outside = || {
                let message = format!(
                    "token {text:?} has the number {number}, but the model has only {rows} rows for tokens"
                );
                Error::new(FILE, message)
            };
            let place = places.get_mut(number as usize).ok_or_else(outside)?;
            match place {
                Some(other) => Err(Error::new(
                    FILE,
                    format!("tokens {:?} and {text:?} have the same number {number}", other.text),
                )),
                None => {
                    *place = Some(Token { text: text.to_owned(), kind: Kind::Normal, score });
                    Ok(())
                }
            }
        };
        match &file.model.vocab {
            Vocabulary::Numbered(entries) => {
                for (text, number) in entries {
                    set(*number, text, 0.0)?;
                }
            }
            Vocabulary::Scored(entries) => {
                for (number, (text, score)) in (0..).zip(entries) {
                    set(number, text, *score as f32)?;
                }
            }
        }
        for added in &file.added_tokens {
            // Some models have tokens for images that they have no rows for.
            let Some(place) = places.get_mut(added.id as usize) else { continue };
            let control = added.special || looks_special(&added.content);
            // What is no control token is looked for in the text as people write it.
            let text = if control { added.content.clone() } else { added.content.replace('\u{2581}', " ") };
            *place =
                Some(Token { text, kind: if control { Kind::Control } else { Kind::Added }, score: -1000.0 });
        }
        let list = places
            .into_iter()
            .enumerate()
            .map(|(number, place)| place.unwrap_or_else(|| unused(number)))
            .collect();
        Ok(Self { list })
    }

    /// llama.cpp ends itself where two tokens have one text.
    fn check(&self) -> Result<(), Error> {
        let mut texts = HashSet::with_capacity(self.list.len());
        match self.list.iter().find(|token| !texts.insert(token.text.as_str())) {
            Some(token) => Err(Error::new(FILE, format!("two tokens have the text {:?}", token.text))),
            None => Ok(()),
        }
    }
}

/// Some models say of tokens that steer them that they were text.
fn looks_special(text: &str) -> bool {
    let between = |start: &str, end: &str| {
        text.len() > start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
    };
    matches!(text, "<pad>" | "<mask>" | "<2mass>" | "[@BOS@]")
        || between("<|", "|>")
        || between("<\u{ff5c}", "\u{ff5c}>")
        || between("<unused", ">")
}
