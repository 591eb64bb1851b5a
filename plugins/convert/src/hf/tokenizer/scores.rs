//! Pieces of which those are taken whose scores add up to the most, as T5 and XLM-RoBERTa have them.

use base64::Engine as _;
use inferno_formats::gguf::{Array, Kind as ValueKind, Value as Metadata};
use serde_json::Value;

use super::super::Error;
use super::super::keys::Keys;
use super::super::object::told;
use super::file::{File, Vocabulary};
use super::{FILE, Kind, Tokens};

/// Says how texts are prepared. Returns what GGUF calls such a tokenizer.
pub(super) fn tell(file: &File, tokens: &mut Tokens, keys: &mut Keys) -> Result<&'static str, Error> {
    let Vocabulary::Scored(entries) = &file.model.vocab else {
        return Err(Error::new(FILE, "model.vocab must be a list of tokens and their scores"));
    };
    let unknown = file.model.unk_id.map(|number| number as usize);
    if let Some(token) = unknown.and_then(|number| tokens.list.get_mut(number)) {
        token.kind = Kind::Unknown;
    }
    // A token that was there before it was made a special one keeps its score.
    for (token, (_, score)) in tokens.list.iter_mut().zip(entries) {
        token.score = *score as f32;
    }
    keys.text("tokenizer.ggml.model", "t5");
    keys.text("tokenizer.ggml.pre", "default");
    let mut steps = Vec::new();
    if let Some(normalizer) = &file.normalizer {
        flatten(normalizer, "normalizers", &mut steps);
    }
    for step in steps {
        match step.get("type").and_then(Value::as_str) {
            Some("Precompiled") => {
                let table = step.get("precompiled_charsmap").and_then(Value::as_str).unwrap_or_default();
                let bytes = base64::engine::general_purpose::STANDARD.decode(table);
                let bytes =
                    bytes.map_err(|_| Error::new(FILE, "normalizer.precompiled_charsmap is not base64"))?;
                // llama.cpp reads the length of a table first.
                if bytes.len() > 4 {
                    let array = Array { kind: ValueKind::U8, length: bytes.len() as u64, bytes };
                    keys.set("tokenizer.ggml.precompiled_charsmap", Metadata::Array(array));
                }
            }
            // Spaces at the ends and more than one between words, which llama.cpp takes away too when it is told to.
            Some("Replace" | "Strip") => {}
            _ => {
                return Err(Error::new(
                    FILE,
                    format!("normalizer has {}, which GGUF has no form for", told(step)),
                ));
            }
        }
    }
    let mut cuts = Vec::new();
    if let Some(cut) = &file.pre_tokenizer {
        flatten(cut, "pretokenizers", &mut cuts);
    }
    let is = |kind: &str| cuts.iter().find(|cut| cut.get("type").and_then(Value::as_str) == Some(kind));
    let Some(space) = is("Metaspace") else {
        return Err(Error::new(
            FILE,
            "pre_tokenizer must have a Metaspace, which marks the beginnings of words",
        ));
    };
    let scheme = space.get("prepend_scheme").and_then(Value::as_str);
    let older = space.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(true);
    keys.flag("tokenizer.ggml.add_space_prefix", scheme.map_or(older, |scheme| scheme != "never"));
    keys.flag("tokenizer.ggml.remove_extra_whitespaces", true);
    Ok("t5")
}

/// The steps of a step that has some, one after the other.
fn flatten<'a>(value: &'a Value, inner: &str, steps: &mut Vec<&'a Value>) {
    match value.get(inner).and_then(Value::as_array) {
        Some(list) => list.iter().for_each(|step| flatten(step, inner, steps)),
        None => steps.push(value),
    }
}
