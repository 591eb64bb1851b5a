//! Byte pairs over letters that stand for bytes, as GPT-2 has them.

use std::collections::HashSet;

use super::super::Error;
use super::super::keys::Keys;
use super::file::{File, Vocabulary};
use super::{FILE, letter, pre};

/// Says the merges and how texts are cut. Returns what GGUF calls such a tokenizer.
pub(super) fn tell(file: &File, arch: &str, keys: &mut Keys) -> Result<&'static str, Error> {
    let model = &file.model;
    for (key, text) in [
        ("continuing_subword_prefix", &model.continuing_subword_prefix),
        ("end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if text.as_ref().is_some_and(|text| !text.is_empty()) {
            return Err(Error::new(FILE, format!("model.{key} is {text:?}, but must be empty")));
        }
    }
    check_normalizer(file)?;
    check_merges(file)?;
    keys.text("tokenizer.ggml.model", "gpt2");
    let name = pre::name(file.pre_tokenizer.as_ref(), model.ignore_merges.unwrap_or(false));
    match name {
        // The same cuts; the name tells llama.cpp that the ends of texts are marked.
        Ok("gpt-2") if arch == "bert" => keys.text("tokenizer.ggml.pre", "roberta-bpe"),
        Ok(name) => keys.text("tokenizer.ggml.pre", name),
        Err(error) => keys.unless_typed("tokenizer.ggml.pre", error)?,
    }
    let space = letter(b' ').to_string();
    let merges = model.merges.iter().map(|(left, right)| {
        // A space stands between the halves, so it cannot be in one.
        format!("{} {}", left.replace(' ', &space), right.replace(' ', &space))
    });
    keys.texts("tokenizer.ggml.merges", merges);
    Ok("gpt2")
}

/// llama.cpp changes nothing in a text before it cuts it. What composes letters and accents is done by whoever typed the
/// text, nearly always.
fn check_normalizer(file: &File) -> Result<(), Error> {
    let Some(normalizer) = &file.normalizer else { return Ok(()) };
    match normalizer.get("type").and_then(|kind| kind.as_str()) {
        Some("NFC") => Ok(()),
        Some("Sequence")
            if normalizer.get("normalizers").and_then(|list| list.as_array()).is_some_and(Vec::is_empty) =>
        {
            Ok(())
        }
        _ => {
            let found = super::super::object::told(normalizer);
            Err(Error::new(
                FILE,
                format!("normalizer is {found}, but such a tokenizer in GGUF has none but NFC"),
            ))
        }
    }
}

/// A merge whose tokens are none leads nowhere.
fn check_merges(file: &File) -> Result<(), Error> {
    if file.model.merges.len() == 0 {
        return Err(Error::new(FILE, "model.merges is missing or empty"));
    }
    let Vocabulary::Numbered(entries) = &file.model.vocab else {
        return Err(Error::new(FILE, "model.vocab must be an object with the number of each token"));
    };
    let known: HashSet<&str> = entries.iter().map(|(text, _)| text.as_str()).collect();
    let mut whole = String::new();
    for (left, right) in file.model.merges.iter() {
        whole.clear();
        whole.extend([left, right]);
        if let Some(unknown) = [left, right, whole.as_str()].into_iter().find(|text| !known.contains(text)) {
            let message = format!("model.merges has {left:?} and {right:?}, but {unknown:?} is no token");
            return Err(Error::new(FILE, message));
        }
    }
    Ok(())
}
