//! The configuration that a model in GGUF had.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use inferno_formats::safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::super::Error;
use super::super::layout::{BERT, LLAMA, Lengths, MAX_HEAD, Name, QWEN2, QWEN3};
use super::super::rope::Stretch;
use super::facts::Facts;
use super::tensors::Found;

/// What was found out.
pub(super) struct Model {
    pub(super) lengths: Lengths,
    pub(super) names: &'static [Name],
    pub(super) tied: bool,
    /// The most tokens that it was made for.
    pub(super) context: u32,
    /// A tensor of the factors that positions are divided by has been understood.
    pub(super) stretched: bool,
    config: Map<String, Value>,
}

impl Model {
    /// The whole configuration of a model whose numbers are packed so.
    pub(super) fn config(&self, dtype: Dtype) -> Value {
        let mut config = self.config.clone();
        let name = match dtype {
            Dtype::F16 => "float16",
            Dtype::BF16 => "bfloat16",
            _ => "float32",
        };
        config.insert("torch_dtype".to_owned(), json!(name));
        Value::Object(config)
    }
}

/// Reads it from the metadata and from which tensors there are.
pub(super) fn read(
    facts: &Facts<'_>,
    found: &[Found],
    folder: &Path,
    files: &[String],
) -> Result<Model, Error> {
    match facts.arch {
        "llama" => {
            if facts.count("expert_count")?.unwrap_or(0) > 0 {
                return Err(facts.wrong("it has several experts, which cannot be converted yet"));
            }
            let mut model = decoder(facts, found, LLAMA, "LlamaForCausalLM")?;
            let has = |name: &str| found.iter().any(|found| found.tensor.name == name);
            model.config.insert("attention_bias".to_owned(), json!(has("blk.0.attn_q.bias")));
            model.config.insert("mlp_bias".to_owned(), json!(has("blk.0.ffn_gate.bias")));
            if let Some(factors) = found.iter().find(|found| found.tensor.name == "rope_freqs.weight") {
                let theta = facts.float("rope.freq_base").unwrap_or(10_000.0);
                let stretch = stretch(facts, factors, folder, files, theta, model.lengths.head)?;
                model.config.insert("rope_scaling".to_owned(), stretch);
                model.stretched = true;
            }
            Ok(model)
        }
        "qwen2" => decoder(facts, found, QWEN2, "Qwen2ForCausalLM"),
        "qwen3" => decoder(facts, found, QWEN3, "Qwen3ForCausalLM"),
        "bert" => bert(facts, found),
        other => Err(facts.wrong(format!(
            "it is a {other}; the way back from GGUF is there for llama (Llama and Mistral), qwen2, qwen3 and bert"
        ))),
    }
}

fn decoder(facts: &Facts<'_>, found: &[Found], names: &'static [Name], kind: &str) -> Result<Model, Error> {
    let (embedding, heads) = (facts.need("embedding_length")?, facts.need("attention.head_count")?);
    let head = match facts.count("attention.key_length")? {
        Some(head) if head > 0 => head,
        _ => embedding / heads,
    };
    let key_heads = facts.count("attention.head_count_kv")?.filter(|number| *number > 0).unwrap_or(heads);
    if head == 0 || head > MAX_HEAD || !head.is_multiple_of(2) || !heads.is_multiple_of(key_heads) {
        return Err(
            facts.wrong(format!("{heads} heads of length {head} do not go with {key_heads} heads of keys"))
        );
    }
    for (key, expected) in [("attention.value_length", head), ("rope.dimension_count", head)] {
        if facts.count(key)?.is_some_and(|number| number != expected) {
            return Err(facts.wrong(format!(
                "metadata \"{}.{key}\" must be {expected}, the length of a head",
                facts.arch
            )));
        }
    }
    let lengths = Lengths {
        layers: facts.need("block_count")?,
        embedding,
        feed: facts.need("feed_forward_length")?,
        heads,
        key_heads,
        head,
        vocabulary: rows(facts, found)?,
        ..Lengths::default()
    };
    let context = facts.need("context_length")?;
    let tied = !found.iter().any(|found| found.tensor.name == "output.weight");
    let epsilon = facts.float("attention.layer_norm_rms_epsilon");
    let epsilon = epsilon.ok_or_else(|| {
        facts.wrong(format!("metadata \"{}.attention.layer_norm_rms_epsilon\" is missing", facts.arch))
    })?;
    let config = json!({
        "architectures": [kind],
        "model_type": facts.arch,
        "hidden_size": embedding,
        "intermediate_size": lengths.feed,
        "num_hidden_layers": lengths.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": head,
        "vocab_size": lengths.vocabulary,
        "max_position_embeddings": context,
        "rms_norm_eps": epsilon,
        "rope_theta": facts.float("rope.freq_base").unwrap_or(10_000.0),
        "rope_scaling": scaling(facts)?,
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        "bos_token_id": facts.plain_count("tokenizer.ggml.bos_token_id")?,
        "eos_token_id": facts.plain_count("tokenizer.ggml.eos_token_id")?,
        "pad_token_id": facts.plain_count("tokenizer.ggml.padding_token_id")?,
    });
    Ok(Model { lengths, names, tied, context, stretched: false, config: object(config) })
}

