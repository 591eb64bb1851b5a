//! Files that somebody has been at: each place of each of them is made something that it should not be.

use std::fs;
use std::path::Path;

use inferno_formats::safetensors::Dtype;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::super::{BackOptions, back, plan};
use super::carry::carry;
use super::maker;
use super::to_gguf::options;
use super::tokenizers::{bert, pieces};

/// The pointers to all places of a value, at most so many in one list or object.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter().take(10) {
                places(inner, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(list) => {
            for (place, inner) in list.iter().enumerate().take(3) {
                places(inner, &format!("{at}/{place}"), all);
            }
        }
        _ => {}
    }
}

/// Puts each of these into each place of a file, and sees that a plan or an error comes of it, and no plan that says more than
/// its inputs have.
fn attack(folder: &Path, name: &str) -> (usize, usize) {
    let odd = [
        Value::Null,
        json!(-1),
        json!(0),
        json!(3),
        json!(4_294_967_295_u32),
        json!(1e300),
        json!(""),
        json!("x"),
        json!([]),
        json!([[], [[]]]),
        json!({}),
        json!({"type": "Sequence", "normalizers": [{}], "pretokenizers": [{}], "processors": [{}]}),
    ];
    let before = fs::read(folder.join(name)).unwrap();
    let whole: Value = serde_json::from_slice(&before).unwrap();
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let (mut planned, mut refused) = (0, 0);
    for place in all {
        for value in &odd {
            let mut changed = whole.clone();
            *changed.pointer_mut(&place).unwrap() = value.clone();
            maker::write(folder, name, &changed);
            match plan(folder, &options()) {
                Ok(plan) => {
                    planned += 1;
                    let sum: u64 = plan
                        .outputs
                        .iter()
                        .flat_map(|output| &output.tensors)
                        .map(|target| target.bytes().unwrap())
                        .sum();
                    assert!(sum < 1 << 20, "{place} = {value} leads to {sum} bytes");
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.message.is_empty() && error.message.len() < 2000, "{error}");
                }
            }
        }
    }
    fs::write(folder.join(name), before).unwrap();
    (planned, refused)
}

/// All small files of a model.
fn attack_all(make: impl Fn(&Path)) {
    let folder = tempdir().unwrap();
    make(folder.path());
    let tokens = json!({"eos_token_id": [1, 2], "bos_token_id": 1});
    maker::write(folder.path(), "generation_config.json", &tokens);
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
        let (planned, refused) = attack(folder.path(), name);
        assert!(
            planned > 0 && (refused > 0 || name == "generation_config.json"),
            "{name}: {planned} and {refused}"
        );
    }
}

#[test]
fn no_configuration_of_a_llama_leads_astray() {
    attack_all(|folder| maker::llama(folder, Dtype::F32));
}

#[test]
fn no_configuration_with_pieces_leads_astray() {
    attack_all(pieces);
}

#[test]
fn no_configuration_of_a_bert_leads_astray() {
    attack_all(bert);
}

#[test]
fn no_byte_of_a_header_leads_astray() {
    let folder = tempdir().unwrap();
    maker::llama(folder.path(), Dtype::F32);
    let file = folder.path().join("model.safetensors");
    let whole = fs::read(&file).unwrap();
    let head = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + 8;
    for place in (0..head).step_by(5) {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 7);
        fs::write(&file, changed).unwrap();
        if let Ok(plan) = plan(folder.path(), &options()) {
            let sizes = plan.outputs[0].tensors.iter().map(|target| target.bytes().unwrap());
            assert!(sizes.sum::<u64>() < 1 << 20);
        }
    }
}

#[test]
fn no_byte_of_a_gguf_leads_the_way_back_astray() {
    let (folder, middle) = (tempdir().unwrap(), tempdir().unwrap());
    bert(folder.path());
    carry(&plan(folder.path(), &options()).unwrap(), folder.path(), middle.path());
    let file = middle.path().join("model.gguf");
    let whole = fs::read(&file).unwrap();
    let mut planned = 0;
    for place in (0..2500).step_by(3) {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&file, changed).unwrap();
        if let Ok(plan) = back(middle.path(), &["model.gguf".to_owned()], &BackOptions::default()) {
            planned += 1;
            assert!(plan.outputs.iter().map(|output| output.bytes).sum::<u64>() < 1 << 20);
        }
    }
    assert!(planned > 50 && planned < 800, "{planned}");
}
