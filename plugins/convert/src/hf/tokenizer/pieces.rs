//! Byte pairs over letters themselves, with a token for each byte that no other one has: what SentencePiece makes, and
//! Llama 2, Mistral and Gemma have.
//!
//! llama.cpp knows no merges of such a vocabulary. It joins two neighbours wherever together they are a token, those of the
//! highest score first. That is the same as merging only where the merges have every such pair, and those of one token follow
//! one another: which holds for all that was made from a SentencePiece model, and is checked.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::Error;
use super::super::keys::Keys;
use super::super::object::told;
use super::file::{File, Vocabulary};
use super::{FILE, Kind, Tokens};

/// What a space becomes.
pub(super) const SPACE: char = '\u{2581}';

/// Gives each token its score and its kind. Returns what GGUF calls such a tokenizer.
pub(super) fn tell(file: &File, tokens: &mut Tokens, keys: &mut Keys) -> Result<&'static str, Error> {
    let prefix = prefix(file)?;
    let unknown = file.model.unk_token.as_deref().unwrap_or("<unk>");
    let merges = Merged::read(file, tokens.list.len())?;
    let lowest = -(file.model.merges.len() as f32);
    for (token, rank) in tokens.list.iter_mut().zip(&merges.ranks) {
        if token.text == unknown {
            token.kind = Kind::Unknown;
        } else if byte(&token.text).is_some() {
            token.kind = Kind::Byte;
        } else if token.kind == Kind::Normal {
            // Whole numbers up to 16 million are exact.
            token.score = rank.map_or(lowest, |rank| -(rank as f32));
        }
    }
    check_bytes(tokens)?;
    merges.check_pairs(tokens)?;
    if prefix.words_apart {
        check_words(tokens)?;
    }
    keys.text("tokenizer.ggml.model", "llama");
    keys.text("tokenizer.ggml.pre", "default");
    keys.flag("tokenizer.ggml.add_space_prefix", prefix.added);
    Ok("llama")
}

/// The byte that a token like `<0x0A>` stands for.
pub(in super::super) fn byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

/// The merges by the numbers of their tokens, which take less memory than their texts.
struct Merged<'a> {
    numbers: HashMap<&'a str, u32>,
    pairs: HashSet<(u32, u32)>,
    /// For each token that merges lead to, how many others come before it.
    ranks: Vec<Option<u32>>,
}

impl<'a> Merged<'a> {
    fn read(file: &'a File, count: usize) -> Result<Self, Error> {
        let Vocabulary::Numbered(entries) = &file.model.vocab else {
            return Err(Error::new(FILE, "model.vocab must be an object with the number of each token"));
        };
        let numbers: HashMap<&str, u32> =
            entries.iter().map(|(text, number)| (text.as_str(), *number)).collect();
        let (mut pairs, mut ranks) = (HashSet::new(), vec![None; count]);
        let (mut whole, mut last, mut next) = (String::new(), None, 0);
        for (left, right) in file.model.merges.iter() {
            whole.clear();
            whole.extend([left, right]);
            let number = |text: &str| {
                let message = || format!("model.merges has {left:?} and {right:?}, but {text:?} is no token");
                numbers.get(text).copied().ok_or_else(|| Error::new(FILE, message()))
            };
            pairs.insert((number(left)?, number(right)?));
            let token = number(&whole)?;
            if last == Some(token) {
                continue;
            }
            last = Some(token);
            // Each number has been held against the rows of the model.
            let Some(rank) = ranks.get_mut(token as usize) else { continue };
            if rank.replace(next).is_some() {
                return Err(apart(&format!("leads to {whole:?} in more than one place of model.merges")));
            }
            next += 1;
        }
        Ok(Self { numbers, pairs, ranks })
    }

    /// Every pair of tokens that together are one must be a merge.
    fn check_pairs(&self, tokens: &Tokens) -> Result<(), Error> {
        let piece = |text: &str| {
            let number = *self.numbers.get(text)?;
            tokens.list.get(number as usize).filter(|token| token.kind == Kind::Normal).map(|_| number)
        };
        for token in tokens.list.iter().filter(|token| token.kind == Kind::Normal) {
            for (middle, _) in token.text.char_indices().skip(1) {
                let (left, right) = token.text.split_at(middle);
                if let (Some(one), Some(other)) = (piece(left), piece(right))
                    && !self.pairs.contains(&(one, other))
                {
                    return Err(apart(&format!(
                        "does not merge {left:?} and {right:?} into {:?}",
                        token.text
                    )));
                }
            }
        }
        Ok(())
    }
}

