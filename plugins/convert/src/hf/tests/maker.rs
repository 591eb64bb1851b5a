//! Makes folders as Hugging Face's tools do, with numbers that tell where they came from.

use std::fs;
use std::path::Path;

use inferno_formats::safetensors::{Dtype, Head};
use serde_json::{Value, json};

use super::carry::{bf16, to_half};

/// A number that can be told from others, exact in every type.
pub(super) fn number(tensor: usize, place: usize) -> f32 {
    let mixed = (tensor.wrapping_mul(0x9e37).wrapping_add(place.wrapping_mul(0x85eb))) >> 3;
    (mixed % 255) as f32 / 128.0 - 1.0
}

/// Writes tensors of these names and shapes.
pub(super) fn write_tensors(path: &Path, dtype: Dtype, tensors: &[(&str, &[u64])], first: usize) {
    let mut head = Head::new();
    head.say("format", "pt");
    for (name, shape) in tensors {
        head.add(*name, dtype, shape).unwrap();
    }
    let mut file = head.to_bytes();
    for (tensor, (_, shape)) in tensors.iter().enumerate() {
        for place in 0..shape.iter().product::<u64>() as usize {
            let number = number(first + tensor, place);
            match dtype {
                Dtype::F32 => file.extend(number.to_le_bytes()),
                Dtype::BF16 => file.extend(bf16(number).to_le_bytes()),
                Dtype::F16 => file.extend(to_half(number).to_le_bytes()),
                other => file.extend(vec![0; other.bytes() as usize]),
            }
        }
    }
    fs::write(path, file).unwrap();
}

pub(super) fn write(folder: &Path, name: &str, value: &Value) {
    fs::write(folder.join(name), value.to_string()).unwrap();
}

/// The tensors of a small Llama of two layers: 8 wide, 2 heads of 4, 1 head of keys, 6 inside, 12 tokens.
pub(super) fn llama_tensors() -> Vec<(String, Vec<u64>)> {
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![12, 8]),
        ("model.norm.weight".to_owned(), vec![8]),
        ("lm_head.weight".to_owned(), vec![12, 8]),
    ];
    for layer in 0..2 {
        for (name, shape) in [
            ("input_layernorm", vec![8]),
            ("self_attn.q_proj", vec![8, 8]),
            ("self_attn.k_proj", vec![4, 8]),
            ("self_attn.v_proj", vec![4, 8]),
            ("self_attn.o_proj", vec![8, 8]),
            ("post_attention_layernorm", vec![8]),
            ("mlp.gate_proj", vec![6, 8]),
            ("mlp.up_proj", vec![6, 8]),
            ("mlp.down_proj", vec![8, 6]),
        ] {
            tensors.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    tensors
}

pub(super) fn llama_config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "_name_or_path": "org/tiny-llama",
        "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "vocab_size": 12, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0, "hidden_act": "silu", "tie_word_embeddings": false, "bos_token_id": 10, "eos_token_id": 11,
    })
}

/// Byte pairs of a handful of letters, with two special tokens behind them.
pub(super) fn llama_tokenizer() -> Value {
    let vocab = json!({"a": 0, "b": 1, "c": 2, "\u{120}": 3, "ab": 4, "\u{120}ab": 5, "abc": 6});
    let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    json!({
        "version": "1.0",
        "added_tokens": [
            {"id": 10, "content": "<s>", "special": true, "normalized": false},
            {"id": 11, "content": "</s>", "special": true, "normalized": false},
            {"id": 9, "content": "tool", "special": false, "normalized": false},
        ],
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
        "post_processor": {"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
            {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [10], "tokens": ["<s>"]}}}]},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": ["a b", "\u{120} ab", "ab c"], "ignore_merges": true},
    })
}

/// A whole small Llama.
pub(super) fn llama(folder: &Path, dtype: Dtype) {
    write(folder, "config.json", &llama_config());
    write(folder, "tokenizer.json", &llama_tokenizer());
    write(
        folder,
        "tokenizer_config.json",
        &json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "{{ x }}"}),
    );
    write(folder, "generation_config.json", &json!({"eos_token_id": [11, 9]}));
    let tensors = llama_tensors();
    let tensors: Vec<(&str, &[u64])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    write_tensors(&folder.join("model.safetensors"), dtype, &tensors, 0);
}
