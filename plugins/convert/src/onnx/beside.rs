//! What a runtime must know besides a graph: sizes, the tokens that end an answer, the tokenizer, and how vectors of tokens
//! become one.

use inferno_formats::gguf::Metadata;
use serde_json::{Map, Value, json};

use super::facts::Facts;
use crate::hf;
use crate::plan::Output;

/// As many tokens as no model has.
const MAX_VOCABULARY: u64 = 1 << 24;
/// Where sentence-transformers say how vectors become one.
const POOLING: &str = "1_Pooling/config.json";

/// The files, for a model of so many tokens; `name` is the GGUF file's, for errors.
pub(super) fn files(name: &str, metadata: &Metadata, vocabulary: u64) -> Result<Vec<Output>, String> {
    let facts = Facts::new(metadata)?;
    let vocabulary = u32::try_from(vocabulary).ok().filter(|&tokens| u64::from(tokens) <= MAX_VOCABULARY);
    let vocabulary = vocabulary.ok_or("the model has more tokens than there are words")?;
    let context = facts.needed("context_length", u32::MAX.into())?;
    let mut files = vec![("config.json".to_owned(), config(&facts, vocabulary, context)?)];
    let tokenizer = hf::tokenizer_files(name, metadata, vocabulary, context as u32);
    files.extend(tokenizer.map_err(|error| error.to_string())?);
    if let Some(pooling) = pooling(&facts)? {
        files.push((POOLING.to_owned(), pooling));
    }
    files.into_iter().map(|(path, value)| file(path, &value)).collect()
}

fn file(path: String, value: &Value) -> Result<Output, String> {
    let mut head = serde_json::to_vec_pretty(value).map_err(|error| format!("{path}: {error}"))?;
    head.push(b'\n');
    let bytes = head.len() as u64;
    Ok(Output { path, head, tensors: Vec::new(), bytes })
}

/// What Hugging Face's programs look for, and nothing that only the graph must know.
fn config(facts: &Facts<'_>, vocabulary: u32, context: u64) -> Result<Value, String> {
    let dimensions = facts.dimensions()?;
    let encodes = facts.architecture == "bert";
    let (kind, class) = match facts.architecture {
        "gemma3" => ("gemma3_text", "Gemma3ForCausalLM"),
        "bert" => ("bert", "BertModel"),
        "gemma" => ("gemma", "GemmaForCausalLM"),
        "qwen2" => ("qwen2", "Qwen2ForCausalLM"),
        "qwen3" => ("qwen3", "Qwen3ForCausalLM"),
        _ => ("llama", "LlamaForCausalLM"),
    };
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
    set("architectures", json!([class]));
    set("model_type", json!(kind));
    set("hidden_size", json!(dimensions.width));
    set("num_hidden_layers", json!(dimensions.layers));
    set("num_attention_heads", json!(dimensions.heads));
    if !encodes {
        set("num_key_value_heads", json!(dimensions.kv_heads));
        set("head_dim", json!(dimensions.key));
    }
    if let Some(inner) = facts.count("feed_forward_length")? {
        set("intermediate_size", json!(inner));
    }
    set("vocab_size", json!(vocabulary));
    set("max_position_embeddings", json!(context));
    for (name, keys) in [
        ("bos_token_id", &["bos"][..]),
        // The end of a turn ends an answer as well.
        ("eos_token_id", &["eos", "eot"]),
        ("pad_token_id", &["padding"]),
    ] {
        let mut tokens = Vec::new();
        for key in keys {
            let token = facts.metadata.number(&format!("tokenizer.ggml.{key}_token_id"));
            tokens.extend(token.map_err(|error| error.to_string())?);
        }
        tokens.dedup();
        match tokens[..] {
            [] => {}
            [one] => drop(set(name, json!(one))),
            _ => drop(set(name, json!(tokens))),
        }
    }
    Ok(Value::Object(config))
}

/// How vectors of tokens become one, where the file says it.
fn pooling(facts: &Facts<'_>) -> Result<Option<Value>, String> {
    let modes = ["pooling_mode_mean_tokens", "pooling_mode_cls_token", "pooling_mode_lasttoken"];
    let mode = match facts.count("pooling_type")? {
        None | Some(0) => return Ok(None),
        Some(number @ 1..=3) => number as usize - 1,
        Some(number) => {
            return Err(format!(
                "metadata {:?} is {number}, and only means (1), first (2) and last vectors (3) are supported",
                facts.key("pooling_type")
            ));
        }
    };
    let mut config = Map::new();
    config.insert("word_embedding_dimension".to_owned(), json!(facts.dimensions()?.width));
    config.extend(modes.iter().enumerate().map(|(place, key)| ((*key).to_owned(), json!(place == mode))));
    Ok(Some(Value::Object(config)))
}

#[cfg(test)]
mod tests {
    use inferno_formats::gguf::{Head, Keep, Value as Meta, read};

    use super::*;

    /// Metadata of a small model, with more.
    fn metadata(architecture: &str, more: &[(&str, u32)]) -> Metadata {
        let mut head = Head::new();
        head.set("general.architecture", Meta::Text(architecture.to_owned()));
        let usual = [("block_count", 2), ("embedding_length", 64), ("attention.head_count", 4)];
        for (key, number) in usual.into_iter().chain([("attention.head_count_kv", 2)]) {
            head.set(format!("{architecture}.{key}"), Meta::U32(number));
        }
        for &(key, number) in more {
            head.set(key, Meta::U32(number));
        }
        let bytes = head.to_bytes().unwrap();
        read(std::io::Cursor::new(&bytes), bytes.len() as u64, Keep::All).unwrap().metadata
    }

    #[test]
    fn a_configuration_has_the_sizes_and_every_token_that_ends_an_answer() {
        let told = |more: &[(&str, u32)]| {
            let metadata = metadata("qwen3", more);
            config(&Facts::new(&metadata).unwrap(), 96, 512).unwrap()
        };
        let eos = ("tokenizer.ggml.eos_token_id", 3);
        let plain = told(&[eos, ("tokenizer.ggml.padding_token_id", 0)]);
        assert_eq!(
            plain,
            json!({
                "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 96,
                "max_position_embeddings": 512, "eos_token_id": 3, "pad_token_id": 0,
            })
        );
        assert_eq!(told(&[eos, ("tokenizer.ggml.eot_token_id", 5)])["eos_token_id"], json!([3, 5]));
        assert_eq!(told(&[eos, ("tokenizer.ggml.eot_token_id", 3)])["eos_token_id"], json!(3));
    }

    #[test]
    fn vectors_are_pooled_as_the_file_says_or_not_at_all() {
        let told = |number: u32| {
            let metadata = metadata("bert", &[("bert.pooling_type", number)]);
            pooling(&Facts::new(&metadata).unwrap())
        };
        assert_eq!(told(0).unwrap(), None);
        for (number, on) in
            [(1, "pooling_mode_mean_tokens"), (2, "pooling_mode_cls_token"), (3, "pooling_mode_lasttoken")]
        {
            let config = told(number).unwrap().unwrap();
            let flags = config.as_object().unwrap().iter().filter(|(_, value)| **value == json!(true));
            assert_eq!(flags.map(|(key, _)| key.as_str()).collect::<Vec<_>>(), [on]);
        }
        assert!(told(4).unwrap_err().contains("\"bert.pooling_type\" is 4"));
    }
}