fn apart(how: &str) -> Error {
    let message = format!(
        "it {how}, but llama.cpp joins any two tokens that are one together; only a vocabulary whose merges were made from a \
         SentencePiece model means the same there"
    );
    Error::new(FILE, message)
}

fn check_bytes(tokens: &Tokens) -> Result<(), Error> {
    let bytes: HashSet<u8> = tokens.list.iter().filter_map(|token| byte(&token.text)).collect();
    match (0..=u8::MAX).find(|byte| !bytes.contains(byte)) {
        Some(missing) => Err(Error::new(
            FILE,
            format!("model.byte_fallback is true, but there is no token <0x{missing:02X}>"),
        )),
        None => Ok(()),
    }
}

/// llama.cpp joins across the ends of words wherever there is a token for it.
fn check_words(tokens: &Tokens) -> Result<(), Error> {
    let across = |text: &str| {
        text.trim_start_matches(SPACE).contains(SPACE) || text.chars().filter(|c| *c == SPACE).count() > 1
    };
    match tokens.list.iter().find(|token| token.kind == Kind::Normal && across(&token.text)) {
        Some(token) => {
            Err(apart(&format!("takes words apart before it merges, but has the token {:?}", token.text)))
        }
        None => Ok(()),
    }
}

/// What happens to spaces.
struct Prefix {
    /// One is put before a text.
    added: bool,
    /// Each word is looked at alone.
    words_apart: bool,
}

/// Reads it from the normalizer, as older files have it, or the pre-tokenizer.
fn prefix(file: &File) -> Result<Prefix, Error> {
    let steps = match &file.normalizer {
        None => Vec::new(),
        Some(Value::Object(map)) if map.get("type").and_then(Value::as_str) == Some("Sequence") => {
            map.get("normalizers").and_then(Value::as_array).cloned().unwrap_or_default()
        }
        Some(one) => vec![one.clone()],
    };
    let mut added = false;
    let mut replaced = false;
    for step in &steps {
        let text = |key: &str| step.get(key).and_then(Value::as_str);
        let pattern = step.get("pattern").and_then(|pattern| pattern.get("String")).and_then(Value::as_str);
        match (text("type"), pattern) {
            (Some("Prepend"), _) if text("prepend") == Some("\u{2581}") => added = true,
            (Some("Replace"), Some(" ")) if text("content") == Some("\u{2581}") => replaced = true,
            _ => return Err(strange("normalizer", step)),
        }
    }
    let Some(cut) = &file.pre_tokenizer else {
        return if replaced {
            Ok(Prefix { added, words_apart: false })
        } else {
            Err(strange("normalizer", &Value::Null))
        };
    };
    let text = |key: &str| cut.get(key).and_then(Value::as_str);
    let flag = |key: &str| cut.get(key).and_then(Value::as_bool);
    match text("type") {
        // Spaces are gone by then, so it cuts nothing.
        Some("Split") if replaced && cut.pointer("/pattern/String").and_then(Value::as_str) == Some(" ") => {
            Ok(Prefix { added, words_apart: false })
        }
        Some("Metaspace") if text("replacement").is_none_or(|text| text == "\u{2581}") => {
            let scheme = text("prepend_scheme");
            let scheme =
                scheme.unwrap_or(if flag("add_prefix_space").unwrap_or(true) { "always" } else { "never" });
            Ok(Prefix { added: added || scheme != "never", words_apart: flag("split").unwrap_or(true) })
        }
        _ => Err(strange("pre_tokenizer", cut)),
    }
}

fn strange(key: &str, found: &Value) -> Error {
    let message = format!(
        "{key} is {}, but a tokenizer of such pieces turns spaces into \u{2581} and does nothing else",
        told(found)
    );
    Error::new(FILE, message)
}
