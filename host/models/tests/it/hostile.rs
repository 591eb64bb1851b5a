//! Files that lie: each is refused with the place and the reason, quickly and without much memory.

use std::{io::Cursor, time::Instant};

use inferno_models::gguf::{self, Fault, GgufError, Part};

use crate::bytes::{ARRAY, Gguf, Sparse, TEXT, U32, U64};

const TERABYTE: u64 = 1 << 40;

fn parse(bytes: &[u8]) -> Result<inferno_models::Header, GgufError> {
    gguf::parse(Cursor::new(bytes), bytes.len() as u64)
}

#[track_caller]
fn refused(bytes: &[u8], fault: Fault, part: Part, words: &str) {
    check(parse(bytes).expect_err("refused"), fault, part, words);
}

/// Refused though the file has a terabyte, so that no length is too large for the file. Little of it is read.
#[track_caller]
fn refused_in_a_terabyte(start: Gguf, fault: Fault, part: Part, words: &str) {
    let mut file = Sparse::new(start.0, TERABYTE);
    check(gguf::parse(&mut file, TERABYTE).expect_err("refused"), fault, part, words);
    assert!(file.read < 1 << 20, "{} bytes were read", file.read);
}

#[track_caller]
fn check(error: GgufError, fault: Fault, part: Part, words: &str) {
    assert_eq!((error.fault, error.part), (fault, part), "{error}");
    assert!(error.message.contains(words), "{words:?} is not in: {error}");
}

#[test]
fn the_small_model_is_right() {
    let header = parse(&Gguf::model("tiny")).expect("a right file");
    assert_eq!(header.name.as_deref(), Some("tiny"));
    assert_eq!((header.parameters, header.tensors, header.metadata_count), (8, 1, 4));
    assert_eq!(header.quantization, "F32");
}

#[test]
fn wrong_starts() {
    refused(b"", Fault::Truncated, Part::Start, "needs 4 bytes, but only 0 are left");
    refused(b"GGUX\x03\0\0\0", Fault::Unsupported, Part::Start, "\"GGUX\", not \"GGUF\"");
    refused(b"GGUF\x01\0\0\0", Fault::Unsupported, Part::Start, "version 1");
    refused(b"GGUF\x04\0\0\0", Fault::Unsupported, Part::Start, "version 4");
    refused(b"GGUF\0\0\0\x03", Fault::Unsupported, Part::Start, "big-endian GGUF file (version 3)");
    let mut version_2 = Gguf::model("old");
    version_2[4] = 2;
    assert!(parse(&version_2).is_ok());
}

#[test]
fn absurd_counts() {
    for count in [1 << 63, u64::MAX, 1 << 40, 1 << 20] {
        let tensors = Gguf::start(count, 0);
        refused_in_a_terabyte(tensors, Fault::Excessive, Part::Start, "the number of tensors is");
        let metadata = Gguf::start(0, count);
        refused_in_a_terabyte(metadata, Fault::Excessive, Part::Start, "the number of metadata entries is");
    }
    refused(&Gguf::start(1000, 0).0, Fault::Truncated, Part::Start, "takes at least 24000 bytes");
}

#[test]
fn absurd_lengths_of_strings() {
    for length in [1 << 63, u64::MAX, TERABYTE] {
        let key = Gguf::start(0, 1).u64(length);
        refused_in_a_terabyte(key, Fault::Truncated, Part::Metadata, "metadata entry 1: the key needs");
        let value = Gguf::start(0, 1).string("k").u32(TEXT).u64(length);
        refused_in_a_terabyte(value, Fault::Truncated, Part::Metadata, "metadata \"k\": the value needs");
    }
    // These would fit the file.
    let key = Gguf::start(0, 1).u64(1 << 39);
    refused_in_a_terabyte(key, Fault::Excessive, Part::Metadata, "at most 1024 are allowed");
    let template = Gguf::start(0, 1).string("tokenizer.chat_template").u32(TEXT).u64(1 << 39);
    refused_in_a_terabyte(template, Fault::Excessive, Part::Metadata, "at most 1048576 are allowed");
    let name = Gguf::start(1, 0).u64(1 << 39);
    refused_in_a_terabyte(name, Fault::Excessive, Part::Tensors, "at most 63 are allowed");
}

#[test]
fn absurd_arrays() {
    for count in [1 << 63, u64::MAX, 1 << 38] {
        for kind in [TEXT, ARRAY, U64] {
            let array = Gguf::start(0, 1).string("a").u32(ARRAY).u32(kind).u64(count);
            refused_in_a_terabyte(array, Fault::Truncated, Part::Metadata, "the length of the array is");
        }
    }
    // Would fit, but nobody has time to visit a thousand million strings.
    for kind in [TEXT, ARRAY] {
        let array = Gguf::start(0, 1).string("a").u32(ARRAY).u32(kind).u64(1 << 30);
        refused_in_a_terabyte(array, Fault::Excessive, Part::Metadata, "elements that are allowed");
    }
    let mut deep = Gguf::start(0, 1).string("a").u32(ARRAY);
    for _ in 0..1000 {
        deep = deep.u32(ARRAY).u64(1);
    }
    refused_in_a_terabyte(deep, Fault::Excessive, Part::Metadata, "nested more than 4 deep");
}

