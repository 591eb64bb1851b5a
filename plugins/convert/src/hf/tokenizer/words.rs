//! Words and the beginnings and rests of words, as BERT has them.

use serde_json::Value;

use super::super::Error;
use super::super::keys::Keys;
use super::super::object::told;
use super::file::File;
use super::{FILE, Kind, Tokens};

/// What a rest begins with in `tokenizer.json`.
const REST: &str = "##";

/// Writes beginnings with the mark of a space before them and rests without any, as GGUF does. Returns what GGUF calls such a
/// tokenizer.
pub(super) fn tell(file: &File, tokens: &mut Tokens, keys: &mut Keys) -> Result<&'static str, Error> {
    match file.model.continuing_subword_prefix.as_deref() {
        None | Some(REST) => {}
        Some(other) => {
            return Err(Error::new(
                FILE,
                format!("model.continuing_subword_prefix is {other:?}, but must be {REST:?}"),
            ));
        }
    }
    let normalizer = file.normalizer.as_ref().filter(|normalizer| is(normalizer, "BertNormalizer"));
    let Some(normalizer) = normalizer else {
        let found = file.normalizer.as_ref().map_or_else(|| "none".to_owned(), told);
        return Err(Error::new(FILE, format!("normalizer is {found}, but must be a BertNormalizer")));
    };
    match &file.pre_tokenizer {
        Some(cut) if is(cut, "BertPreTokenizer") => {}
        other => {
            let found = other.as_ref().map_or_else(|| "none".to_owned(), told);
            return Err(Error::new(
                FILE,
                format!("pre_tokenizer is {found}, but must be a BertPreTokenizer"),
            ));
        }
    }
    let flag = |key: &str| normalizer.get(key).and_then(Value::as_bool);
    if flag("handle_chinese_chars") == Some(false) {
        return Err(Error::new(
            FILE,
            "normalizer.handle_chinese_chars is false, but in GGUF each Chinese character is a word",
        ));
    }
    let lowercase = flag("lowercase").unwrap_or(true);
    let unknown = file.model.unk_token.as_deref().unwrap_or("[UNK]");
    for token in &mut tokens.list {
        if token.text == unknown {
            token.kind = Kind::Unknown;
        } else if token.kind == Kind::Normal {
            token.text = match token.text.strip_prefix(REST) {
                Some(rest) if !rest.is_empty() => rest.to_owned(),
                _ => format!("\u{2581}{}", token.text),
            };
        }
    }
    keys.text("tokenizer.ggml.model", "bert");
    keys.text("tokenizer.ggml.pre", "default");
    keys.flag("tokenizer.ggml.normalizer.lowercase", lowercase);
    keys.flag("tokenizer.ggml.normalizer.strip_accents", flag("strip_accents").unwrap_or(lowercase));
    Ok("bert")
}

fn is(value: &Value, kind: &str) -> bool {
    value.get("type").and_then(Value::as_str) == Some(kind)
}
