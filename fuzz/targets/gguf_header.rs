//! The GGUF reader on any bytes: an answer or an error, never a panic, never a large allocation (libFuzzer's
//! `-malloc_limit_mb` sees to that), also where the file claims to be longer than it is. What is read whole can be written
//! and read again.
#![no_main]

use std::io::Cursor;

use inferno_formats::gguf::{Head, Keep, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = inferno_models::gguf::parse(Cursor::new(bytes), bytes.len() as u64);
    let _ = inferno_models::gguf::parse(Cursor::new(bytes), u64::MAX);
    let _ = read(Cursor::new(bytes), u64::MAX, Keep::All);
    let Ok(contents) = read(Cursor::new(bytes), bytes.len() as u64, Keep::All) else { return };
    let mut head = Head::new();
    for (key, value) in contents.metadata.iter() {
        head.set(key, value.clone());
    }
    let Ok(head) = head.to_bytes() else { return };
    let size = head.len() as u64;
    read(Cursor::new(head), size, Keep::All).expect("what was written is read");
});
