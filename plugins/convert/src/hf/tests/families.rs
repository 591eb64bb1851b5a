//! What the families have that others do not.

use std::path::Path;

use inferno_formats::safetensors::Dtype;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::maker::{self, number};
use super::to_gguf::{convert, options, refused};
use super::tokenizers::bert;

/// A Llama under another name, with other tensors in its layers besides.
fn like_llama(
    folder: &Path,
    kind: &str,
    settings: Value,
    without: &[&str],
    more: &[(&str, &[u64])],
) -> Vec<String> {
    maker::llama(folder, Dtype::F32);
    let mut config = maker::llama_config();
    config["architectures"] = json!([kind]);
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    maker::write(folder, "config.json", &config);
    let mut tensors = maker::llama_tensors();
    tensors.retain(|(name, _)| !without.iter().any(|part| name.contains(part)));
    for layer in 0..2 {
        for (name, shape) in more {
            tensors.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        }
    }
    let list: Vec<(&str, &[u64])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    maker::write_tensors(&folder.join("model.safetensors"), Dtype::F32, &list, 0);
    tensors.into_iter().map(|(name, _)| name).collect()
}

fn of(names: &[String], name: &str, count: usize) -> Vec<f32> {
    let tensor = names.iter().position(|known| known == name).unwrap();
    (0..count).map(|place| number(tensor, place)).collect()
}

#[test]
fn the_norms_of_a_gemma_are_about_one() {
    let folder = tempdir().unwrap();
    let settings = json!({"hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": true, "head_dim": 4});
    let names = like_llama(folder.path(), "GemmaForCausalLM", settings, &["lm_head"], &[]);
    let (contents, numbers) = convert(folder.path(), &options());
    let before = of(&names, "model.layers.1.input_layernorm.weight", 8);
    let expected: Vec<f32> = before.iter().map(|number| number + 1.0).collect();
    assert_eq!(numbers["blk.1.attn_norm.weight"], expected);
    // Nothing else is changed, queries are not interleaved, and there is no output of its own.
    assert_eq!(numbers["blk.1.attn_q.weight"], of(&names, "model.layers.1.self_attn.q_proj.weight", 64));
    assert!(!numbers.contains_key("output.weight"));
    assert_eq!(contents.metadata.number("gemma.attention.key_length").unwrap(), Some(4));
}

#[test]
fn a_gemma_2_is_run_as_it_says_or_not_at_all() {
    let folder = tempdir().unwrap();
    let settings = json!({"hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true, "head_dim": 4,
        "query_pre_attn_scalar": 4, "sliding_window": 16, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0});
    let more: [(&str, &[u64]); 2] =
        [("pre_feedforward_layernorm.weight", &[8]), ("post_feedforward_layernorm.weight", &[8])];
    let names = like_llama(folder.path(), "Gemma2ForCausalLM", settings.clone(), &["lm_head"], &more);
    let (contents, numbers) = convert(folder.path(), &options());
    let plus = |name: &str| -> Vec<f32> { of(&names, name, 8).iter().map(|number| number + 1.0).collect() };
    assert_eq!(numbers["blk.0.ffn_norm.weight"], plus("model.layers.0.pre_feedforward_layernorm.weight"));
    assert_eq!(
        numbers["blk.0.post_attention_norm.weight"],
        plus("model.layers.0.post_attention_layernorm.weight")
    );
    assert_eq!(contents.metadata.number("gemma2.attention.sliding_window").unwrap(), Some(16));
    let changed = |key: &str, value: Value, words: &str| {
        let mut settings = settings.clone();
        settings[key] = value;
        like_llama(folder.path(), "Gemma2ForCausalLM", settings, &["lm_head"], &more);
        refused(folder.path(), words);
    };
    changed(
        "query_pre_attn_scalar",
        json!(8),
        "query_pre_attn_scalar is 8, but such a model in GGUF is run with 4",
    );
    changed("attn_logit_softcapping", json!(null), "attn_logit_softcapping is missing");
    changed("layer_types", json!(["full_attention"]), "layer_types has 1 entries for 2 layers");
    changed(
        "layer_types",
        json!(["full_attention", "x"]),
        "may have sliding_attention and full_attention only",
    );
    changed("tie_word_embeddings", json!(false), "tie_word_embeddings is false");
}

