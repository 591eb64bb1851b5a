//! The tokenizer that a model in GGUF had.

use std::collections::HashMap;

use inferno_formats::gguf::Kind as ValueKind;
use serde_json::{Map, Value, json};

use super::super::Error;
use super::super::tokenizer::{NAMES, byte_of, letter, pre};
use super::facts::Facts;
use super::words;

/// What a token is, by GGUF's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    Added,
    Unused,
    Byte,
}

/// A token with its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) number: u32,
    pub(super) text: &'a str,
    pub(super) kind: Kind,
    pub(super) score: f64,
}

/// The files that describe it, for a model of so many tokens that was made for texts of at most `context`.
pub(super) fn files(facts: &Facts<'_>, vocabulary: u32, context: u32) -> Result<Vec<(String, Value)>, Error> {
    let tokens = read(facts, vocabulary)?;
    let file = match facts.plain_text("tokenizer.ggml.model") {
        Some("gpt2") => bytes(facts, &tokens)?,
        Some("llama") => words::pieces(facts, &tokens)?,
        Some("bert") => words::words(facts, &tokens)?,
        other => {
            let found = other.unwrap_or("none");
            return Err(facts.wrong(format!(
                "the tokenizer {found:?} has no way back; there is one for gpt2, llama and bert"
            )));
        }
    };
    Ok(vec![
        ("tokenizer.json".to_owned(), file),
        ("tokenizer_config.json".to_owned(), settings(facts, context, &tokens)?),
    ])
}

fn read<'a>(facts: &Facts<'a>, vocabulary: u32) -> Result<Vec<Token<'a>>, Error> {
    let texts = facts.texts("tokenizer.ggml.tokens")?;
    if texts.len() as u64 != u64::from(vocabulary) {
        return Err(facts.wrong(format!("there are {} tokens for {vocabulary} rows", texts.len())));
    }
    let kinds = facts.array("tokenizer.ggml.token_type", ValueKind::I32);
    let mut kinds = kinds.into_iter().flat_map(|array| array.whole());
    let scores = facts.array("tokenizer.ggml.scores", ValueKind::F32);
    let mut scores = scores.into_iter().flat_map(|array| array.numbers());
    let mut tokens = Vec::with_capacity(texts.len());
    for (number, text) in (0..).zip(texts) {
        let kind = match kinds.next() {
            None | Some(1) => Kind::Normal,
            Some(2) => Kind::Unknown,
            Some(3) => Kind::Control,
            Some(4) => Kind::Added,
            Some(5) => Kind::Unused,
            Some(6) => Kind::Byte,
            Some(other) => {
                return Err(facts.wrong(format!("token {text:?} has the type {other}, which is not known")));
            }
        };
        tokens.push(Token { number, text, kind, score: scores.next().unwrap_or(0.0) });
    }
    Ok(tokens)
}

/// What is found before anything else.
pub(super) fn added<'a>(tokens: impl Iterator<Item = &'a Token<'a>>) -> Value {
    let each = tokens.map(|token| {
        json!({"id": token.number, "content": token.text, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": token.kind != Kind::Added})
    });
    each.collect()
}

/// Byte pairs over letters that stand for bytes.
fn bytes(facts: &Facts<'_>, tokens: &[Token<'_>]) -> Result<Value, Error> {
    let name = facts.plain_text("tokenizer.ggml.pre").unwrap_or("default");
    let steps = pre::steps(name);
    let (cut, whole_first) =
        steps.ok_or_else(|| facts.wrong(format!("texts are cut as {name:?} does, which has no way back")))?;
    let mut vocabulary = Map::new();
    for token in tokens.iter().filter(|token| token.kind == Kind::Normal) {
        vocabulary.insert(token.text.to_owned(), json!(token.number));
    }
    // A token that was added may be one that merges lead to as well; then it stands here as people write it.
    let others = tokens.iter().filter(|token| matches!(token.kind, Kind::Added | Kind::Control));
    let others: HashMap<String, u32> =
        others.map(|token| (token.text.bytes().map(letter).collect(), token.number)).collect();
    // All others stand here too, since those that are only added get numbers behind these.
    for token in tokens.iter().filter(|token| !matches!(token.kind, Kind::Normal | Kind::Unused)) {
        vocabulary.entry(token.text).or_insert_with(|| json!(token.number));
    }
    let mut merges = Vec::new();
    for merge in facts.texts("tokenizer.ggml.merges")? {
        // The first letter of the first half may be a space itself.
        let space = merge.char_indices().skip(1).find(|(_, letter)| *letter == ' ');
        let (left, right) = match space {
            Some((place, _)) => (&merge[..place], &merge[place + 1..]),
            None => return Err(facts.wrong(format!("the merge {merge:?} is no pair of tokens"))),
        };
        for text in [left.to_owned(), right.to_owned(), format!("{left}{right}")] {
            if vocabulary.contains_key(&text) {
                continue;
            }
            let number = others.get(&text).ok_or_else(|| {
                facts.wrong(format!("the merge {merge:?} needs {text:?}, which is no token"))
            })?;
            vocabulary.insert(text, json!(number));
        }
        merges.push(json!([left, right]));
    }
    if tokens
        .iter()
        .any(|token| token.kind == Kind::Normal && token.text.chars().any(|letter| byte_of(letter).is_none()))
    {
        return Err(facts.wrong("there is a token with a letter that stands for no byte"));
    }
    let around =
        around(facts, tokens, matches!(name, "llama-bpe" | "llama3" | "llama-v3" | "tekken"), false)?;
    let plain =
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true});
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added(tokens.iter().filter(|token| matches!(token.kind, Kind::Added | Kind::Control | Kind::Unknown))),
        "normalizer": null,
        "pre_tokenizer": cut,
        "post_processor": if around.is_null() { plain } else { around },
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": whole_first,
            "vocab": vocabulary, "merges": merges},
    }))
}

