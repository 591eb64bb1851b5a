//! What the plugin `convert` makes of numbers and models, held against llama.cpp's own quantizer: the same bytes. A binary of
//! its own, since it needs the plugin, and on the one architecture where compilers do not fuse what ggml writes apart.

#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "ggml is C; each block carries its argument")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "gguf/gguf_file.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod gguf_file;

use std::ffi::CString;
use std::path::Path;
use std::ptr;

use gguf_file::File;
use inferno_formats::gguf::{Keep, Value, open};
use inferno_plugin_convert::quant::Encoding;
use inferno_plugin_convert::quant::check::finite;
use inferno_plugin_convert::quant::decode::decode;
use inferno_plugin_convert::quant::encode::encode;
use inferno_plugin_convert::quant::mix::{Facts, FileType, Tensor, Trouble, Wishes, metadata, plan};
use llama_cpp_sys_2 as sys;

fn theirs(encoding: Encoding, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; encoding.bytes(values.len()).unwrap()];
    // SAFETY: one row of as many numbers as there are, and bytes for as many blocks as they make; none of these types needs
    // an importance matrix, which may be absent then.
    let written = unsafe {
        sys::ggml_quantize_chunk(
            encoding.number(),
            values.as_ptr(),
            bytes.as_mut_ptr().cast(),
            0,
            1,
            values.len() as i64,
            ptr::null(),
        )
    };
    assert_eq!(written, bytes.len());
    bytes
}

fn ours(encoding: Encoding, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; encoding.bytes(values.len()).unwrap()];
    encode(encoding, values, &mut bytes).unwrap();
    bytes
}

fn read_by_them(encoding: Encoding, bytes: &[u8], count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    // SAFETY: the traits of a type are a table that lives as long as the library; its function reads whole blocks, which
    // `bytes` holds for `count` numbers.
    unsafe {
        let traits = &*sys::ggml_get_type_traits(encoding.number());
        traits.to_float.unwrap()(bytes.as_ptr().cast(), values.as_mut_ptr(), count as i64);
    }
    values
}

fn quantizes(encoding: Encoding) -> bool {
    !matches!(encoding, Encoding::F32 | Encoding::F64)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From -1 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn weight(&mut self) -> f32 {
        (0..6).map(|_| self.unit()).sum()
    }
}

/// Rows of every kind: usual ones, and those at which a search can go wrong.
fn rows() -> Vec<(String, Vec<f32>)> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut rows = Vec::new();
    let mut put = |name: String, number: &mut dyn FnMut(usize) -> f32| {
        rows.push((name, (0..512).map(number).collect()));
    };
    put("zeros".into(), &mut |_| 0.0);
    put("zeros with signs".into(), &mut |at| if at % 3 == 0 { -0.0 } else { 0.0 });
    for constant in [1.0, -1.0, 1e-3, 1e-20, -1e-38, 1e-40, -1e-44, 65_504.0, -1e4] {
        put(format!("constant {constant}"), &mut |_| constant);
    }
    for exponent in [-45, -43, -41, -39, -38, -37, -30, -19, -15, -9, -5, -2, 0, 3] {
        let size = 10_f64.powi(exponent) as f32;
        put(format!("weights of {size}"), &mut |_| random.weight() * size);
        put(format!("positive of {size}"), &mut |_| random.weight().abs() * size);
        put(format!("negative of {size}"), &mut |_| -random.weight().abs() * size);
        put(format!("a few of {size}"), &mut |_| {
            if random.next().is_multiple_of(17) { random.unit() * size } else { 0.0 }
        });
        put(format!("halves of {size}"), &mut |_| (random.weight() * 8.0).round() * 0.5 * size);
        put(format!("nearly {size}"), &mut |_| {
            let off = (random.next() % 3) as u32;
            -f32::from_bits((size.to_bits() + off).saturating_sub(1))
        });
        put(format!("one far off of {size}"), &mut |at| {
            if at % 61 == 0 { 3.0 * size } else { random.weight() * size * 1e-3 }
        });
    }
    put("each of its size".into(), &mut |at| random.weight() * 10_f32.powi(-((at / 16 % 40) as i32)));
    put("any bits".into(), &mut |_| {
        let number = f32::from_bits(random.next() as u32);
        if number.is_finite() && number.abs() < 1e9 { number } else { 0.0 }
    });
    rows
}

