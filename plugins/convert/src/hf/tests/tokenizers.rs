//! Tokenizers of pieces and of words.

use std::path::Path;

use inferno_formats::gguf::Value as Metadata;
use inferno_formats::safetensors::Dtype;
use serde_json::{Map, Value, json};
use tempfile::tempdir;

use super::maker;
use super::to_gguf::{convert, options, refused, texts};

/// A Llama whose tokenizer SentencePiece made: special tokens, bytes, letters, and pieces of them.
pub(super) fn pieces(folder: &Path) {
    maker::llama(folder, Dtype::F32);
    let mut vocabulary = Map::new();
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let rest = ["\u{2581}ab", "abc", "ab", "bc", "\u{2581}", "a", "b", "c"].map(str::to_owned);
    let texts = ["<unk>", "<s>", "</s>"].map(str::to_owned).into_iter().chain(bytes).chain(rest);
    for (number, text) in texts.enumerate() {
        vocabulary.insert(text, json!(number));
    }
    let special = |id: u32, text: &str| json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let tokenizer = json!({
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true, "vocab": vocabulary,
            "merges": [["a", "b"], ["\u{2581}", "ab"], ["b", "c"], ["ab", "c"], ["a", "bc"]]},
    });
    maker::write(folder, "tokenizer.json", &tokenizer);
    resize(folder, 267);
}

/// Gives the Llama in a folder rows for so many tokens.
fn resize(folder: &Path, rows: u64) {
    let mut config = maker::llama_config();
    config["vocab_size"] = json!(rows);
    config["bos_token_id"] = json!(1);
    config["eos_token_id"] = json!(2);
    maker::write(folder, "config.json", &config);
    let mut tensors = maker::llama_tensors();
    for (_, shape) in tensors.iter_mut().filter(|(_, shape)| shape[0] == 12) {
        shape[0] = rows;
    }
    let tensors: Vec<(&str, &[u64])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    maker::write_tensors(&folder.join("model.safetensors"), Dtype::F32, &tensors, 0);
}