/// The tokens that stand around a text; nothing where there are none. The flags say what llama.cpp does where the file does
/// not say it.
pub(super) fn around(
    facts: &Facts<'_>,
    tokens: &[Token<'_>],
    first: bool,
    last: bool,
) -> Result<Value, Error> {
    let mut before = Vec::new();
    let mut behind = Vec::new();
    let mut special = Map::new();
    for (flag, usual, key, list) in [
        ("add_bos_token", first, "bos_token_id", &mut before),
        ("add_eos_token", last, "eos_token_id", &mut behind),
    ] {
        if !facts.flag(&format!("tokenizer.ggml.{flag}")).unwrap_or(usual) {
            continue;
        }
        let Some(token) = special_token(facts, tokens, key)? else { continue };
        list.push(json!({"SpecialToken": {"id": token.text, "type_id": 0}}));
        special.insert(
            token.text.to_owned(),
            json!({"id": token.text, "ids": [token.number], "tokens": [token.text]}),
        );
    }
    if special.is_empty() {
        return Ok(Value::Null);
    }
    Ok(template(&before, &behind, &before, special))
}

/// A text with these around it, and two, the second of which has `between` before it.
pub(super) fn template(
    before: &[Value],
    behind: &[Value],
    between: &[Value],
    special: Map<String, Value>,
) -> Value {
    let sequence = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let single = [before, &[sequence("A", 0)], behind].concat();
    let pair = [before, &[sequence("A", 0)], behind, between, &[sequence("B", 1)], behind].concat();
    json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special})
}

/// The token that a key of the tokenizer names.
pub(super) fn special_token<'a>(
    facts: &Facts<'_>,
    tokens: &[Token<'a>],
    key: &str,
) -> Result<Option<Token<'a>>, Error> {
    let Some(number) = facts.plain_count(&format!("tokenizer.ggml.{key}"))? else { return Ok(None) };
    let token = tokens.get(number as usize).copied();
    token.map(Some).ok_or_else(|| {
        facts.wrong(format!("metadata \"tokenizer.ggml.{key}\" is {number}, but there is no such token"))
    })
}

fn settings(facts: &Facts<'_>, context: u32, tokens: &[Token<'_>]) -> Result<Value, Error> {
    let mut settings = Map::new();
    settings.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
    settings.insert("model_max_length".to_owned(), json!(context));
    settings.insert("clean_up_tokenization_spaces".to_owned(), json!(false));
    for (name, key) in NAMES {
        let short = key.strip_prefix("tokenizer.ggml.").unwrap_or(key);
        // A BERT's are the same as those that it has other names for.
        if facts.arch == "bert" && matches!(*name, "bos" | "eos") {
            continue;
        }
        if let Some(token) = special_token(facts, tokens, short)? {
            settings.insert(format!("{name}_token"), json!(token.text));
        }
    }
    if let Some(template) = facts.plain_text("tokenizer.chat_template") {
        settings.insert("chat_template".to_owned(), json!(template));
    }
    Ok(Value::Object(settings))
}