#[test]
fn every_block_has_ggmls_bytes() {
    let rows = rows();
    for encoding in Encoding::all().filter(|encoding| quantizes(*encoding)) {
        let mut compared = 0;
        for (name, values) in &rows {
            let (ours, theirs) = (ours(encoding, values), theirs(encoding, values));
            if finite(encoding, &theirs).is_err() {
                // llama.cpp gives up here, and so does the plugin.
                assert!(finite(encoding, &ours).is_err(), "{} {name}", encoding.name());
                continue;
            }
            assert!(ours == theirs, "{} differs in a row of {name}", encoding.name());
            compared += 1;
        }
        assert!(compared > rows.len() * 9 / 10, "{}: only {compared} rows", encoding.name());
    }
}

#[test]
fn every_block_is_read_as_ggml_reads_it() {
    let mut random = Random(1);
    for encoding in Encoding::all().filter(|encoding| quantizes(*encoding)) {
        let count = 64 * 256;
        // Blocks of any bytes at all are blocks, but for scales that are no numbers.
        let size = encoding.block_bytes();
        let mut bytes: Vec<u8> = (0..encoding.bytes(count).unwrap()).map(|_| random.next() as u8).collect();
        for block in bytes.chunks_mut(size) {
            if finite(encoding, block).is_err() {
                block.fill(0x35);
            }
        }
        let mut ours = vec![0.0; count];
        decode(encoding, &bytes, &mut ours).unwrap();
        let theirs = read_by_them(encoding, &bytes, count);
        let differs = ours.iter().zip(&theirs).position(|(ours, theirs)| ours.to_bits() != theirs.to_bits());
        assert_eq!(differs, None, "{}", encoding.name());
    }
}

/// A model with weights at random and rows of 256 numbers, or as many as `row` says; enough of one for the quantizer.
struct Model {
    architecture: &'static str,
    layers: u32,
    heads: u32,
    heads_kv: u32,
    experts: u32,
    row: u64,
    tied: bool,
    fused: bool,
}

const MODEL: Model = Model {
    architecture: "llama",
    layers: 9,
    heads: 8,
    heads_kv: 4,
    experts: 0,
    row: 256,
    tied: false,
    fused: false,
};

impl Model {
    fn write(&self, path: &Path) {
        let mut file = File::new(0.1);
        let key = |name: &str| format!("{}.{name}", self.architecture);
        // Two of these are to come back at the end.
        file.number("general.file_type", 0);
        file.text("general.architecture", self.architecture);
        file.number("general.quantization_version", 1);
        for (name, number) in [
            ("context_length", 128),
            ("embedding_length", self.row as u32),
            ("block_count", self.layers),
            ("feed_forward_length", 512),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.heads_kv),
            ("vocab_size", 3),
        ] {
            file.number(&key(name), number);
        }
        if self.experts > 0 {
            file.number(&key("expert_count"), self.experts);
            file.number(&key("expert_used_count"), 2);
        }
        file.float(&key("attention.layer_norm_rms_epsilon"), 1e-5);
        file.float(&key("attention.layer_norm_epsilon"), 1e-5);
        // Last layer first: the order in the file is not the one that counts.
        for layer in (0..self.layers).rev() {
            self.layer(layer, &mut file);
        }
        file.tensor("token_embd.weight", &[self.row, 3]);
        file.tensor("output_norm.weight", &[self.row]);
        if !self.tied {
            file.tensor("output.weight", &[self.row, 3]);
        }
        file.write(path);
    }

    fn layer(&self, layer: u32, file: &mut File) {
        let mut tensor = |name: &str, shape: &[u64]| file.tensor(&format!("blk.{layer}.{name}"), shape);
        tensor("attn_norm.weight", &[self.row]);
        if self.fused {
            tensor("attn_qkv.weight", &[self.row, 3]);
        } else {
            tensor("attn_q.weight", &[self.row, 2]);
            tensor("attn_k.weight", &[self.row, 1, 1]);
            tensor("attn_v.weight", &[self.row, 2]);
        }
        tensor("attn_output.weight", &[self.row, 2]);
        let (name, shape): (&str, &[u64]) =
            if self.experts > 0 { ("_exps", &[self.row, 1, 2]) } else { ("", &[self.row, 2]) };
        for part in ["ffn_gate", "ffn_up", "ffn_down"] {
            tensor(&format!("{part}{name}.weight"), shape);
        }
        if self.experts > 0 {
            tensor("ffn_gate_inp.weight", &[self.row, 2]);
        }
    }

    fn facts(&self) -> Facts<'static> {
        Facts {
            architecture: self.architecture,
            layers: self.layers.into(),
            heads: self.heads.into(),
            heads_kv: self.heads_kv.into(),
            experts: self.experts.into(),
        }
    }
}

