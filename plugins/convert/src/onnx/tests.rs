mod hostile;

use std::collections::HashSet;
use std::io::Cursor;

use inferno_formats::gguf::{self, Contents, Head, Keep, TensorType, Value};
use prost::Message as _;

use super::proto::{self, EXTERNAL};
use super::{Precision, Stored, outputs};
use crate::plan::{Encoding, Order, Output, Source};

/// A file's header, as a function of what it is about.
struct File {
    head: Head,
    architecture: &'static str,
    kind: TensorType,
}

impl File {
    fn new(architecture: &'static str) -> Self {
        let mut head = Head::new();
        head.set("general.architecture", Value::Text(architecture.to_owned()));
        let kind = TensorType::from_name("Q8_0").unwrap();
        Self { head, architecture, kind }
    }

    fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.head.set(format!("{}.{key}", self.architecture), value);
        self
    }

    fn numbers(&mut self, numbers: &[(&str, u32)]) -> &mut Self {
        for &(key, number) in numbers {
            self.set(key, Value::U32(number));
        }
        self
    }

    fn add(&mut self, name: &str, shape: &[u64]) -> &mut Self {
        let kind = if shape.len() > 1 { self.kind } else { TensorType::from_name("F32").unwrap() };
        self.head.add(name, shape, kind).unwrap();
        self
    }

    fn contents(&self) -> Contents {
        let mut bytes = self.head.to_bytes().unwrap();
        bytes.resize(bytes.len() + self.head.data_bytes() as usize, 0);
        let size = bytes.len() as u64;
        gguf::read(Cursor::new(bytes), size, Keep::All).unwrap()
    }

    fn outputs(&self) -> Result<Vec<Output>, String> {
        written(&self.contents(), Precision::Full)
    }

    /// Why it cannot be written.
    fn refusal(&self) -> String {
        self.outputs().expect_err("it is refused")
    }
}

fn written(contents: &Contents, precision: Precision) -> Result<Vec<Output>, String> {
    let tensors = contents.tensors.iter();
    let stored = tensors.map(|tensor| Stored { tensor, input: 0, offset: contents.data + tensor.offset });
    outputs(&contents.metadata, stored, precision)
}

/// Two layers of four heads of 16 that share two.
fn decoder(architecture: &'static str) -> File {
    let mut file = File::new(architecture);
    file.numbers(&[
        ("block_count", 2),
        ("embedding_length", 64),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("context_length", 128),
    ]);
    file.set("attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    file.add("token_embd.weight", &[64, 96]).add("output_norm.weight", &[64]);
    for layer in 0..2 {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        file.add(&name("attn_norm"), &[64]).add(&name("ffn_norm"), &[64]);
        file.add(&name("attn_q"), &[64, 64]).add(&name("attn_output"), &[64, 64]);
        file.add(&name("attn_k"), &[64, 32]).add(&name("attn_v"), &[64, 32]);
        file.add(&name("ffn_gate"), &[64, 128]).add(&name("ffn_up"), &[64, 128]);
        file.add(&name("ffn_down"), &[128, 64]);
        if architecture == "qwen2" {
            for (part, length) in [("attn_q", 64), ("attn_k", 32), ("attn_v", 32)] {
                file.add(&format!("blk.{layer}.{part}.bias"), &[length]);
            }
        }
        if matches!(architecture, "qwen3" | "gemma3") {
            file.add(&name("attn_q_norm"), &[16]).add(&name("attn_k_norm"), &[16]);
        }
        if architecture == "gemma3" {
            file.add(&name("post_attention_norm"), &[64]).add(&name("post_ffw_norm"), &[64]);
        }
    }
    file
}

fn encoder() -> File {
    let mut file = File::new("bert");
    file.numbers(&[
        ("block_count", 1),
        ("embedding_length", 64),
        ("attention.head_count", 4),
        ("context_length", 128),
    ]);
    file.set("attention.layer_norm_epsilon", Value::F32(1e-12));
    file.add("token_embd.weight", &[64, 96]).add("position_embd.weight", &[64, 128]);
    file.add("token_types.weight", &[64, 2]);
    file.add("token_embd_norm.weight", &[64]).add("token_embd_norm.bias", &[64]);
    let mut layer = |part: &str, shape: &[u64]| {
        file.add(&format!("blk.0.{part}.weight"), shape);
        file.add(&format!("blk.0.{part}.bias"), &shape[shape.len() - 1..]);
    };
    for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
        layer(part, &[64, 64]);
    }
    layer("attn_output_norm", &[64]);
    layer("ffn_up", &[64, 128]);
    layer("ffn_down", &[128, 64]);
    layer("layer_output_norm", &[64]);
    file
}