#[test]
fn queries_keys_and_values_of_a_phi_stay_one() {
    let folder = tempdir().unwrap();
    let settings = json!({"rope_scaling": {"type": "longrope", "short_factor": [1.0, 2.0], "long_factor": [3.0, 4.0]},
        "original_max_position_embeddings": 32});
    let without = ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"];
    let more: [(&str, &[u64]); 2] =
        [("self_attn.qkv_proj.weight", &[16, 8]), ("mlp.gate_up_proj.weight", &[12, 8])];
    let names = like_llama(folder.path(), "Phi3ForCausalLM", settings.clone(), &without, &more);
    let (contents, numbers) = convert(folder.path(), &options());
    assert_eq!(numbers["blk.1.attn_qkv.weight"], of(&names, "model.layers.1.self_attn.qkv_proj.weight", 128));
    assert_eq!(numbers["blk.1.ffn_up.weight"], of(&names, "model.layers.1.mlp.gate_up_proj.weight", 96));
    assert_eq!(numbers["rope_factors_short.weight"], [1.0, 2.0]);
    assert_eq!(numbers["rope_factors_long.weight"], [3.0, 4.0]);
    let factor =
        contents.metadata.get("phi3.rope.scaling.attn_factor").and_then(|value| value.float()).unwrap();
    assert!((factor - (1.0 + 2_f64.ln() / 32_f64.ln()).sqrt()).abs() < 1e-6, "{factor}");
    let mut wrong = settings;
    wrong["rope_scaling"]["long_factor"] = json!([3.0]);
    like_llama(folder.path(), "Phi3ForCausalLM", wrong, &without, &more);
    refused(folder.path(), "rope_scaling.long_factor has 1 numbers, but must have 2");
}

#[test]
fn a_qwen_has_biases_and_norms_of_its_own() {
    let folder = tempdir().unwrap();
    let biases: [(&str, &[u64]); 3] =
        [("self_attn.q_proj.bias", &[8]), ("self_attn.k_proj.bias", &[4]), ("self_attn.v_proj.bias", &[4])];
    let names = like_llama(folder.path(), "Qwen2ForCausalLM", json!({}), &[], &biases);
    let (_, numbers) = convert(folder.path(), &options());
    assert_eq!(numbers["blk.0.attn_k.bias"], of(&names, "model.layers.0.self_attn.k_proj.bias", 4));
    like_llama(folder.path(), "Qwen2ForCausalLM", json!({}), &[], &biases[..2]);
    refused(folder.path(), "\"model.layers.0.self_attn.v_proj.bias\" is missing");
    let norms: [(&str, &[u64]); 2] = [("self_attn.q_norm.weight", &[4]), ("self_attn.k_norm.weight", &[4])];
    let names = like_llama(
        folder.path(),
        "Qwen3ForCausalLM",
        json!({"head_dim": 4, "tie_word_embeddings": true}),
        &[],
        &norms,
    );
    let (_, numbers) = convert(folder.path(), &options());
    assert_eq!(numbers["blk.0.attn_q_norm.weight"], of(&names, "model.layers.0.self_attn.q_norm.weight", 4));
    // An output that is the embedding over again is left out, though it is in the file.
    assert!(names.contains(&"lm_head.weight".to_owned()) && !numbers.contains_key("output.weight"));
}

#[test]
fn biases_of_queries_are_interleaved_as_their_rows_are() {
    let folder = tempdir().unwrap();
    let names =
        like_llama(folder.path(), "LlamaForCausalLM", json!({}), &[], &[("self_attn.q_proj.bias", &[8])]);
    let (contents, numbers) = convert(folder.path(), &options());
    let before = of(&names, "model.layers.0.self_attn.q_proj.bias", 8);
    let expected: Vec<f32> = [0, 2, 1, 3, 4, 6, 5, 7].iter().map(|place| before[*place]).collect();
    assert_eq!(numbers["blk.0.attn_q.bias"], expected);
    let tensor = contents.tensors.iter().find(|tensor| tensor.name == "blk.0.attn_q.bias").unwrap();
    assert_eq!(tensor.shape, [8]);
}

#[test]
fn the_first_positions_of_a_roberta_are_left_out() {
    let folder = tempdir().unwrap();
    bert(folder.path());
    let (_, whole) = convert(folder.path(), &options());
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("config.json")).unwrap()).unwrap();
    config["architectures"] = json!(["RobertaModel"]);
    config["pad_token_id"] = json!(1);
    maker::write(folder.path(), "config.json", &config);
    let (contents, cut) = convert(folder.path(), &options());
    assert_eq!(cut["position_embd.weight"], whole["position_embd.weight"][16..]);
    assert_eq!(contents.metadata.number("bert.context_length").unwrap(), Some(3));
    config["pad_token_id"] = json!(4);
    maker::write(folder.path(), "config.json", &config);
    refused(folder.path(), "max_position_embeddings is 5, but must be more than 5");
}
