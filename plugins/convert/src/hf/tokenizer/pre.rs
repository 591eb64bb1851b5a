//! How a tokenizer cuts a text before it looks for tokens, and what llama.cpp calls that.
//!
//! llama.cpp knows each way by a name and has it in code. A tokenizer is compared by what it does: the steps that cut, in
//! order. Two tokenizers of one name cut alike, whatever made them.

use serde_json::{Value, json};

use super::super::Error;
use super::super::object::told;

/// The ends of English words after an apostrophe, in both cases.
const ENDINGS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
/// What stands behind the words in each pattern: signs, ends of lines and spaces.
const SIGNS: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const SIGNS_AND_PATHS: &str = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Words that end in small letters, and those that begin with capitals.
const SMALL: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";
const CAPITAL: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";

/// The names by which tokenizers are recognized. For some of them llama.cpp has others that do the same.
const NAMES: &[&str] = &["gpt-2", "llama-bpe", "dbrx", "qwen2", "tekken", "gpt-4o", "smollm"];

/// A step that cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Around what matches.
    Split(String),
    /// Around each digit.
    Digits,
    /// As GPT-2 does.
    Gpt2,
}

/// The name, by how the text is cut and whether a piece that is a token is taken without looking at merges.
pub(super) fn name(pre_tokenizer: Option<&Value>, whole_first: bool) -> Result<&'static str, Error> {
    let mut steps = Vec::new();
    let known = pre_tokenizer.is_some_and(|value| read(value, &mut steps));
    let found = if known { known_name(&steps, whole_first) } else { None };
    found.ok_or_else(|| {
        let what = pre_tokenizer.map_or_else(|| "none".to_owned(), told);
        let taken = if whole_first { ", with ignore_merges" } else { "" };
        Error::new(
            "tokenizer.json",
            format!(
                "this way of cutting texts is not known: {what}{taken}; if llama.cpp has it, say its name with \
                 --metadata tokenizer.ggml.pre=NAME"
            ),
        )
    })
}

fn known_name(steps: &[Step], whole_first: bool) -> Option<&'static str> {
    NAMES
        .iter()
        .copied()
        .find(|name| way(name).is_some_and(|(known, first)| known == steps && first == whole_first))
}

/// What a name stands for: the steps, and whether a piece that is a token is taken without looking at merges.
fn way(name: &str) -> Option<(Vec<Step>, bool)> {
    let words = |numbers: &str| {
        vec![Step::Split(format!(r"{ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}|{SIGNS}"))]
    };
    Some(match name {
        "gpt-2" | "phi-2" | "roberta-bpe" | "jina-v1-en" | "jina-v2-code" => (vec![Step::Gpt2], false),
        "llama-bpe" | "llama3" | "llama-v3" => (words(r"\p{N}{1,3}"), true),
        "dbrx" | "smaug-bpe" => (words(r"\p{N}{1,3}"), false),
        "qwen2" | "deepseek-r1-qwen" => (words(r"\p{N}"), false),
        "tekken" => (vec![Step::Split(format!(r"{SMALL}|{CAPITAL}|\p{{N}}|{SIGNS_AND_PATHS}"))], true),
        "gpt-4o" => {
            let words = format!(r"{SMALL}{ENDINGS}?|{CAPITAL}{ENDINGS}?|\p{{N}}{{1,3}}|{SIGNS_AND_PATHS}");
            (vec![Step::Split(words)], false)
        }
        "smollm" | "starcoder" => (vec![Step::Digits, Step::Gpt2], false),
        _ => return None,
    })
}

/// Reads the steps; false where one of them is of no known kind.
fn read(value: &Value, steps: &mut Vec<Step>) -> bool {
    let flag = |key: &str, usual: bool| value.get(key).and_then(Value::as_bool).unwrap_or(usual);
    match value.get("type").and_then(Value::as_str) {
        Some("Sequence") => match value.get("pretokenizers").and_then(Value::as_array) {
            Some(inner) => inner.iter().all(|step| read(step, steps)),
            None => false,
        },
        // A space that is put before the first word is not there in llama.cpp.
        Some("ByteLevel") if !flag("add_prefix_space", true) => {
            if flag("use_regex", true) {
                steps.push(Step::Gpt2);
            }
            true
        }
        Some("Digits") if flag("individual_digits", false) => {
            steps.push(Step::Digits);
            true
        }
        Some("Split") if !flag("invert", false) => {
            let isolated = value.get("behavior").and_then(Value::as_str) == Some("Isolated");
            let pattern =
                value.get("pattern").and_then(|pattern| pattern.get("Regex")).and_then(Value::as_str);
            match pattern {
                Some(pattern) if isolated => steps.push(Step::Split(pattern.to_owned())),
                _ => return false,
            }
            true
        }
        _ => false,
    }
}

/// The way that a name stands for as `tokenizer.json` says it, and whether a piece that is a token is taken as it is.
pub(in super::super) fn steps(name: &str) -> Option<(Value, bool)> {
    let (steps, whole_first) = way(name)?;
    let bytes = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let mut list = Vec::new();
    for step in &steps {
        list.push(match step {
            Step::Split(pattern) => {
                json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
            }
            Step::Digits => json!({"type": "Digits", "individual_digits": true}),
            Step::Gpt2 => bytes(true),
        });
    }
    // Bytes become letters in any case.
    if !steps.contains(&Step::Gpt2) {
        list.push(bytes(false));
    }
    Some((json!({"type": "Sequence", "pretokenizers": list}), whole_first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_steps_that_have_that_name() {
        for known in NAMES {
            let (value, whole_first) = steps(known).unwrap();
            assert_eq!(name(Some(&value), whole_first).unwrap(), *known);
        }
    }

    #[test]
    fn llamas_own_pattern_is_known() {
        let pattern = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        let value = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]});
        assert_eq!(name(Some(&value), true).unwrap(), "llama-bpe");
    }

    #[test]
    fn what_is_not_known_is_told_with_the_way_out() {
        let values = [
            json!({"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Isolated", "invert": false}),
            json!({"type": "ByteLevel", "add_prefix_space": true}),
            json!({"type": "Whitespace"}),
            json!([]),
        ];
        for value in values {
            let error = name(Some(&value), false).unwrap_err().to_string();
            assert!(
                error.starts_with("tokenizer.json: ") && error.contains("tokenizer.ggml.pre=NAME"),
                "{error}"
            );
        }
        assert!(name(None, false).is_err());
    }
}
