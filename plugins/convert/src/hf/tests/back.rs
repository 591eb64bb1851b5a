//! From GGUF to a folder, and that what comes out is what went in.

use std::fs::{self, File};
use std::path::Path;

use inferno_formats::gguf::{Head, TensorType, Value as Metadata};
use inferno_formats::safetensors::{self, Dtype};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::super::{BackOptions, Outtype, back, plan};
use super::carry::carry;
use super::maker;
use super::to_gguf::options;
use super::tokenizers::{bert, pieces};

/// The bytes of each tensor, by name.
fn tensors(folder: &Path) -> Vec<(String, Dtype, Vec<u64>, Vec<u8>)> {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let contents = safetensors::read(File::open(&path).unwrap(), bytes.len() as u64).unwrap();
    let mut all: Vec<_> = contents
        .tensors
        .into_iter()
        .map(|t| (t.name, t.dtype, t.shape, bytes[t.offset as usize..(t.offset + t.bytes) as usize].to_vec()))
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// There and back.
fn round(folder: &Path) -> tempfile::TempDir {
    let (middle, end) = (tempdir().unwrap(), tempdir().unwrap());
    carry(&plan(folder, &options()).unwrap(), folder, middle.path());
    let plan = back(middle.path(), &["model.gguf".to_owned()], &BackOptions::default()).unwrap();
    carry(&plan, middle.path(), end.path());
    end
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn a_llama_comes_back_bit_by_bit() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let folder = tempdir().unwrap();
        maker::llama(folder.path(), dtype);
        let end = round(folder.path());
        assert_eq!(tensors(end.path()), tensors(folder.path()));
        let (before, after) = (maker::llama_config(), read(end.path(), "config.json"));
        for (key, value) in before.as_object().unwrap().iter().filter(|(key, _)| *key != "_name_or_path") {
            assert_eq!(&after[key], value, "{key}");
        }
    }
}

#[test]
fn byte_pairs_come_back() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::F32);
    let end = round(folder.path());
    let (before, after) = (maker::llama_tokenizer(), read(end.path(), "tokenizer.json"));
    assert_eq!(after["pre_tokenizer"], before["pre_tokenizer"]);
    assert_eq!(after["model"]["ignore_merges"], json!(true));
    assert_eq!(after["model"]["merges"], json!([["a", "b"], ["\u{120}", "ab"], ["ab", "c"]]));
    let vocabulary = &after["model"]["vocab"];
    for (text, number) in before["model"]["vocab"].as_object().unwrap() {
        assert_eq!(&vocabulary[text], number);
    }
    assert_eq!(vocabulary["<s>"], json!(10));
    let added: Vec<_> =
        after["added_tokens"].as_array().unwrap().iter().map(|t| (&t["content"], &t["special"])).collect();
    assert_eq!(
        added,
        [(&json!("tool"), &json!(false)), (&json!("<s>"), &json!(true)), (&json!("</s>"), &json!(true))]
    );
    let single = &after["post_processor"]["single"];
    assert_eq!(
        single,
        &json!([{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}])
    );
    let settings = read(end.path(), "tokenizer_config.json");
    assert_eq!((&settings["eos_token"], &settings["chat_template"]), (&json!("</s>"), &json!("{{ x }}")));
}

#[test]
fn the_stretch_of_llama_3_is_found_out() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::F32);
    let mut config = maker::llama_config();
    // Heads of 4 have one pair that says something, so it must turn as slowly as it is stretched.
    config["rope_theta"] = json!(1_000_000_000.0);
    config["rope_scaling"] = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192});
    maker::write(folder.path(), "config.json", &config);
    let end = round(folder.path());
    assert_eq!(read(end.path(), "config.json")["rope_scaling"], config["rope_scaling"]);
    // Those that turn fastest are never stretched.
    let middle = tempdir().unwrap();
    carry(&plan(folder.path(), &options()).unwrap(), folder.path(), middle.path());
    let path = middle.path().join("model.gguf");
    let mut bytes = fs::read(&path).unwrap();
    let contents = inferno_formats::gguf::open(&path, inferno_formats::gguf::Keep::All).unwrap();
    let factors = contents.tensors.iter().find(|tensor| tensor.name == "rope_freqs.weight").unwrap();
    let start = (contents.data + factors.offset) as usize;
    bytes[start..start + 4].copy_from_slice(&3_f32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let told = back(middle.path(), &["model.gguf".to_owned()], &BackOptions::default()).map(|_| ());
    let error = told.unwrap_err();
    assert!(error.message.contains("in a way that no Llama does"), "{error}");
}

#[test]
fn a_bert_comes_back() {
    let folder = tempdir().unwrap();
    bert(folder.path());
    let end = round(folder.path());
    let left: Vec<_> =
        tensors(folder.path()).into_iter().filter(|(name, ..)| !name.starts_with("pooler")).collect();
    assert_eq!(tensors(end.path()), left);
    let (before, after) = (read(folder.path(), "tokenizer.json"), read(end.path(), "tokenizer.json"));
    for part in ["normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    assert_eq!(after["model"], before["model"]);
}

#[test]
fn pieces_come_back() {
    let folder = tempdir().unwrap();
    pieces(folder.path());
    let end = round(folder.path());
    let (before, after) = (read(folder.path(), "tokenizer.json"), read(end.path(), "tokenizer.json"));
    assert_eq!(after["model"]["merges"], before["model"]["merges"]);
    assert_eq!(after["model"]["vocab"], before["model"]["vocab"]);
    assert_eq!(
        (&after["normalizer"], &after["post_processor"]),
        (&before["normalizer"], &before["post_processor"])
    );
}

#[test]
fn what_has_no_way_back_is_told() {
    let folder = tempdir().unwrap();
    let told = |entries: &[(&str, Metadata)], words: &str| {
        let mut head = Head::new();
        for (key, value) in entries {
            head.set(*key, value.clone());
        }
        head.add("token_embd.weight", &[4, 2], TensorType::from_name("F32").unwrap()).unwrap();
        let mut file = head.to_bytes().unwrap();
        file.resize(file.len() + 32, 0);
        fs::write(folder.path().join("m.gguf"), file).unwrap();
        let error = back(folder.path(), &["m.gguf".to_owned()], &BackOptions::default())
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("m.gguf: ") && error.contains(words), "{words:?} is not in: {error}");
    };
    let text = |text: &str| Metadata::Text(text.to_owned());
    told(&[], "\"general.architecture\" is missing");
    told(
        &[("general.architecture", text("mamba"))],
        "it is a mamba; the way back from GGUF is there for llama",
    );
    let llama = [("general.architecture", text("llama"))];
    told(&llama, "\"llama.embedding_length\" must be a number of at least 1");
    let wrong = [llama[0].clone(), ("llama.embedding_length", text("8"))];
    told(&wrong, "\"llama.embedding_length\" must be one whole number");
    told(&[("general.architecture", text("bert"))], "it is a RoBERTa");
    let options = BackOptions { packing: Outtype::Q8_0, ..BackOptions::default() };
    let error = back(folder.path(), &["m.gguf".to_owned()], &options).map(|_| ()).unwrap_err();
    assert!(error.message.contains("no Q8_0"), "{error}");
    let error =
        back(folder.path(), &["none.gguf".to_owned()], &BackOptions::default()).map(|_| ()).unwrap_err();
    assert!(error.message.contains("cannot be opened"), "{error}");
}