fn graph_of(outputs: &[Output]) -> proto::Graph {
    let [graph, _] = outputs else { panic!("two files") };
    assert_eq!((graph.path.as_str(), graph.bytes), ("model.onnx", graph.head.len() as u64));
    let model = proto::Model::decode(graph.head.as_slice()).unwrap();
    assert_eq!(model.opset_import[0].version, 18);
    model.graph.unwrap()
}

/// Every value is made once, before it is read; and each tensor of the graph is one of the data file.
fn check(outputs: &[Output]) -> proto::Graph {
    let graph = graph_of(outputs);
    let mut known: HashSet<&str> = HashSet::new();
    for name in graph.input.iter().map(|v| &v.name).chain(graph.initializer.iter().map(|t| &t.name)) {
        assert!(known.insert(name), "{name} is there twice");
    }
    for node in &graph.node {
        for input in &node.input {
            assert!(known.contains(input.as_str()), "{} reads {input}, which nothing made", node.name);
        }
        for output in &node.output {
            assert!(known.insert(output), "{output} is made twice");
        }
    }
    for output in &graph.output {
        assert!(known.contains(output.name.as_str()), "nothing makes {}", output.name);
    }

    let data = &outputs[1];
    let outside: Vec<_> = graph.initializer.iter().filter(|t| t.data_location == Some(EXTERNAL)).collect();
    assert_eq!(outside.len(), data.tensors.len());
    let mut end = 0;
    for (tensor, target) in outside.iter().zip(&data.tensors) {
        let told = |key: &str| &tensor.external_data.iter().find(|entry| entry.key == key).unwrap().value;
        assert_eq!(tensor.name, target.name);
        assert_eq!(told("location"), &data.path);
        assert_eq!(told("offset"), &target.offset.to_string());
        assert_eq!(told("length"), &target.bytes().unwrap().to_string());
        assert!(target.offset >= end && target.offset.is_multiple_of(4096));
        end = target.offset + target.bytes().unwrap();
        let size = if tensor.data_type == 10 { 2 } else { 4 };
        assert_eq!(tensor.dims.iter().product::<i64>() * size, target.bytes().unwrap() as i64);
        let Source::Parts { parts } = &target.source else { panic!("parts") };
        let [part] = parts.as_slice() else { panic!("one part") };
        assert_eq!(part.rows, target.rows);
        assert!(part.encoding.row_bytes(target.columns).is_some());
    }
    assert!(data.bytes >= end);
    graph
}

fn names(values: &[proto::ValueInfo]) -> Vec<&str> {
    values.iter().map(|value| value.name.as_str()).collect()
}

#[test]
fn every_decoder_has_a_graph() {
    for architecture in super::decoder::ARCHITECTURES {
        let mut file = decoder(architecture);
        if architecture == "gemma3" {
            file.numbers(&[("attention.sliding_window", 32)]);
        }
        let graph = check(&file.outputs().unwrap());
        let past = ["0.key", "0.value", "1.key", "1.value"];
        let inputs = ["input_ids", "attention_mask", "position_ids"].map(str::to_owned);
        let inputs: Vec<_> = inputs.into_iter().chain(past.map(|p| format!("past_key_values.{p}"))).collect();
        assert_eq!(names(&graph.input), inputs, "{architecture}");
        let present: Vec<_> = past.map(|p| format!("present.{p}")).to_vec();
        assert_eq!(names(&graph.output), [present, vec!["logits".to_owned()]].concat(), "{architecture}");
    }
}

#[test]
fn every_encoder_has_a_graph() {
    let graph = check(&encoder().outputs().unwrap());
    assert_eq!(names(&graph.input), ["input_ids", "attention_mask", "token_type_ids"]);
    assert_eq!(names(&graph.output), ["last_hidden_state"]);
}