fn bert(facts: &Facts<'_>, found: &[Found]) -> Result<Model, Error> {
    if facts.plain_text("tokenizer.ggml.model") != Some("bert") {
        return Err(facts.wrong(
            "it is a RoBERTa, whose first positions are not in GGUF; the way back is there for encoders with BERT's own tokenizer",
        ));
    }
    let (embedding, heads) = (facts.need("embedding_length")?, facts.need("attention.head_count")?);
    if !embedding.is_multiple_of(heads) {
        return Err(facts.wrong(format!("{embedding} is no multiple of {heads} heads")));
    }
    let types = found.iter().find(|found| found.tensor.name == "token_types.weight");
    let types = types.and_then(|found| found.tensor.shape.get(1)).copied().unwrap_or(1);
    let lengths = Lengths {
        layers: facts.need("block_count")?,
        embedding,
        feed: facts.need("feed_forward_length")?,
        heads,
        key_heads: heads,
        head: embedding / heads,
        vocabulary: rows(facts, found)?,
        positions: facts.need("context_length")?,
        skipped: 0,
        types: u32::try_from(types).map_err(|_| facts.wrong("there are too many types of tokens"))?,
    };
    let config = json!({
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": embedding,
        "intermediate_size": lengths.feed,
        "num_hidden_layers": lengths.layers,
        "num_attention_heads": heads,
        "vocab_size": lengths.vocabulary,
        "max_position_embeddings": lengths.positions,
        "type_vocab_size": lengths.types,
        "layer_norm_eps": facts.float("attention.layer_norm_epsilon").unwrap_or(1e-12),
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "pad_token_id": facts.plain_count("tokenizer.ggml.padding_token_id")?,
    });
    Ok(Model {
        lengths,
        names: BERT,
        tied: true,
        context: lengths.positions,
        stretched: false,
        config: object(config),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// How many tokens the embedding has.
fn rows(facts: &Facts<'_>, found: &[Found]) -> Result<u32, Error> {
    let embedding = found.iter().find(|found| found.tensor.name == "token_embd.weight");
    let rows =
        embedding.and_then(|found| found.tensor.shape.get(1)).and_then(|rows| u32::try_from(*rows).ok());
    rows.ok_or_else(|| facts.wrong("tensor \"token_embd.weight\" is missing, or no matrix"))
}

/// How positions were stretched, where metadata says it.
fn scaling(facts: &Facts<'_>) -> Result<Value, Error> {
    let factor = facts.float("rope.scaling.factor");
    match (facts.text("rope.scaling.type"), factor) {
        (None | Some("none"), _) | (Some("linear"), None) => Ok(Value::Null),
        (Some("linear"), Some(factor)) => Ok(json!({"rope_type": "linear", "factor": factor})),
        (Some("yarn"), Some(factor)) => {
            let mut scaling = json!({"rope_type": "yarn", "factor": factor,
                "original_max_position_embeddings": facts.need("rope.scaling.original_context_length")?});
            for (from, to) in [
                ("yarn_attn_factor", "attention_factor"),
                ("yarn_beta_fast", "beta_fast"),
                ("yarn_beta_slow", "beta_slow"),
            ] {
                if let Some(number) = facts.float(&format!("rope.scaling.{from}")) {
                    scaling[to] = json!(number);
                }
            }
            Ok(scaling)
        }
        (Some(other), _) => {
            Err(facts.wrong(format!("positions that are stretched by {other:?} have no way back")))
        }
    }
}

/// The parameters that the factors of a Llama 3 were made with, found by making those of the Llamas that there are.
fn stretch(
    facts: &Facts<'_>,
    factors: &Found,
    folder: &Path,
    files: &[String],
    theta: f64,
    head: u32,
) -> Result<Value, Error> {
    let wrong = |message: &str| facts.wrong(format!("tensor \"rope_freqs.weight\" {message}"));
    let count = head as usize / 2;
    if factors.tensor.kind.name != "F32" || factors.tensor.shape != [count as u64] {
        return Err(wrong("must have one number of 32 bits for each pair of a head"));
    }
    let mut bytes = vec![0; count * 4];
    let name = files.get(factors.input).map(String::as_str).unwrap_or_default();
    File::open(folder.join(name))
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(factors.offset)).and_then(|_| file.read_exact(&mut bytes))
        })
        .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let numbers = bytes.chunks_exact(4).map(|bytes| bytes.try_into().map_or(f32::NAN, f32::from_le_bytes));
    let numbers: Vec<f32> = numbers.collect();
    let largest = numbers.iter().copied().fold(1.0, f32::max);
    let contexts = [8192, 4096, 2048, 1024, 512, 256, 128, 64, 16384, 32768];
    for context in contexts {
        let stretch = Stretch { factor: largest.into(), low: 1.0, high: 4.0, context: context.into() };
        let made = stretch.factors(theta, head);
        if made.iter().zip(&numbers).all(|(made, found)| (made - found).abs() <= 1e-5 * made.abs()) {
            return Ok(
                json!({"rope_type": "llama3", "factor": largest, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": context}),
            );
        }
    }
    Err(wrong("stretches positions in a way that no Llama does"))
}
