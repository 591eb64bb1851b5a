//! Hostile files must not make the reader allocate. In a process of its own, since it measures the process.

#![expect(clippy::expect_used, reason = "a test ends where its premises do")]

#[path = "it/bytes.rs"]
#[expect(dead_code, reason = "written for the other tests")]
mod bytes;

use std::fs;

use bytes::{ARRAY, Gguf, Sparse, TEXT};
use inferno_models::gguf;

const TERABYTE: u64 = 1 << 40;
const LIMIT: u64 = 24 << 20;

/// The most address space that the process ever had; reserving memory without touching it counts too.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the process's status");
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).expect("the peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

fn read(start: Gguf) {
    assert!(gguf::parse(Sparse::new(start.0, TERABYTE), TERABYTE).is_err());
}

#[test]
fn absurd_files_allocate_next_to_nothing() {
    read(Gguf::start(0, 1));
    let before = peak();
    for count in [1 << 63, 1 << 40, 1 << 32, 1 << 30, 1 << 26] {
        read(Gguf::start(count, 0));
        read(Gguf::start(0, count));
        read(Gguf::start(0, 1).u64(count));
        read(Gguf::start(0, 1).string("tokenizer.chat_template").u32(TEXT).u64(count));
        read(Gguf::start(0, 1).string("tokenizer.ggml.tokens").u32(ARRAY).u32(TEXT).u64(count));
        read(Gguf::start(0, 1).string("tokenizer.ggml.tokens").u32(ARRAY).u32(ARRAY).u64(count));
        read(Gguf::start(1, 0).u64(count));
        read(Gguf::start(1, 0).tensor("w", &[count, count], 0));
    }
    // As many tensors as are allowed, but none is there.
    read(Gguf::start(1 << 16, 0));
    let grown = peak() - before;
    assert!(grown < LIMIT, "{grown} bytes");

    // The measure does see an allocation that is never used.
    let unused: Vec<u8> = Vec::with_capacity(LIMIT as usize * 8);
    assert!(peak() - before > LIMIT, "the measure is blind");
    drop(unused);
}
