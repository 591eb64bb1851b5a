//! From a folder to GGUF.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use inferno_formats::gguf::{self, Contents, Keep, Value};
use inferno_formats::safetensors::Dtype;
use serde_json::json;
use tempfile::tempdir;

use super::super::{Options, Outtype, plan};
use super::carry::{carry, decode};
use super::maker::{self, number};
use crate::plan::Encoding;

pub(super) fn options() -> Options {
    Options { output: "model.gguf".to_owned(), packing: Outtype::Auto, name: None, metadata: Vec::new() }
}

/// Converts, and reads what came out.
pub(super) fn convert(folder: &Path, options: &Options) -> (Contents, BTreeMap<String, Vec<f32>>) {
    let out = tempdir().unwrap();
    carry(&plan(folder, options).unwrap(), folder, out.path());
    let path = out.path().join("model.gguf");
    let bytes = fs::read(&path).unwrap();
    let contents = gguf::read(File::open(&path).unwrap(), bytes.len() as u64, Keep::All).unwrap();
    let numbers = contents.tensors.iter().map(|tensor| {
        let start = (contents.data + tensor.offset) as usize;
        (
            tensor.name.clone(),
            decode(Encoding::Ggml(tensor.kind), &bytes[start..start + tensor.bytes as usize]),
        )
    });
    let numbers = numbers.collect();
    (contents, numbers)
}

pub(super) fn texts(contents: &Contents, key: &str) -> Vec<String> {
    let Some(Value::Array(array)) = contents.metadata.get(key) else { panic!("no {key}") };
    array.texts().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

/// The number of a tensor among those of the maker.
fn place(name: &str) -> usize {
    maker::llama_tensors().iter().position(|(known, _)| known == name).unwrap()
}

pub(super) fn refused(folder: &Path, words: &str) {
    let error = plan(folder, &options()).expect_err("refused").to_string();
    assert!(error.contains(words), "{words:?} is not in: {error}");
}

#[test]
fn a_llama_keeps_its_numbers_and_tells_what_it_is() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::BF16);
    let (contents, numbers) = convert(folder.path(), &options());
    let metadata = &contents.metadata;
    for (key, expected) in [
        ("llama.block_count", 2),
        ("llama.context_length", 64),
        ("llama.attention.head_count_kv", 1),
        ("llama.rope.dimension_count", 4),
        ("llama.vocab_size", 12),
        ("general.file_type", 32),
        ("tokenizer.ggml.bos_token_id", 10),
        ("tokenizer.ggml.eos_token_id", 11),
        ("tokenizer.ggml.eot_token_id", 9),
    ] {
        assert_eq!(metadata.number(key).unwrap(), Some(expected), "{key}");
    }
    assert_eq!(metadata.text("general.name"), Some("tiny-llama"));
    assert_eq!(metadata.text("tokenizer.ggml.pre"), Some("llama-bpe"));
    assert_eq!(metadata.text("tokenizer.chat_template"), Some("{{ x }}"));
    assert_eq!(metadata.get("tokenizer.ggml.add_bos_token"), Some(&Value::Bool(true)));
    assert_eq!(metadata.get("tokenizer.ggml.add_eos_token"), Some(&Value::Bool(false)));
    assert_eq!(metadata.get("llama.rope.freq_base"), Some(&Value::F32(500_000.0)));
    let tokens = texts(&contents, "tokenizer.ggml.tokens");
    assert_eq!(tokens[6..], ["abc", "[PAD7]", "[PAD8]", "tool", "<s>", "</s>"]);
    let Some(Value::Array(kinds)) = metadata.get("tokenizer.ggml.token_type") else { panic!("no kinds") };
    assert_eq!(kinds.whole().collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1, 1, 5, 5, 4, 3, 3]);
    assert_eq!(texts(&contents, "tokenizer.ggml.merges"), ["a b", "\u{120} ab", "ab c"]);
    let kind = |name: &str| contents.tensors.iter().find(|tensor| tensor.name == name).unwrap().kind.name;
    assert_eq!((kind("blk.1.attn_q.weight"), kind("blk.1.attn_norm.weight")), ("BF16", "F32"));
    assert_eq!(contents.tensors.len(), maker::llama_tensors().len());
    let straight = |name: &str| -> Vec<f32> { (0..48).map(|at| number(place(name), at)).collect() };
    assert_eq!(numbers["blk.1.ffn_down.weight"], straight("model.layers.1.mlp.down_proj.weight"));
    // Rows 0, 2, 1, 3 of each head, 8 numbers in each.
    let of_queries = place("model.layers.0.self_attn.q_proj.weight");
    let expected: Vec<f32> = [0, 2, 1, 3, 4, 6, 5, 7]
        .iter()
        .flat_map(|row| (0..8).map(move |at| number(of_queries, row * 8 + at)))
        .collect();
    assert_eq!(numbers["blk.0.attn_q.weight"], expected);
    let of_keys = place("model.layers.0.self_attn.k_proj.weight");
    let expected: Vec<f32> =
        [0, 2, 1, 3].iter().flat_map(|row| (0..8).map(move |at| number(of_keys, row * 8 + at))).collect();
    assert_eq!(numbers["blk.0.attn_k.weight"], expected);
}

