//! Small models of every architecture that can become ONNX, with random weights and the demo model's tokenizer.

use std::fs;
use std::path::Path;

use inferno_formats::gguf::{self, Array, Head, Keep, TensorType, Value};

/// The length of a token's vector, and what else models have alike.
const WIDTH: u64 = 128;
const INNER: u64 = 192;
const HEADS: u64 = 8;
const CONTEXT: u64 = 256;
const EMBEDDING: &str = "token_embd.weight";

/// A model that is being made.
struct Maker {
    head: Head,
    architecture: &'static str,
    numbers: Vec<Vec<f32>>,
    random: Random,
    /// Tokens that may be written: whole words in plain letters, so that texts compare as tokens do.
    words: Vec<bool>,
}

/// What tells decoders apart.
pub(super) struct Decoder {
    pub(super) architecture: &'static str,
    /// Heads of keys and values.
    pub(super) kv_heads: u64,
    /// Numbers in a head.
    pub(super) head: u64,
    pub(super) biases: bool,
    pub(super) head_norms: bool,
    /// Norms of what comes out of a layer's halves.
    pub(super) norms_after: bool,
    /// Begins and ends with the same matrix.
    pub(super) tied: bool,
    /// `rope_freqs.weight`
    pub(super) factors: bool,
    pub(super) more: &'static [(&'static str, f32)],
}

/// Writes a decoder of four layers.
pub(super) fn decoder(tokenizer: &Path, out: &Path, shape: &Decoder) {
    let mut maker = Maker::new(shape.architecture);
    let tokens = maker.tokenizer(tokenizer);
    let layers = 4;
    maker.count("block_count", layers);
    maker.count("attention.head_count_kv", shape.kv_heads);
    for key in ["attention.key_length", "attention.value_length", "rope.dimension_count"] {
        maker.count(key, shape.head);
    }
    maker.float("attention.layer_norm_rms_epsilon", 1e-5);
    for &(key, number) in shape.more {
        if number.fract() == 0.0 && !key.starts_with("rope") {
            maker.count(key, number as u64);
        } else {
            maker.float(key, number);
        }
    }
    maker.words_of(EMBEDDING, tokens, shape.tied);
    if !shape.tied {
        maker.words_of("output.weight", tokens, true);
    }
    maker.norm("output_norm.weight", WIDTH);
    if shape.factors {
        let factors = (0..shape.head / 2).map(|pair| 1.0 + pair as f32 / 2.0).collect();
        maker.add("rope_freqs.weight", &[shape.head / 2], factors);
    }
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (queries, keys) = (HEADS * shape.head, shape.kv_heads * shape.head);
        for (part, rows) in [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)] {
            maker.matrix(&name(&format!("{part}.weight")), rows, WIDTH);
            if shape.biases {
                maker.vector(&name(&format!("{part}.bias")), rows);
            }
        }
        maker.matrix(&name("attn_output.weight"), WIDTH, queries);
        maker.matrix(&name("ffn_gate.weight"), INNER, WIDTH);
        maker.matrix(&name("ffn_up.weight"), INNER, WIDTH);
        maker.matrix(&name("ffn_down.weight"), WIDTH, INNER);
        let mut norms = vec![("attn_norm", WIDTH), ("ffn_norm", WIDTH)];
        if shape.head_norms {
            norms.extend([("attn_q_norm", shape.head), ("attn_k_norm", shape.head)]);
        }
        if shape.norms_after {
            norms.extend([("post_attention_norm", WIDTH), ("post_ffw_norm", WIDTH)]);
        }
        for (part, length) in norms {
            maker.norm(&name(&format!("{part}.weight")), length);
        }
    }
    maker.write(out);
}

/// Writes an encoder of three layers, which knows words of lower-case letters.
pub(super) fn encoder(out: &Path) {
    let mut maker = Maker::new("bert");
    let tokens = maker.word_pieces();
    let layers = 3;
    maker.count("block_count", layers);
    maker.float("attention.layer_norm_epsilon", 1e-12);
    maker.count("pooling_type", 1);
    let set = |maker: &mut Maker, key: &str, value| maker.head.set(format!("bert.{key}"), value);
    set(&mut maker, "attention.causal", Value::Bool(false));
    maker.matrix(EMBEDDING, tokens, WIDTH);
    maker.matrix("position_embd.weight", CONTEXT, WIDTH);
    maker.matrix("token_types.weight", 2, WIDTH);
    let normed = |maker: &mut Maker, name: &str| {
        maker.norm(&format!("{name}.weight"), WIDTH);
        maker.vector(&format!("{name}.bias"), WIDTH);
    };
    normed(&mut maker, "token_embd_norm");
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let square = ["attn_q", "attn_k", "attn_v", "attn_output"].map(|part| (part, WIDTH, WIDTH));
        for (part, rows, columns) in
            square.into_iter().chain([("ffn_up", INNER, WIDTH), ("ffn_down", WIDTH, INNER)])
        {
            maker.matrix(&name(&format!("{part}.weight")), rows, columns);
            maker.vector(&name(&format!("{part}.bias")), rows);
        }
        normed(&mut maker, &name("attn_output_norm"));
        normed(&mut maker, &name("layer_output_norm"));
    }
    maker.write(out);
}

