//! Files that lie: whatever a header says, there is a graph or a refusal, soon and without a panic.

use inferno_formats::gguf::{Array, Head, TensorType, Value};

use super::{File, decoder, encoder, written};
use crate::onnx::Precision;

/// More than any graph of two small layers takes.
const MOST: usize = 1 << 20;

fn values() -> Vec<Value> {
    vec![
        Value::U32(0),
        Value::U32(1),
        Value::U32(3),
        Value::U32(u32::MAX),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F32(f32::NAN),
        Value::F32(f32::INFINITY),
        Value::F64(f64::MIN),
        Value::F64(1e-300),
        Value::Bool(true),
        Value::Text("yes".to_owned()),
        Value::Array(Array::of_i32([])),
        Value::Array(Array::of_i32([1, -1])),
        Value::Array(Array::of_f32([0.5; 3])),
        Value::Array(Array::of_texts(["a"])),
    ]
}

fn all() -> Vec<File> {
    let decoders = crate::onnx::decoder::ARCHITECTURES.map(decoder);
    decoders.into_iter().chain([encoder()]).collect()
}

fn survives(file: &File) {
    if let Ok(outputs) = file.outputs() {
        let heads: usize = outputs.iter().map(|output| output.head.len()).sum();
        assert!(heads < MOST, "{heads} bytes");
    }
}

#[test]
fn every_number_may_be_wrong() {
    let keys = [
        "attention.causal",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_epsilon",
        "attention.layer_norm_rms_epsilon",
        "attention.scale",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "attention.value_length",
        "block_count",
        "context_length",
        "embedding_length",
        "expert_count",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.freq_base_swa",
        "rope.scale_linear",
        "rope.scaling.factor",
        "rope.scaling.type",
    ];
    for key in keys {
        for value in values() {
            for mut file in all() {
                file.set("attention.sliding_window", Value::U32(32));
                file.set(key, value.clone());
                survives(&file);
            }
        }
    }
    for value in values() {
        let mut file = decoder("llama");
        file.head.set("general.architecture", value);
        file.refusal();
    }
}

#[test]
fn every_tensor_may_be_missing_or_have_another_shape() {
    let shapes: [&[u64]; 8] =
        [&[], &[0], &[32], &[64, 0], &[0, 1 << 40], &[32, 64], &[64, 64, 2], &[64, 1, 1, 1]];
    for whole in all() {
        let tensors = whole.head.tensors().to_vec();
        for changed in 0..tensors.len() {
            let copy = |shape: Option<&[u64]>| {
                let mut file = File { head: Head::new(), ..File::new(whole.architecture) };
                for (key, value) in whole.contents().metadata.iter() {
                    file.head.set(key, value.clone());
                }
                for (place, tensor) in tensors.iter().enumerate() {
                    let shape = if place == changed { shape } else { Some(tensor.shape.as_slice()) };
                    if let Some(shape) = shape {
                        let f32 = TensorType::from_name("F32").unwrap();
                        let kind = if shape.is_empty() { f32 } else { tensor.kind };
                        file.head.add(tensor.name.as_str(), shape, kind).unwrap();
                    }
                }
                file
            };
            // What is no longer there must not become a graph without it, but for what a model may lack.
            let name = &tensors[changed].name;
            let optional = name.ends_with(".bias") && !name.contains("norm") || name == "token_types.weight";
            assert_eq!(copy(None).outputs().is_ok(), optional, "{} without {name}", whole.architecture);
            for shape in shapes {
                survives(&copy(Some(shape)));
            }
        }
    }
}

#[test]
fn a_file_without_anything_is_refused() {
    assert!(File { head: Head::new(), ..File::new("llama") }.refusal().contains("architecture"));
    let contents = File::new("bert").contents();
    assert!(written(&contents, Precision::Half).unwrap_err().contains("\"bert.block_count\" is missing"));
}