#[test]
fn the_first_matrix_is_the_last_one_and_kept_once() {
    let graph = check(&decoder("llama").outputs().unwrap());
    let readers = graph.node.iter().filter(|node| node.input.iter().any(|i| i == "token_embd.weight"));
    assert_eq!(readers.map(|node| node.op_type.as_str()).collect::<Vec<_>>(), ["Gather", "Gemm"]);
    let mut file = decoder("llama");
    file.add("output.weight", &[64, 96]);
    let graph = check(&file.outputs().unwrap());
    let readers = graph.node.iter().filter(|node| node.input.iter().any(|i| i == "token_embd.weight"));
    assert_eq!(readers.count(), 1);
}

#[test]
fn only_a_llamas_queries_and_keys_change_places() {
    for (architecture, moved) in [("llama", true), ("qwen2", false)] {
        let outputs = decoder(architecture).outputs().unwrap();
        for target in &outputs[1].tensors {
            let Source::Parts { parts } = &target.source else { panic!("parts") };
            let wanted = match target.name.as_str() {
                name if moved && name.contains("attn_q") => Order::Deinterleaved { heads: 4 },
                name if moved && name.contains("attn_k") => Order::Deinterleaved { heads: 2 },
                _ => Order::Straight,
            };
            assert_eq!(parts[0].order, wanted, "{}", target.name);
        }
    }
}

#[test]
fn a_bias_that_changes_places_is_rows_of_one() {
    let mut file = decoder("llama");
    file.add("blk.0.attn_q.bias", &[64]);
    let outputs = file.outputs().unwrap();
    check(&outputs);
    let bias = outputs[1].tensors.iter().find(|target| target.name == "blk.0.attn_q.bias").unwrap();
    assert_eq!((bias.rows, bias.columns), (64, 1));
}

#[test]
fn half_precision_halves_the_matrices_and_computes_as_before() {
    for file in [decoder("qwen2"), encoder()] {
        let full = file.outputs().unwrap();
        let half = written(&file.contents(), Precision::Half).unwrap();
        let graph = check(&half);
        for (full, half) in full[1].tensors.iter().zip(&half[1].tensors) {
            assert_eq!(full.name, half.name);
            let matrix = full.rows > 1;
            assert_eq!(half.encoding, Encoding::from_name(if matrix { "F16" } else { "F32" }).unwrap());
        }
        for node in graph.node.iter().filter(|node| !matches!(node.op_type.as_str(), "Cast" | "Gather")) {
            for input in &node.input {
                let tensor = graph.initializer.iter().find(|tensor| tensor.name == *input);
                assert!(
                    tensor.is_none_or(|tensor| tensor.data_type != 10),
                    "{} computes with halves",
                    node.name
                );
            }
        }
    }
}