/// Runs llama.cpp's quantizer; whether it made a file.
fn quantize(from: &Path, to: &Path, file_type: FileType, wishes: &Wishes) -> bool {
    let [from, to] = [from, to].map(|path| CString::new(path.to_str().unwrap()).unwrap());
    let patterns: Vec<CString> =
        wishes.tensors.iter().map(|(pattern, _)| CString::new(pattern.as_str()).unwrap()).collect();
    let mut overrides: Vec<_> = wishes
        .tensors
        .iter()
        .zip(&patterns)
        .map(|((_, encoding), pattern)| sys::llama_model_tensor_override {
            pattern: pattern.as_ptr(),
            type_: encoding.number(),
        })
        .collect();
    overrides.push(sys::llama_model_tensor_override { pattern: ptr::null(), type_: 0 });
    // SAFETY: this only fills in a struct.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.nthread = 1;
    params.ftype = file_type.number();
    params.pure_ = wishes.pure;
    params.quantize_output_tensor = !wishes.keep_output;
    params.allow_requantize = wishes.again;
    params.tt_overrides = overrides.as_ptr();
    if let Some(encoding) = wishes.output {
        params.output_tensor_type = encoding.number();
    }
    if let Some(encoding) = wishes.token_embedding {
        params.token_embedding_type = encoding.number();
    }
    // SAFETY: the paths are texts that end with a zero, and the list of overrides ends with one that has no pattern; all of
    // them live until the call is over.
    unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) == 0 }
}

/// Of so many tensors bytes are compared too; those of further layers are packed by the same code.
const COMPARED: usize = 30;

/// Quantizes the model twice and compares: which tensors there are in which order, how each is packed, the bytes of the first
/// ones, and what the metadata says.
fn compare(from: &Path, facts: Facts<'_>, file_type: FileType, wishes: &Wishes) {
    let name = file_type.name();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("theirs.gguf");
    let made = quantize(from, &to, file_type, wishes);
    let source = open(from, Keep::All).unwrap();
    let tensors: Vec<_> = source
        .tensors
        .iter()
        .map(|tensor| Tensor { name: &tensor.name, shape: &tensor.shape, stored: tensor.kind.number })
        .collect();
    let planned = match plan(file_type, facts, &tensors, wishes) {
        Ok(planned) => planned,
        Err(trouble) => {
            assert!(!made, "{name}: they can, and this cannot: {trouble}");
            assert_eq!(trouble, Trouble::NeedsImportance(file_type));
            return;
        }
    };
    assert!(made, "{name}: they cannot, and this can");
    let result = open(&to, Keep::All).unwrap();
    let (before, after) = (std::fs::read(from).unwrap(), std::fs::read(&to).unwrap());
    assert_eq!(planned.len(), result.tensors.len());
    for (at, ((place, encoding), theirs)) in planned.iter().zip(&result.tensors).enumerate() {
        let tensor = &source.tensors[*place];
        assert_eq!(tensor.name, theirs.name, "{name}");
        let number = encoding.map_or(tensor.kind.number, Encoding::number);
        assert_eq!(number, theirs.kind.number, "{name}: {}", tensor.name);
        if at >= COMPARED {
            continue;
        }
        let bytes = &before[(source.data + tensor.offset) as usize..][..tensor.bytes as usize];
        let ours_now = match encoding {
            None => bytes.to_vec(),
            Some(encoding) => {
                let mut values = vec![0.0; tensor.elements as usize];
                let stored = Encoding::from_number(tensor.kind.number).unwrap();
                decode(stored, bytes, &mut values).unwrap();
                ours(*encoding, &values)
            }
        };
        let theirs_now = &after[(result.data + theirs.offset) as usize..][..theirs.bytes as usize];
        assert!(ours_now == theirs_now, "{name}: {} differs", tensor.name);
    }
    let mut keys: Vec<(&str, Value)> =
        source.metadata.iter().map(|(key, value)| (key, value.clone())).collect();
    for (key, number) in metadata(file_type) {
        keys.retain(|(known, _)| *known != key);
        keys.push((key, Value::U32(number)));
    }
    let theirs: Vec<(&str, Value)> =
        result.metadata.iter().map(|(key, value)| (key, value.clone())).collect();
    assert_eq!(keys, theirs, "{name}");
}

