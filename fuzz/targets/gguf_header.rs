//! The GGUF reader on any bytes: an answer or an error, never a panic, never a large allocation (libFuzzer's
//! `-malloc_limit_mb` sees to that), also where the file claims to be longer than it is.
#![no_main]

use std::io::Cursor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = inferno_models::gguf::parse(Cursor::new(bytes), bytes.len() as u64);
    let _ = inferno_models::gguf::parse(Cursor::new(bytes), u64::MAX);
});