#[test]
fn shards_are_one_model() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::F32);
    let (_, whole) = convert(folder.path(), &options());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let tensors = maker::llama_tensors();
    let tensors: Vec<(&str, &[u64])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let (one, two) = tensors.split_at(7);
    maker::write_tensors(&folder.path().join("model-00001-of-00002.safetensors"), Dtype::F32, one, 0);
    maker::write_tensors(&folder.path().join("model-00002-of-00002.safetensors"), Dtype::F32, two, 7);
    let map = |part: &[(&str, &[u64])], file: &str| -> serde_json::Map<String, serde_json::Value> {
        part.iter().map(|(name, _)| ((*name).to_owned(), json!(file))).collect()
    };
    let mut index = map(one, "model-00001-of-00002.safetensors");
    index.extend(map(two, "model-00002-of-00002.safetensors"));
    maker::write(folder.path(), "model.safetensors.index.json", &json!({"weight_map": index}));
    let (_, sharded) = convert(folder.path(), &options());
    assert_eq!(whole, sharded);

    index.insert("model.more".to_owned(), json!("model-00002-of-00002.safetensors"));
    maker::write(folder.path(), "model.safetensors.index.json", &json!({"weight_map": index}));
    refused(folder.path(), "\"model.more\", which no shard has");
    index.insert("model.more".to_owned(), json!("../model-00002-of-00002.safetensors"));
    maker::write(folder.path(), "model.safetensors.index.json", &json!({"weight_map": index}));
    refused(folder.path(), "must be the name of a safetensors file in the folder");
}

#[test]
fn what_is_typed_counts() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::F16);
    let mut tokenizer = maker::llama_tokenizer();
    tokenizer["pre_tokenizer"] = json!({"type": "Whitespace"});
    maker::write(folder.path(), "tokenizer.json", &tokenizer);
    refused(folder.path(), "--metadata tokenizer.ggml.pre=NAME");
    let mut options = options();
    options.name = Some("mine".to_owned());
    options.packing = Outtype::F32;
    options.metadata =
        vec![("tokenizer.ggml.pre".to_owned(), "gpt-2".to_owned()), ("own.key".to_owned(), "7".to_owned())];
    let (contents, _) = convert(folder.path(), &options);
    assert_eq!(contents.metadata.text("tokenizer.ggml.pre"), Some("gpt-2"));
    assert_eq!(contents.metadata.text("general.name"), Some("mine"));
    assert_eq!(contents.metadata.number("own.key").unwrap(), Some(7));
    assert!(contents.tensors.iter().all(|tensor| tensor.kind.name == "F32"));
}