#[test]
fn many_elements_take_little_time() {
    // As many visits as the reader allows, spread over arrays so that each alone is small.
    let mut start = Gguf::start(0, 9);
    start = start.string("a").u32(ARRAY).u32(TEXT).u64(1 << 22);
    let mut file = Sparse::new(start.0, TERABYTE);
    let before = Instant::now();
    let error = gguf::parse(&mut file, TERABYTE).expect_err("refused");
    assert_eq!(error.part, Part::Metadata, "{error}");
    assert!(before.elapsed().as_secs() < 3, "{:?}", before.elapsed());
}

#[test]
fn wrong_metadata() {
    let twice = Gguf::start(0, 2).number("k", 1).number("k", 2);
    refused(&twice.0, Fault::Invalid, Part::Metadata, "\"k\" is there twice");
    let kind = Gguf::start(0, 1).string("k").u32(13).u64(0);
    refused(&kind.0, Fault::Invalid, Part::Metadata, "is 13, but must be between 0 and 12");
    let empty = Gguf::start(0, 1).string("").u32(U32).u32(1);
    refused(&empty.0, Fault::Invalid, Part::Metadata, "the key is empty");
    let mut latin = Gguf::start(0, 1).string("k").u32(U32).u32(1);
    latin.0[32] = 0xe9;
    refused(&latin.0, Fault::Invalid, Part::Metadata, "not UTF-8");
    for alignment in [0, 3, 48] {
        let file = Gguf::start(0, 1).number("general.alignment", alignment);
        refused(&file.0, Fault::Invalid, Part::Metadata, "must be a power of two");
    }
    let context = Gguf::start(0, 2)
        .text("general.architecture", "llama")
        .string("llama.context_length")
        .u32(U64)
        .u64(1 << 40);
    refused(&context.0, Fault::Invalid, Part::Metadata, "is 1099511627776, but must be between 0 and");
}

#[test]
fn wrong_tensors() {
    let shape = |shape: &[u64]| Gguf::start(1, 0).tensor("w", shape, 0).data(64);
    refused(
        &shape(&[1 << 40, 1 << 40]),
        Fault::Invalid,
        Part::Tensors,
        "more elements than there are numbers",
    );
    refused(&shape(&[0, 1 << 40, 1 << 40]), Fault::Invalid, Part::Tensors, "more elements than");
    refused(&shape(&[1 << 62]), Fault::Invalid, Part::Tensors, "more elements than there are numbers");
    refused(&shape(&[1; 5]), Fault::Invalid, Part::Tensors, "5 dimensions");
    refused(&shape(&[17]), Fault::Truncated, Part::Data, "but the file has only");
    let offset = |offset| Gguf::start(1, 0).tensor("w", &[8], offset).data(64);
    refused(&offset(4), Fault::Invalid, Part::Tensors, "not a multiple of 32");
    refused(&offset(64), Fault::Truncated, Part::Data, "tensor \"w\" ends at byte");
    refused(&offset(u64::MAX - 31), Fault::Truncated, Part::Data, "tensor \"w\" ends at byte");
    let kind = Gguf::start(1, 0).tensor_of("w", &[8], 4, 0).data(64);
    refused(&kind, Fault::Unsupported, Part::Tensors, "the number 4, which is not known");
    let block = Gguf::start(1, 0).tensor_of("w", &[33], 8, 0).data(64);
    refused(&block, Fault::Invalid, Part::Tensors, "Q8_0 comes in blocks of 32");
    let twice = Gguf::start(2, 0).tensor("w", &[8], 0).tensor("w", &[8], 32).data(64);
    refused(&twice, Fault::Invalid, Part::Tensors, "\"w\" is there twice");
    let overlap = Gguf::start(2, 0).tensor("v", &[8], 32).tensor("w", &[9], 0).data(96);
    refused(
        &overlap,
        Fault::Invalid,
        Part::Data,
        "tensor \"v\" starts at 32 of the data, inside tensor \"w\"",
    );
    let apart = Gguf::start(2, 0).tensor("v", &[8], 32).tensor("w", &[8], 0).data(64);
    assert_eq!(parse(&apart).expect("a right file").parameters, 16);
}

#[test]
fn a_size_beyond_the_bytes_is_an_error() {
    let bytes = Gguf::start(1, 0).0;
    for size in [0, 5, 1 << 40, u64::MAX] {
        assert!(gguf::parse(Cursor::new(&bytes), size).is_err(), "{size}");
    }
}
