//! Model files that are cut off, mislabelled or made to harm: a clear error within a second, and service goes on.

use std::fs::{self, OpenOptions};
use std::time::{Duration, Instant};

use inferno_tests::{Server, TestContext};

/// The model must be refused with a clear error, quickly, and without a worker.
#[track_caller]
fn refused(server: &Server, name: &str, what: &str) -> String {
    let start = Instant::now();
    let answer = server.chat(name, "hello");
    assert!(start.elapsed() < Duration::from_secs(1), "{what}: took {:?}", start.elapsed());
    // The request is right; what the server has is broken.
    let message = answer.refusal(500);
    assert!(message.len() > 10, "{what}: {message}");
    message
}

#[test]
fn a_model_cut_off_at_any_kibibyte_is_refused() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let path = context.models().join("cut.gguf");
    fs::copy(context.storyteller(), &path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let server = context.serve(&[]);
    let whole = file.metadata().unwrap().len();
    let mut len = (whole - 1) / 1024 * 1024;
    loop {
        file.set_len(len).unwrap();
        refused(&server, "cut", &format!("{len} of {whole} bytes"));
        if len == 0 {
            break;
        }
        len -= 1024;
    }
    assert!(server.workers().is_empty(), "no worker is needed to see that a file is cut off");
    server.assert_says("parrot", "still here", "still here");
}

#[test]
fn absurd_headers_cost_an_error_and_no_memory() {
    let context = TestContext::new();
    let gguf = |version: u32, tensors: u64, pairs: u64, rest: &[u8]| {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&tensors.to_le_bytes());
        bytes.extend_from_slice(&pairs.to_le_bytes());
        bytes.extend_from_slice(rest);
        bytes
    };
    // A key that claims to be as long as memory, and an array that claims to have as many items.
    let huge_key = u64::MAX.to_le_bytes();
    let mut huge_array = 1u64.to_le_bytes().to_vec();
    huge_array.push(b'a');
    for number in [9u32, 8] {
        huge_array.extend_from_slice(&number.to_le_bytes());
    }
    huge_array.extend_from_slice(&(1u64 << 60).to_le_bytes());
    let files: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("magic", b"NOPE and more of it".to_vec()),
        ("version", gguf(77, 0, 0, &[])),
        ("tensors", gguf(3, u64::MAX, 0, &[0; 64])),
        ("pairs", gguf(3, 0, u64::MAX, &[0; 64])),
        ("key", gguf(3, 0, 1, &huge_key)),
        ("array", gguf(3, 0, 1, &huge_array)),
        ("page", b"<!DOCTYPE html><html>Not found</html>".to_vec()),
        ("zeros", vec![0; 4096]),
    ];
    for (name, bytes) in &files {
        fs::write(context.models().join(name).with_extension("gguf"), bytes).unwrap();
    }
    let server = context.serve(&[]);
    for (name, _) in &files {
        refused(&server, name, name);
        let path = context.models().join(name).with_extension("gguf");
        let start = Instant::now();
        let checked = context.run(&["validate", &path.display().to_string()]);
        assert!(start.elapsed() < Duration::from_secs(1), "{name}: {:?}", start.elapsed());
        assert_eq!(checked.status, Some(1), "{name}: {checked:?}");
        assert!(checked.stdout.contains("FAILED"), "{name}: {checked:?}");
    }
    let listed = server.get("/v1/models");
    assert_eq!((listed.status, listed.json()["data"].as_array().unwrap().len()), (200, 1), "{listed:?}");
    assert_eq!(server.chat("storyteller", "hello").status, 200);
}

#[test]
fn a_model_that_only_its_backend_can_refuse_is_an_error_and_not_a_crash() {
    let context = TestContext::new();
    context.echo_model("odd", r#"{"tokens_per_second": -1}"#);
    context.echo_model("parrot", "{}");
    let server = context.serve(&[]);
    for _ in 0..3 {
        refused(&server, "odd", "a rate that cannot be");
    }
    server.assert_says("parrot", "still here", "still here");
}