impl Maker {
    fn new(architecture: &'static str) -> Self {
        let mut head = Head::new();
        head.set("general.architecture", Value::Text(architecture.to_owned()));
        let (numbers, words) = (Vec::new(), Vec::new());
        let mut maker = Self { head, architecture, numbers, random: Random(7), words };
        maker.count("embedding_length", WIDTH);
        maker.count("feed_forward_length", INNER);
        maker.count("attention.head_count", HEADS);
        maker.count("context_length", CONTEXT);
        maker
    }

    fn count(&mut self, key: &str, number: u64) {
        self.head.set(format!("{}.{key}", self.architecture), Value::U32(number as u32));
    }

    fn float(&mut self, key: &str, number: f32) {
        self.head.set(format!("{}.{key}", self.architecture), Value::F32(number));
    }

    /// Takes over the tokenizer of another model, and returns how many tokens it has.
    fn tokenizer(&mut self, of: &Path) -> u64 {
        let contents = gguf::open(of, Keep::All).unwrap();
        for (key, value) in contents.metadata.iter().filter(|(key, _)| key.starts_with("tokenizer.")) {
            // It chats in words that a random model does not write.
            if key != "tokenizer.chat_template" {
                self.head.set(key, value.clone());
            }
        }
        let Some(Value::Array(tokens)) = contents.metadata.get("tokenizer.ggml.tokens") else {
            panic!("no tokens")
        };
        let plain = |token: &[u8]| {
            let letters = token.strip_prefix("Ġ".as_bytes()).unwrap_or(token);
            letters.len() > 1 && letters.iter().all(u8::is_ascii_alphabetic)
        };
        self.words = tokens.texts().map(plain).collect();
        tokens.length
    }

    fn word_pieces(&mut self) -> u64 {
        let mut tokens: Vec<String> =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).to_vec();
        let special = tokens.len();
        tokens.extend(('a'..='z').map(|letter| format!("▁{letter}")));
        tokens.extend(('a'..='z').map(|letter| letter.to_string()));
        let kinds = (0..tokens.len()).map(|place| if place < special { 3 } else { 1 });
        let mut set = |key: &str, value| self.head.set(format!("tokenizer.ggml.{key}"), value);
        set("token_type", Value::Array(Array::of_i32(kinds)));
        set("model", Value::Text("bert".to_owned()));
        set("pre", Value::Text("default".to_owned()));
        set("token_type_count", Value::U32(2));
        for (place, name) in ["padding", "unknown", "cls", "seperator", "mask"].iter().enumerate() {
            set(&format!("{name}_token_id"), Value::U32(place as u32));
        }
        // What begins and ends a text.
        set("bos_token_id", Value::U32(2));
        set("eos_token_id", Value::U32(3));
        let count = tokens.len() as u64;
        set("tokens", Value::Array(Array::of_texts(&tokens)));
        count
    }

    fn add(&mut self, name: &str, shape: &[u64], numbers: Vec<f32>) {
        assert_eq!(numbers.len() as u64, shape.iter().product::<u64>(), "{name}");
        self.head.add(name, shape, TensorType::from_name("F32").unwrap()).unwrap();
        self.numbers.push(numbers);
    }

    /// As large as it takes for a layer neither to fade nor to explode.
    fn matrix(&mut self, name: &str, rows: u64, columns: u64) {
        let size = 2.5 / (columns as f32).sqrt();
        let numbers = self.random.numbers(rows * columns).map(|number| number * size).collect();
        self.add(name, &[columns, rows], numbers);
    }

    /// A row for each token; those of tokens that are never to be written are 0 where `silent`.
    fn words_of(&mut self, name: &str, tokens: u64, silent: bool) {
        self.matrix(name, tokens, WIDTH);
        let rows = self.numbers.last_mut().unwrap().chunks_exact_mut(WIDTH as usize);
        for (row, _) in rows.zip(&self.words).filter(|(_, word)| silent && !**word) {
            row.fill(0.0);
        }
    }

    fn vector(&mut self, name: &str, length: u64) {
        let numbers = self.random.numbers(length).map(|number| number * 0.3).collect();
        self.add(name, &[length], numbers);
    }

    fn norm(&mut self, name: &str, length: u64) {
        let numbers = self.random.numbers(length).map(|number| 1.0 + number * 0.3).collect();
        self.add(name, &[length], numbers);
    }

    fn write(self, out: &Path) {
        let mut bytes = self.head.to_bytes().unwrap();
        let start = bytes.len();
        for (tensor, numbers) in self.head.tensors().iter().zip(self.numbers) {
            bytes.resize(start + tensor.offset as usize, 0);
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes.resize(start + self.head.data_bytes() as usize, 0);
        fs::write(out, bytes).unwrap();
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// Evenly spread between -1 and 1.
    fn numbers(&mut self, count: u64) -> impl Iterator<Item = f32> {
        (0..count).map(|_| {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            (mixed >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
    }
}