fn compare_all(model: &Model) {
    compare_some(model, FileType::all());
}

fn compare_some(model: &Model, file_types: impl IntoIterator<Item = FileType>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    model.write(&path);
    for file_type in file_types {
        compare(&path, model.facts(), file_type, &Wishes::default());
    }
}

#[test]
fn every_file_type_is_llama_cpps() {
    compare_all(&MODEL);
}

#[test]
fn and_so_where_embeddings_are_the_output_and_heads_share_more() {
    compare_all(&Model { tied: true, heads: 8, heads_kv: 1, layers: 16, ..MODEL });
}

#[test]
fn and_so_where_rows_are_no_multiple_of_a_large_block_or_of_any() {
    compare_all(&Model { row: 96, layers: 3, ..MODEL });
    compare_all(&Model { row: 80, layers: 3, tied: true, ..MODEL });
}

#[test]
fn and_so_with_experts() {
    compare_all(&Model { experts: 8, layers: 4, ..MODEL });
    compare_all(&Model { experts: 4, layers: 9, heads_kv: 8, ..MODEL });
}

#[test]
fn and_so_for_architectures_with_rules_of_their_own() {
    compare_all(&Model { architecture: "falcon", fused: true, layers: 16, ..MODEL });
    // Those of 70 billion numbers are known by their layers.
    let large = [FileType::Q2K, FileType::Q3KM, FileType::Q4KS];
    compare_some(&Model { layers: 80, ..MODEL }, large);
    compare_some(&Model { architecture: "qwen2", layers: 80, heads_kv: 8, ..MODEL }, large);
}

#[test]
fn wishes_are_followed_as_llama_cpp_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let tied = Model { tied: true, ..MODEL };
    let pattern = |text: &str| regex_lite::Regex::new(text).unwrap();
    for model in [MODEL, tied] {
        model.write(&path);
        for wishes in [
            Wishes { pure: true, ..Wishes::default() },
            Wishes { keep_output: true, ..Wishes::default() },
            Wishes { output: Some(Encoding::Q8_0), ..Wishes::default() },
            Wishes { token_embedding: Some(Encoding::F16), ..Wishes::default() },
            Wishes {
                tensors: vec![
                    (pattern(r"blk\.[0-3]\.attn_(q|k)"), Encoding::Q8_0),
                    (pattern("attn_q|ffn_down"), Encoding::Q5_0),
                ],
                output: Some(Encoding::BF16),
                ..Wishes::default()
            },
        ] {
            for file_type in [FileType::Q4KM, FileType::Q3KL, FileType::Q8_0, FileType::F16] {
                compare(&path, model.facts(), file_type, &wishes);
            }
        }
    }
}

#[test]
fn what_was_quantized_is_quantized_again_as_llama_cpp_does() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first.gguf", "second.gguf"].map(|name| folder.path().join(name));
    let model = Model { layers: 3, ..MODEL };
    model.write(&first);
    let again = Wishes { again: true, ..Wishes::default() };
    for between in [FileType::F16, FileType::BF16, FileType::Q8_0, FileType::Q5_1, FileType::Q5KM] {
        assert!(quantize(&first, &second, between, &Wishes::default()));
        compare(&second, model.facts(), FileType::Q4KM, &again);
        compare(&second, model.facts(), FileType::Q2K, &again);
    }
}
