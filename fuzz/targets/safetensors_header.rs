//! The safetensors reader on any bytes: an answer or an error, never a panic, never a large allocation.
#![no_main]

use std::io::Cursor;

use inferno_formats::safetensors::read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = read(Cursor::new(bytes), bytes.len() as u64);
    let _ = read(Cursor::new(bytes), u64::MAX);
});
