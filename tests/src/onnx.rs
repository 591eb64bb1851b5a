//! Small graphs in ONNX, byte by byte, whose answers can be foretold; and the runtime for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::build;

/// The folder with ONNX Runtime, which `cargo xtask onnxruntime` fetches from PyPI.
pub fn runtime() -> PathBuf {
    let target = build::profile_dir().parent().unwrap().to_owned();
    let dir = target.join("onnxruntime");
    build::stamped("onnxruntime", "1", || {
        let mut fetch = Command::new(env!("CARGO"));
        fetch
            .args(["run", "--quiet", "--package", "xtask", "--target-dir"])
            .arg(target)
            .current_dir(build::root());
        build::run(fetch.args(["--", "onnxruntime", "--dir"]).arg(&dir));
    });
    dir
}

/// Types of tensors by their numbers.
const F32: u64 = 1;
const I64: u64 = 7;

/// Tokens of the tokenizer below: three control tokens, then the bytes.
pub const VOCABULARY: u32 = 259;
/// The control tokens that begin and end a turn.
pub const BEGIN: u32 = 1;
/// See [`BEGIN`].
pub const END: u32 = 2;

/// The token of a byte.
pub fn token(byte: u8) -> u32 {
    u32::from(byte) + 3
}

/// A field of a message that holds bytes.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A field that holds a number.
fn number(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A graph in the making.
#[derive(Default)]
pub struct Graph {
    bytes: Vec<u8>,
}

impl Graph {
    /// An input of this type; sizes below zero may be any.
    pub fn input(self, name: &str, kind: u64, shape: &[i64]) -> Self {
        self.port(11, name, kind, shape)
    }

    /// An output.
    pub fn output(self, name: &str, kind: u64, shape: &[i64]) -> Self {
        self.port(12, name, kind, shape)
    }

    fn port(mut self, place: u64, name: &str, kind: u64, shape: &[i64]) -> Self {
        let size = |(at, &size): (usize, &i64)| match u64::try_from(size) {
            Ok(size) => field(1, &number(1, size)),
            Err(_) => field(1, &field(2, format!("{name}{at}").as_bytes())),
        };
        let shape: Vec<u8> = shape.iter().enumerate().flat_map(size).collect();
        let tensor = [number(1, kind), field(2, &shape)].concat();
        let port = [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat();
        self.bytes.extend(field(place, &port));
        self
    }

    fn weights(mut self, name: &str, kind: u64, shape: &[u64], rest: &[u8]) -> Self {
        let shape: Vec<u8> = shape.iter().flat_map(|&size| number(1, size)).collect();
        let tensor = [shape, number(2, kind), field(8, name.as_bytes()), rest.to_vec()].concat();
        self.bytes.extend(field(5, &tensor));
        self
    }

    /// Constant numbers.
    pub fn floats(self, name: &str, shape: &[u64], values: impl IntoIterator<Item = f32>) -> Self {
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.weights(name, F32, shape, &field(9, &bytes))
    }

    /// Constant whole numbers.
    pub fn integers(self, name: &str, values: &[i64]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.weights(name, I64, &[values.len() as u64], &field(9, &bytes))
    }

    /// Numbers in a file beside the graph.
    pub fn beside(self, name: &str, shape: &[u64], file: &str) -> Self {
        let pair = [field(1, b"location"), field(2, file.as_bytes())].concat();
        self.weights(name, F32, shape, &[field(13, &pair), number(14, 1)].concat())
    }

    /// A node with whole numbers as its attributes.
    pub fn node(mut self, kind: &str, inputs: &[&str], output: &str, attributes: &[(&str, i64)]) -> Self {
        let mut node: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
        node.extend(field(2, output.as_bytes()));
        node.extend(field(4, kind.as_bytes()));
        for (name, value) in attributes {
            let value = [field(1, name.as_bytes()), number(3, value.cast_unsigned()), number(20, 2)].concat();
            node.extend(field(5, &value));
        }
        self.bytes.extend(field(1, &node));
        self
    }

    /// The model.
    pub fn model(&self) -> Vec<u8> {
        let graph = [self.bytes.clone(), field(2, b"test")].concat();
        [number(1, 8), field(2, b"inferno-tests"), field(7, &graph), field(8, &number(2, 17))].concat()
    }
}

/// `y = x + w`, with `w` in a file beside it.
pub fn adder(path: &Path) {
    let graph = Graph::default()
        .input("x", F32, &[-1, 2])
        .beside("w", &[2], "adder.weights")
        .node("Add", &["x", "w"], "y", &[])
        .output("y", F32, &[-1, 2]);
    fs::write(path, graph.model()).unwrap();
    let weights: Vec<u8> = [10_f32, 20.0].into_iter().flat_map(f32::to_le_bytes).collect();
    fs::write(path.with_file_name("adder.weights"), weights).unwrap();
}

/// A decoder as Optimum exports them. Its next token is the letter `(i + 7 p + m) % 26` after `a`, where `i` sums up all
/// tokens that it has read, `p` their positions and `m` the mask: it is right only where caches, positions and masks are.
pub fn decoder(folder: &Path) {
    let cache: &[i64] = &[-1, 1, -1, 1];
    let graph = Graph::default()
        .input("input_ids", I64, &[-1, -1])
        .input("attention_mask", I64, &[-1, -1])
        .input("position_ids", I64, &[-1, -1])
        .input("past_key_values.0.key", F32, cache)
        .input("past_key_values.0.value", F32, cache)
        .integers("sides", &[1, 3])
        .integers("all", &[1, 2, 3])
        .integers("one", &[1])
        .integers("two", &[2])
        .floats("seven", &[], [7.0])
        .floats("letters", &[], [26.0])
        .floats("zero", &[], [0.0])
        .floats("unit", &[], [1.0])
        .floats("first", &[], [token(b'a') as f32])
        .floats("numbers", &[u64::from(VOCABULARY)], (0..VOCABULARY).map(|number| number as f32))
        .node("Cast", &["input_ids"], "ids", &[("to", F32 as i64)])
        .node("Unsqueeze", &["ids", "sides"], "ids4", &[])
        .node("Concat", &["past_key_values.0.value", "ids4"], "present.0.value", &[("axis", 2)])
        .node("Cast", &["position_ids"], "places", &[("to", F32 as i64)])
        .node("Unsqueeze", &["places", "sides"], "places4", &[])
        .node("Concat", &["past_key_values.0.key", "places4"], "present.0.key", &[("axis", 2)])
        .node("ReduceSum", &["present.0.value", "all"], "i", &[("keepdims", 0)])
        .node("ReduceSum", &["present.0.key", "all"], "p", &[("keepdims", 0)])
        .node("Cast", &["attention_mask"], "mask", &[("to", F32 as i64)])
        .node("ReduceSum", &["mask", "one"], "m", &[("keepdims", 0)])
        .node("Mul", &["p", "seven"], "p7", &[])
        .node("Add", &["i", "p7"], "ip", &[])
        .node("Add", &["ip", "m"], "ipm", &[])
        .node("Mod", &["ipm", "letters"], "letter", &[("fmod", 1)])
        .node("Add", &["letter", "first"], "next", &[])
        .node("Unsqueeze", &["next", "one"], "next2", &[])
        .node("Sub", &["numbers", "next2"], "off", &[])
        .node("Abs", &["off"], "distance", &[])
        .node("Neg", &["distance"], "nearness", &[])
        .node("Unsqueeze", &["nearness", "one"], "row", &[])
        .node("Mul", &["ids", "zero"], "zeros", &[])
        .node("Add", &["zeros", "unit"], "units", &[])
        .node("Unsqueeze", &["units", "two"], "column", &[])
        .node("Mul", &["column", "row"], "logits", &[])
        .output("logits", F32, &[-1, -1, i64::from(VOCABULARY)])
        .output("present.0.key", F32, cache)
        .output("present.0.value", F32, cache);
    write(folder, &graph, &json!({"max_position_embeddings": 1024, "eos_token_id": token(b'z')}));
    let template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}";
    let texts = json!({"eos_token": "<|im_end|>", "chat_template": template});
    fs::write(folder.join("tokenizer_config.json"), texts.to_string()).unwrap();
}

/// What [`decoder`] writes behind these tokens: at most so many letters, without the `z` that ends it.
pub fn foretold(prompt: &[u32], most: usize) -> String {
    let mut tokens = prompt.to_vec();
    let mut text = String::new();
    while text.len() < most {
        let count = tokens.len() as u64;
        let (i, p) = (tokens.iter().copied().map(u64::from).sum::<u64>(), count * (count - 1) / 2);
        let letter = b'a' + ((i + 7 * p + count) % 26) as u8;
        if letter == b'z' {
            break;
        }
        text.push(char::from(letter));
        tokens.push(token(letter));
    }
    text
}

/// An encoder that gives each token `[number, 1]` for its number in the vocabulary.
pub fn encoder(folder: &Path) {
    let table = (0..VOCABULARY).flat_map(|number| [number as f32, 1.0]);
    let graph = Graph::default()
        .input("input_ids", I64, &[-1, -1])
        .input("attention_mask", I64, &[-1, -1])
        .input("token_type_ids", I64, &[-1, -1])
        .floats("table", &[u64::from(VOCABULARY), 2], table)
        .node("Gather", &["table", "input_ids"], "last_hidden_state", &[])
        .output("last_hidden_state", F32, &[-1, -1, 2]);
    write(folder, &graph, &json!({"model_type": "bert", "max_position_embeddings": 64, "pad_token_id": 0}));
}

/// A classifier whose logits are the length of a text, without padding, times each of these numbers.
pub fn classifier(folder: &Path, labels: &[(&str, f32)]) {
    let count = labels.len() as u64;
    let graph = Graph::default()
        .input("input_ids", I64, &[-1, -1])
        .input("attention_mask", I64, &[-1, -1])
        .integers("one", &[1])
        .floats("factors", &[count], labels.iter().map(|(_, factor)| *factor))
        .node("Cast", &["attention_mask"], "mask", &[("to", F32 as i64)])
        .node("ReduceSum", &["mask", "one"], "length", &[("keepdims", 1)])
        .node("Mul", &["length", "factors"], "logits", &[])
        .output("logits", F32, &[-1, labels.len() as i64]);
    let names: Map<String, Value> =
        labels.iter().enumerate().map(|(at, (label, _))| (at.to_string(), Value::from(*label))).collect();
    write(folder, &graph, &json!({"model_type": "bert", "max_position_embeddings": 64, "id2label": names}));
}

/// A graph, what it was made for, and a tokenizer whose tokens are bytes.
fn write(folder: &Path, graph: &Graph, config: &Value) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("model.onnx"), graph.model()).unwrap();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
}

fn tokenizer() -> Value {
    let controls = ["<pad>", "<|im_start|>", "<|im_end|>"];
    let mut vocabulary: Map<String, Value> =
        controls.iter().zip(0..).map(|(text, at)| ((*text).into(), at.into())).collect();
    // As GPT-2 writes bytes: printable ones are themselves, the others follow from U+0100 on.
    let mut next = 0x100_u32;
    for byte in 0..=u8::MAX {
        let letter = if matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) {
            char::from(byte)
        } else {
            next += 1;
            char::from_u32(next - 1).unwrap()
        };
        vocabulary.insert(letter.to_string(), token(byte).into());
    }
    let added: Vec<Value> = (0..).zip(controls).map(|(id, content)| {
        json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false})
    }).collect();
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "added_tokens": added, "normalizer": null, "pre_tokenizer": bytes, "post_processor": null,
        "decoder": bytes,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []},
    })
}