#[test]
fn the_stretch_of_llama_3_becomes_a_tensor() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::F32);
    let mut config = maker::llama_config();
    config["head_dim"] = json!(4);
    config["rope_scaling"] = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192});
    maker::write(folder.path(), "config.json", &config);
    let (_, numbers) = convert(folder.path(), &options());
    // The second pair turns once in 2 pi * sqrt(500000) = 4443 positions, between 8192 / 4 and 8192 / 1.
    let wave = 2.0 * std::f64::consts::PI * 500_000_f64.sqrt();
    let smooth = (8192.0 / wave - 1.0) / 3.0;
    let expected = 1.0 / ((1.0 - smooth) / 8.0 + smooth);
    let found = &numbers["rope_freqs.weight"];
    assert_eq!((found.len(), found[0]), (2, 1.0));
    assert!((f64::from(found[1]) - expected).abs() < 1e-5, "{} and {expected}", found[1]);
    config["rope_scaling"]["rope_type"] = json!("dynamic");
    maker::write(folder.path(), "config.json", &config);
    refused(folder.path(), "config.json: rope_scaling.rope_type is \"dynamic\"");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    refused(folder, "config.json: it is not there");
    maker::llama(folder, Dtype::F32);
    let changed = |key: &str, value: serde_json::Value, words: &str| {
        let mut config = maker::llama_config();
        config[key] = value;
        maker::write(folder, "config.json", &config);
        refused(folder, words);
        maker::write(folder, "config.json", &maker::llama_config());
    };
    changed("architectures", json!(["MambaForCausalLM"]), "what can be converted is LlamaForCausalLM");
    changed("architectures", json!(null), "architectures is missing");
    changed("num_hidden_layers", json!(3), "\"model.layers.2.input_layernorm.weight\" is missing");
    changed(
        "num_hidden_layers",
        json!(1),
        "\"model.layers.1.input_layernorm.weight\" has no place in a llama of 1 layers",
    );
    changed(
        "num_hidden_layers",
        json!(4_000_000_000_u32),
        "\"model.layers.2.input_layernorm.weight\" is missing",
    );
    changed("num_hidden_layers", json!(-1), "num_hidden_layers must be a whole number");
    changed("hidden_size", json!(0), "hidden_size is 0, but must be at least 1");
    changed("hidden_size", json!(9), "no multiple of the 2 of num_attention_heads");
    changed("hidden_size", json!(16), "by config.json it must have [12, 16]");
    changed("num_attention_heads", json!("2"), "num_attention_heads must be a whole number");
    changed("head_dim", json!(1 << 20), "head_dim comes to 1048576, but at most");
    changed("num_key_value_heads", json!(3), "does not go with 3 heads of keys");
    changed("vocab_size", json!(5), "by config.json it must have [5, 8]");
    changed("vocab_size", json!(13), "by config.json it must have [13, 8]");
    changed("hidden_act", json!("relu"), "hidden_act is \"relu\"");
    changed("quantization_config", json!({"quant_method": "gptq"}), "packed with gptq");
    changed("rope_theta", json!(-1.0), "rope_theta is -1");
    changed("tie_word_embeddings", json!("yes"), "must be true or false");
    let broken = |name: &str, change: &dyn Fn(&mut serde_json::Value), words: &str| {
        let before = fs::read(folder.join(name)).unwrap();
        let mut value = serde_json::from_slice(&before).unwrap();
        change(&mut value);
        maker::write(folder, name, &value);
        refused(folder, words);
        fs::write(folder.join(name), before).unwrap();
    };
    broken(
        "tokenizer.json",
        &|file| file["model"]["vocab"]["b"] = json!(0),
        "\"a\" and \"b\" have the same number 0",
    );
    broken(
        "tokenizer.json",
        &|file| file["model"]["vocab"]["b"] = json!(12),
        "has the number 12, but the model has only 12 rows",
    );
    broken("tokenizer.json", &|file| file["model"]["merges"][0] = json!("a z"), "\"z\" is no token");
    broken("tokenizer.json", &|file| file["model"]["merges"] = json!([]), "model.merges is missing or empty");
    broken(
        "tokenizer.json",
        &|file| file["model"]["type"] = json!("WordLevel"),
        "must be BPE, WordPiece or Unigram",
    );
    broken(
        "tokenizer.json",
        &|file| file["added_tokens"][0]["content"] = json!("a"),
        "two tokens have the text \"a\"",
    );
    broken(
        "tokenizer.json",
        &|file| file["normalizer"] = json!({"type": "Lowercase"}),
        "normalizer is {\"type\":\"Lowercase\"}",
    );
    broken("tokenizer.json", &|file| *file = json!([1]), "tokenizer.json: it is not what it should be");
    let weights = fs::read(folder.join("model.safetensors")).unwrap();
    fs::write(folder.join("model.safetensors"), &weights[..weights.len() - 1]).unwrap();
    refused(folder, "model.safetensors: tensor");
    let tensors = maker::llama_tensors();
    let tensors: Vec<(&str, &[u64])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    maker::write_tensors(&folder.join("model.safetensors"), Dtype::I64, &tensors, 0);
    refused(folder, "holds I64");
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    refused(folder, "model.safetensors: it is not there");
    fs::write(folder.join("pytorch_model.bin"), "x").unwrap();
    refused(folder, "pickles are programs");
}