/// A BERT of one layer with a handful of words.
pub(super) fn bert(folder: &Path) {
    let config = json!({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 1,
        "num_attention_heads": 2, "vocab_size": 9, "max_position_embeddings": 5, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_act": "gelu", "pad_token_id": 0,
    });
    maker::write(folder, "config.json", &config);
    let mut tensors: Vec<(String, Vec<u64>)> = Vec::new();
    let mut both = |name: &str, shape: &[u64]| {
        tensors.push((format!("{name}.weight"), shape.to_vec()));
        tensors.push((format!("{name}.bias"), shape[..1].to_vec()));
    };
    both("embeddings.LayerNorm", &[8]);
    both("pooler.dense", &[8, 8]);
    for part in ["query", "key", "value"] {
        both(&format!("encoder.layer.0.attention.self.{part}"), &[8, 8]);
    }
    both("encoder.layer.0.attention.output.dense", &[8, 8]);
    both("encoder.layer.0.attention.output.LayerNorm", &[8]);
    both("encoder.layer.0.intermediate.dense", &[6, 8]);
    both("encoder.layer.0.output.dense", &[8, 6]);
    both("encoder.layer.0.output.LayerNorm", &[8]);
    for (name, rows) in [("word", 9), ("position", 5), ("token_type", 2)] {
        tensors.push((format!("embeddings.{name}_embeddings.weight"), vec![rows, 8]));
    }
    let tensors: Vec<(&str, &[u64])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    maker::write_tensors(&folder.join("model.safetensors"), Dtype::F32, &tensors, 0);
    let special = |id: u32, text: &str| json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let part = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let text = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let tokenizer = json!({
        "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": [part("[CLS]"), text("A", 0), part("[SEP]")],
            "pair": [part("[CLS]"), text("A", 0), part("[SEP]"), text("B", 1), part("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "##s": 5, "s": 6, "##": 7, "cat": 8}},
    });
    maker::write(folder, "tokenizer.json", &tokenizer);
    let settings =
        json!({"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"});
    maker::write(folder, "tokenizer_config.json", &settings);
}

#[test]
fn pieces_have_scores_in_the_order_of_their_merges() {
    let folder = tempdir().unwrap();
    pieces(folder.path());
    let (contents, _) = convert(folder.path(), &options());
    let tokens = texts(&contents, "tokenizer.ggml.tokens");
    let Some(Metadata::Array(scores)) = contents.metadata.get("tokenizer.ggml.scores") else {
        panic!("no scores")
    };
    let Some(Metadata::Array(kinds)) = contents.metadata.get("tokenizer.ggml.token_type") else {
        panic!("no kinds")
    };
    let scores: Vec<f64> = scores.numbers().collect();
    let kinds: Vec<i128> = kinds.whole().collect();
    let score = |text: &str| scores[tokens.iter().position(|token| token == text).unwrap()];
    assert!(
        score("ab") > score("\u{2581}ab") && score("\u{2581}ab") > score("bc") && score("bc") > score("abc")
    );
    assert_eq!((kinds[0], kinds[1], kinds[2], kinds[3], kinds[258], kinds[259]), (2, 3, 3, 6, 6, 1));
    assert_eq!(contents.metadata.text("tokenizer.ggml.model"), Some("llama"));
    assert_eq!(contents.metadata.get("tokenizer.ggml.add_space_prefix"), Some(&Metadata::Bool(true)));
    assert_eq!(contents.metadata.get("tokenizer.ggml.add_bos_token"), Some(&Metadata::Bool(true)));
}

#[test]
fn pieces_that_llama_cpp_would_join_otherwise_are_refused() {
    let folder = tempdir().unwrap();
    pieces(folder.path());
    let file = folder.path().join("tokenizer.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let changed = |change: &dyn Fn(&mut Value), words: &str| {
        let mut tokenizer = whole.clone();
        change(&mut tokenizer);
        maker::write(folder.path(), "tokenizer.json", &tokenizer);
        refused(folder.path(), words);
    };
    changed(
        &|file| {
            file["model"]["merges"].as_array_mut().unwrap().pop();
        },
        "does not merge \"a\" and \"bc\" into \"abc\"",
    );
    changed(
        &|file| file["model"]["merges"].as_array_mut().unwrap().swap(2, 3),
        "leads to \"abc\" in more than one place",
    );
    changed(&|file| file["model"]["merges"][0] = json!(["a", "z"]), "\"z\" is no token");
    changed(&|file| file["normalizer"] = json!({"type": "NFKC"}), "normalizer is {\"type\":\"NFKC\"}");
    changed(&|file| file["normalizer"] = json!(null), "normalizer is null");
    changed(
        &|file| {
            file["normalizer"] = json!(null);
            file["pre_tokenizer"] = json!({"type": "Whitespace"});
        },
        "pre_tokenizer is {\"type\":\"Whitespace\"}",
    );
    changed(
        &|file| {
            let bytes = file["model"]["vocab"].as_object_mut().unwrap();
            bytes.remove("<0x0A>");
        },
        "there is no token <0x0A>",
    );
}

#[test]
fn words_are_written_as_llama_cpp_has_them() {
    let folder = tempdir().unwrap();
    bert(folder.path());
    let (contents, _) = convert(folder.path(), &options());
    let expected =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u{2581}the", "s", "\u{2581}s", "\u{2581}##", "\u{2581}cat"];
    assert_eq!(texts(&contents, "tokenizer.ggml.tokens"), expected);
    for (key, number) in [
        ("bos_token_id", 2),
        ("eos_token_id", 3),
        ("cls_token_id", 2),
        ("seperator_token_id", 3),
        ("unknown_token_id", 1),
        ("padding_token_id", 0),
        ("token_type_count", 2),
    ] {
        assert_eq!(
            contents.metadata.number(&format!("tokenizer.ggml.{key}")).unwrap(),
            Some(number),
            "{key}"
        );
    }
    assert_eq!(contents.metadata.get("tokenizer.ggml.normalizer.lowercase"), Some(&Metadata::Bool(true)));
    assert_eq!(contents.metadata.get("bert.pooling_type"), None);
    maker::write(
        folder.path(),
        "modules.json",
        &json!([{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]),
    );
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    maker::write(&folder.path().join("1_Pooling"), "config.json", &json!({"pooling_mode_cls_token": true}));
    let (contents, _) = convert(folder.path(), &options());
    assert_eq!(contents.metadata.number("bert.pooling_type").unwrap(), Some(2));
    maker::write(&folder.path().join("1_Pooling"), "config.json", &json!({"pooling_mode": "max"}));
    refused(folder.path(), "1_Pooling/config.json: pooling_mode must be mean, cls or lasttoken");
    maker::write(folder.path(), "modules.json", &json!([{"type": "x.Pooling", "path": "../1_Pooling"}]));
    refused(folder.path(), "must be a folder beside the file");
}
