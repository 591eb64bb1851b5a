//! Tokenizers of pieces, as SentencePiece makes them, and of words, as BERT has them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::Error;
use super::facts::Facts;
use super::tokenizer::{Kind, Token, added, around, special_token, template};

/// What a space becomes.
const SPACE: &str = "\u{2581}";

/// Byte pairs over letters themselves. Their merges are all that the scores allow, those of the highest score first.
pub(super) fn pieces(facts: &Facts<'_>, tokens: &[Token<'_>]) -> Result<Value, Error> {
    let mut vocabulary = Map::new();
    let mut pieces: HashMap<&str, u32> = HashMap::new();
    // Spaces that are found before all else are pieces that merges lead to.
    let spaces = |token: &Token<'_>| token.kind == Kind::Added && token.text.contains(' ');
    for token in tokens.iter().filter(|token| token.kind != Kind::Unused) {
        let text = if spaces(token) { token.text.replace(' ', SPACE) } else { token.text.to_owned() };
        vocabulary.insert(text, json!(token.number));
        if token.kind == Kind::Normal {
            pieces.insert(token.text, token.number);
        }
    }
    let mut order: Vec<&Token<'_>> = tokens.iter().filter(|token| token.kind == Kind::Normal).collect();
    order.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut merges = Vec::new();
    for token in order {
        let halves = token.text.char_indices().skip(1).map(|(middle, _)| token.text.split_at(middle));
        let known = |(left, right): (&str, &str)| Some((*pieces.get(left)?, *pieces.get(right)?));
        let mut pairs: Vec<_> =
            halves.filter_map(|pair| known(pair).map(|numbers| (numbers, pair))).collect();
        pairs.sort_by_key(|(numbers, _)| *numbers);
        merges.extend(pairs.into_iter().map(|(_, (left, right))| json!([left, right])));
    }
    let prefix = facts.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    let prepend = json!({"type": "Prepend", "prepend": SPACE});
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let unknown = tokens.iter().find(|token| token.kind == Kind::Unknown).map(|token| token.text);
    let found_first =
        tokens.iter().filter(|token| matches!(token.kind, Kind::Added | Kind::Control | Kind::Unknown));
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added(found_first.filter(|token| !spaces(token))),
        "normalizer": if prefix { json!({"type": "Sequence", "normalizers": [prepend, replace]}) } else { replace },
        "pre_tokenizer": null,
        "post_processor": around(facts, tokens, true, false)?,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {"type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges},
    }))
}

/// Words, the beginnings of words, and the rests of words.
pub(super) fn words(facts: &Facts<'_>, tokens: &[Token<'_>]) -> Result<Value, Error> {
    let mut vocabulary = Map::new();
    for token in tokens.iter().filter(|token| token.kind != Kind::Unused) {
        let text = match (token.kind, token.text.strip_prefix(SPACE)) {
            (Kind::Normal, Some(beginning)) => beginning.to_owned(),
            (Kind::Normal, None) => format!("##{}", token.text),
            _ => token.text.to_owned(),
        };
        if vocabulary.insert(text.clone(), json!(token.number)).is_some() {
            return Err(facts.wrong(format!("two tokens have the text {text:?}")));
        }
    }
    let need = |key: &str| -> Result<Token<'_>, Error> {
        let missing = || facts.wrong(format!("metadata \"tokenizer.ggml.{key}\" is missing"));
        special_token(facts, tokens, key)?.ok_or_else(missing)
    };
    let first = match special_token(facts, tokens, "cls_token_id")? {
        Some(first) => first,
        None => need("bos_token_id")?,
    };
    let last = need("seperator_token_id")?;
    let unknown = need("unknown_token_id")?;
    let part = |token: Token<'_>| json!({"SpecialToken": {"id": token.text, "type_id": 0}});
    let whole = |token: Token<'_>| json!({"id": token.text, "ids": [token.number], "tokens": [token.text]});
    let special = [first, last].map(|token| (token.text.to_owned(), whole(token))).into_iter().collect();
    let lowercase = facts.flag("tokenizer.ggml.normalizer.lowercase").unwrap_or(true);
    let accents =
        facts.flag("tokenizer.ggml.normalizer.strip_accents").filter(|accents| *accents != lowercase);
    let found_first =
        tokens.iter().filter(|token| matches!(token.kind, Kind::Added | Kind::Control | Kind::Unknown));
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added(found_first),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": accents, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template(&[part(first)], &[part(last)], &[], special),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": unknown.text, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    }))
}
