//! What comes out of the sandbox, where numbers go through WebAssembly's vectors, has the bytes that the same code gives here,
//! where it has arrays. Those are held against llama.cpp's by a test of the GGUF backend.

use std::fs;
use std::path::Path;

use inferno_formats::gguf::{Head, Keep, TensorType, Value, open};
use inferno_plugin_convert::quant::Encoding;
use inferno_plugin_convert::quant::decode::decode;
use inferno_plugin_convert::quant::encode::encode;
use inferno_tests::{Finished, TestContext};

const ROW: u64 = 512;
const ROWS: u64 = 8;

/// Sizes of numbers: usual ones, ones at the end of single precision, and ones that are nearly alike.
const SIZES: [(f32, f32); 4] = [(0.05, 0.0), (1e-37, 0.0), (1e-41, 0.0), (1e-6, -1.0)];

fn encodings() -> impl Iterator<Item = Encoding> {
    Encoding::all().filter(|encoding| *encoding != Encoding::F64)
}

/// What a tensor is called that is to have this encoding.
fn name(encoding: Encoding) -> String {
    format!("blk.0.as_{}.weight", encoding.name())
}

/// A file with the same random numbers, a quarter of which are zero, for each encoding.
fn write(path: &Path) -> Vec<f32> {
    let mut state = 1_u32;
    let mut number = |size: f32, middle: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let number = ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * size + middle;
        if (state >> 6) & 3 == 0 { 0.0 } else { number }
    };
    let rows = SIZES.into_iter().flat_map(|size| [size; (ROW * ROWS) as usize]);
    let numbers: Vec<f32> = rows.map(|(size, middle)| number(size, middle)).collect();
    let mut head = Head::new();
    head.set("general.architecture", Value::Text("llama".to_owned()));
    for (key, number) in [("block_count", 1), ("attention.head_count", 4)] {
        head.set(format!("llama.{key}"), Value::U32(number));
    }
    let single = TensorType::from_name("F32").unwrap();
    for encoding in encodings() {
        head.add(name(encoding), &[ROW, ROWS * SIZES.len() as u64], single).unwrap();
    }
    let mut file = head.to_bytes().unwrap();
    for _ in encodings() {
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    fs::write(path, file).unwrap();
    numbers
}

/// The bytes of the tensor for an encoding, and what it is packed as.
fn tensor(path: &Path, encoding: Encoding) -> (Vec<u8>, u32) {
    let (file, contents) = (fs::read(path).unwrap(), open(path, Keep::Facts).unwrap());
    let tensor = contents.tensors.iter().find(|tensor| tensor.name == name(encoding)).unwrap();
    let start = (contents.data + tensor.offset) as usize;
    (file[start..start + tensor.bytes as usize].to_vec(), tensor.kind.number)
}

fn quantize(context: &TestContext, args: &[&str]) {
    let mut command = context.command(&[&["convert", "quantize"], args].concat());
    let finished = Finished::of(command.current_dir(context.home().join("work")));
    assert_eq!(finished.status, Some(0), "{finished:?}");
}

#[test]
fn vectors_and_arrays_give_the_same_bytes() {
    let context = TestContext::new();
    let folder = context.home().join("work");
    fs::create_dir_all(&folder).unwrap();
    let numbers = write(&folder.join("f32.gguf"));
    let wishes: Vec<String> =
        encodings().map(|encoding| format!("--tensor-type=as_{0}.weight={0}", encoding.name())).collect();
    let wishes: Vec<&str> = wishes.iter().map(String::as_str).collect();
    quantize(&context, &[&["f32.gguf", "packed.gguf", "Q8_0"], wishes.as_slice()].concat());
    quantize(&context, &["packed.gguf", "back.gguf", "F32"]);
    for encoding in encodings() {
        let (packed, number) = tensor(&folder.join("packed.gguf"), encoding);
        assert_eq!(number, encoding.number());
        let mut here = vec![0; packed.len()];
        encode(encoding, &numbers, &mut here).unwrap();
        assert!(here == packed, "{} is written otherwise", encoding.name());
        let (back, _) = tensor(&folder.join("back.gguf"), encoding);
        let mut here = vec![0.0; numbers.len()];
        decode(encoding, &packed, &mut here).unwrap();
        let here: Vec<u8> = here.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert!(here == back, "{} is read otherwise", encoding.name());
    }
}