#[test]
fn what_would_compute_something_else_is_refused() {
    let refused = |change: fn(&mut File) -> &mut File, words: &str| {
        let mut file = decoder("llama");
        let refusal = change(&mut file).refusal();
        assert!(refusal.contains(words), "{words:?} is not in {refusal:?}");
    };
    refused(|file| file.set("expert_count", Value::U32(8)), "\"llama.expert_count\" is 8");
    refused(|file| file.set("final_logit_softcapping", Value::F32(30.0)), "softcapping\" is 30");
    refused(|file| file.set("attention.sliding_window", Value::U32(64)), "sees only 64");
    refused(|file| file.set("attention.causal", Value::Bool(false)), "those after it");
    refused(|file| file.set("rope.scaling.type", Value::Text("yarn".to_owned())), "\"yarn\"");
    refused(|file| file.set("rope.dimension_count", Value::U32(8)), "turn 8 of the 16");
    refused(|file| file.set("rope.freq_base", Value::F32(-1.0)), "is -1");
    refused(|file| file.set("rope.freq_base", Value::F32(f32::NAN)), "is no number");
    refused(|file| file.add("blk.0.ffn_gate_inp.weight", &[64, 8]), "blk.0.ffn_gate_inp.weight among them");
    refused(|file| file.add("blk.2.attn_norm.weight", &[64]), "blk.2.attn_norm.weight among them");
    refused(|file| file.add("blk.0.attn_q.scale", &[1]), "blk.0.attn_q.scale among them");
    let refusal = File::new("mamba").refusal();
    assert!(refusal.contains("\"mamba\"") && refusal.contains("bert, llama, qwen2"), "{refusal}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut File) -> &mut File, words: &str| {
        let mut file = decoder("llama");
        let refusal = change(&mut file).refusal();
        assert!(refusal.contains(words), "{words:?} is not in {refusal:?}");
    };
    refused(|file| file.set("block_count", Value::U32(3)), "no tensor blk.2.attn_norm.weight");
    refused(|file| file.set("block_count", Value::U32(u32::MAX)), "between 1 and 1024");
    refused(|file| file.set("block_count", Value::I32(-1)), "no whole number");
    refused(|file| file.set("attention.head_count", Value::U32(0)), "between 1 and");
    refused(|file| file.set("attention.head_count_kv", Value::U32(3)), "4 heads of queries share 3");
    refused(|file| file.set("attention.head_count_kv", Value::U32(0)), "4 heads of queries share 0");
    refused(|file| file.set("attention.key_length", Value::U32(1 << 30)), "a head of 1073741824 numbers");
    refused(|file| file.set("attention.key_length", Value::U32(32)), "blk.0.attn_q.weight has the shape");
    refused(|file| file.set("attention.value_length", Value::U32(32)), "blk.0.attn_v.weight has the shape");
    refused(|file| file.set("embedding_length", Value::U32(128)), "token_embd.weight has the shape");
    refused(|file| file.add("rope_freqs.weight", &[7]), "rope_freqs.weight has the shape [7]");
    refused(|file| file.add("output.weight", &[64, 95]), "output.weight has the shape [64, 95]");
    let mut empty = Head::new();
    empty.set("general.architecture", Value::Text("llama".to_owned()));
    let missing = File { head: empty, ..decoder("llama") }.refusal();
    assert!(missing.contains("\"llama.block_count\" is missing"), "{missing}");
}

#[test]
fn positions_of_a_longer_text_are_scaled() {
    let speeds = |change: fn(&mut File) -> &mut File| {
        let mut file = decoder("llama");
        let graph = check(&change(&mut file).outputs().unwrap());
        let speeds = graph.initializer.into_iter().find(|t| t.dims == [8] && t.data_type == 1).unwrap();
        let speeds = speeds.raw_data.unwrap();
        let speeds: Vec<f32> = speeds.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (speeds[0], speeds[7])
    };
    let slowest = 10_000_f64.powf(-14.0 / 16.0) as f32;
    assert_eq!(speeds(|file| file), (1.0, slowest));
    assert_eq!(speeds(|file| file.set("rope.scaling.factor", Value::F32(4.0))), (0.25, slowest / 4.0));
    let (_, slower) = speeds(|file| file.set("rope.freq_base", Value::F32(500_000.0)));
    assert_eq!(slower, 500_000_f64.powf(-14.0 / 16.0) as f32);
    let mut file = decoder("llama");
    file.add("rope_freqs.weight", &[8]);
    let graph = check(&file.outputs().unwrap());
    assert!(graph.node.iter().any(|node| node.op_type == "Div" && node.input[1] == "rope_freqs.weight"));
}

#[test]
fn a_window_is_for_the_layers_that_the_file_names() {
    let masks = |change: fn(&mut File) -> &mut File| {
        let mut file = decoder("gemma3");
        let graph = check(&change(&mut file).outputs().unwrap());
        let masks: Vec<String> = graph
            .node
            .iter()
            .filter(|node| node.op_type == "Add" && node.input[1].contains("Where"))
            .map(|node| node.input[1].clone())
            .collect();
        assert_eq!(masks.len(), 2);
        (masks[0] == masks[1], graph.node.iter().filter(|node| node.op_type == "Less").count())
    };
    assert_eq!(masks(|file| file), (true, 0));
    assert_eq!(masks(|file| file.set("attention.sliding_window", Value::U32(32))), (true, 1));
    let mut file = decoder("gemma3");
    file.numbers(&[("attention.sliding_window", 32), ("attention.sliding_window_pattern", 2)]);
    let graph = check(&file.outputs().unwrap());
    let masks: HashSet<&String> = graph
        .node
        .iter()
        .filter(|node| node.op_type == "Add" && node.input[1].contains("Where"))
        .map(|node| &node.input[1])
        .collect();
    assert_eq!(masks.len(), 2);
}
