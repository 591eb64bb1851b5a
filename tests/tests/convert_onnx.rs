//! Models that become ONNX: they say what they said as GGUF.

mod models;

use std::fs;
use std::path::{Path, PathBuf};

use inferno_tests::{Finished, Server, TestContext, onnx};
use models::Decoder;
use serde_json::{Value, json};

const LLAMA: Decoder = Decoder {
    architecture: "llama",
    kv_heads: 2,
    head: 16,
    biases: false,
    head_norms: false,
    norms_after: false,
    tied: false,
    factors: false,
    more: &[("rope.freq_base", 50_000.0)],
};

/// What is particular about each: heads that share keys, factors and scales of positions, biases, norms of heads, heads of
/// another length than the vector's share, a matrix that begins and ends the model, and windows.
const DECODERS: [(&str, Decoder); 7] = [
    ("plain", Decoder { kv_heads: 8, more: &[], ..LLAMA }),
    ("stretched", Decoder { factors: true, biases: true, tied: true, ..LLAMA }),
    ("scaled", Decoder { more: &[("rope.scaling.factor", 4.0)], ..LLAMA }),
    ("qwen2", Decoder { architecture: "qwen2", biases: true, ..LLAMA }),
    ("qwen3", Decoder { architecture: "qwen3", head: 32, head_norms: true, ..LLAMA }),
    ("gemma", Decoder { architecture: "gemma", kv_heads: 1, head: 32, tied: true, ..LLAMA }),
    (
        "gemma3",
        Decoder {
            architecture: "gemma3",
            head_norms: true,
            norms_after: true,
            more: &[("attention.sliding_window", 9.0), ("attention.sliding_window_pattern", 2.0)],
            ..LLAMA
        },
    ),
];

/// A user with a runtime for ONNX.
fn user() -> TestContext {
    let context = TestContext::new();
    fs::create_dir(work(&context)).unwrap();
    let config = format!("[onnx]\nruntime = {:?}\nproviders = \"CPU\"\n", onnx::runtime().to_str().unwrap());
    fs::write(context.home().join(".inferno.toml"), config).unwrap();
    context
}

/// Where they convert: neither in their home nor among their models, where the host has files of its own.
fn work(context: &TestContext) -> PathBuf {
    context.home().join("work")
}

/// A server for what they made.
fn serve(context: &TestContext) -> Server {
    for entry in fs::read_dir(work(context)).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), context.models().join(entry.file_name())).unwrap();
    }
    context.serve(&[])
}

/// Makes ONNX of a model, and returns where it is.
fn convert(context: &TestContext, gguf: &Path, more: &[&str]) -> PathBuf {
    let out = gguf.with_file_name(format!("{}-onnx", gguf.file_stem().unwrap().to_str().unwrap()));
    let paths = [gguf.to_str().unwrap(), out.to_str().unwrap()];
    converted(context, &[&["model"], &paths[..], &["--format", "onnx"], more].concat());
    out
}

fn converted(context: &TestContext, args: &[&str]) {
    let mut command = context.command(&[&["convert"], args].concat());
    let done = Finished::of(command.current_dir(work(context)));
    assert_eq!(done.status, Some(0), "{args:?}: {done:?}");
}

/// What a model writes after a prompt, and how likely each token was.
fn written(server: &Server, model: &Path, prompt: &str, tokens: u32) -> (String, Vec<f64>) {
    let name = model.file_stem().unwrap().to_str().unwrap();
    let body =
        json!({"model": name, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "logprobs": 1});
    let answer = server.post("/v1/completions", &body).json();
    let choice = &answer["choices"][0];
    let numbers = choice["logprobs"]["token_logprobs"].as_array();
    let numbers = numbers.unwrap_or_else(|| panic!("{name}: {answer}"));
    (choice["text"].as_str().unwrap().to_owned(), numbers.iter().map(|n| n.as_f64().unwrap()).collect())
}

/// Both say the same, to the last token, and are as sure of it.
fn agree(server: &Server, one: &Path, other: &Path, prompt: &str, tokens: u32, tolerance: f64) {
    let (text, sure) = written(server, one, prompt, tokens);
    let (other_text, other_sure) = written(server, other, prompt, tokens);
    assert_eq!(text, other_text, "{}", one.display());
    assert!(!text.is_empty() && sure.len() == other_sure.len());
    for (place, (sure, other_sure)) in sure.iter().zip(&other_sure).enumerate() {
        assert!(
            (sure - other_sure).abs() < tolerance,
            "{}: token {place}: {sure} {other_sure}",
            one.display()
        );
    }
}

#[test]
fn the_demo_model_tells_the_same_stories() {
    let context = user();
    let (copy, gguf) = (work(&context).join("storyteller.gguf"), work(&context).join("wide.gguf"));
    fs::copy(context.storyteller(), &copy).unwrap();
    // Its weights as they are, without what llama.cpp rounds while it computes with 8 bits.
    converted(&context, &["quantize", "storyteller.gguf", "wide.gguf", "F32"]);
    let folder = convert(&context, &copy, &[]);
    let server = serve(&context);
    for prompt in ["Once upon a time", "The little bear", "In the forest lived a fox who"] {
        agree(&server, &gguf, &folder, prompt, 60, 0.02);
    }
    let ask = |model: &str| {
        let body = json!({
            "model": model, "temperature": 0, "max_tokens": 80,
            "messages": [{"role": "user", "content": "Tell me a story about a fox named Anna."}],
        });
        server.post("/v1/chat/completions", &body).json()["choices"][0]["message"]["content"].clone()
    };
    let told = ask("wide");
    assert!(told.as_str().unwrap().contains("Anna"), "{told}");
    assert_eq!(told, ask("storyteller-onnx"), "the template and the tokens that end an answer came along");
}

#[test]
fn every_decoder_computes_as_its_gguf_does() {
    let context = user();
    let models = DECODERS.each_ref().map(|(name, shape)| {
        let gguf = work(&context).join(format!("{name}.gguf"));
        models::decoder(&context.storyteller(), &gguf, shape);
        let folder = convert(&context, &gguf, &[]);
        (gguf, folder)
    });
    let server = serve(&context);
    for (gguf, folder) in &models {
        agree(&server, gguf, folder, "The little fox went into the forest and saw", 24, 0.05);
    }
}

#[test]
fn halves_are_half_as_large_and_almost_the_same() {
    let context = user();
    let gguf = work(&context).join("small.gguf");
    models::decoder(&context.storyteller(), &gguf, &LLAMA);
    let bytes = |folder: &Path| fs::metadata(folder.join("model.onnx_data")).unwrap().len();
    let folder = convert(&context, &gguf, &["--quantize", "F16"]);
    let whole = fs::metadata(&gguf).unwrap().len();
    assert!(bytes(&folder) < whole * 6 / 10, "{} of {whole}", bytes(&folder));
    agree(&serve(&context), &gguf, &folder, "The fox", 8, 0.1);
}

#[test]
fn an_encoder_finds_the_same_vectors() {
    let context = user();
    let gguf = work(&context).join("letters.gguf");
    models::encoder(&gguf);
    let folder = convert(&context, &gguf, &[]);
    let server = serve(&context);
    let vectors = |model: &Path| -> Vec<Vec<f64>> {
        let name = model.file_stem().unwrap().to_str().unwrap();
        let body = json!({"model": name, "input": ["a fox", "the bear sleeps in a cave all winter", "q"]});
        let answer = server.post("/v1/embeddings", &body).json();
        let vectors = answer["data"].as_array().unwrap_or_else(|| panic!("{name}: {answer}"));
        let numbers = |vector: &Value| vector["embedding"].as_array().unwrap().clone();
        vectors.iter().map(|v| numbers(v).iter().map(|n| n.as_f64().unwrap()).collect()).collect()
    };
    let (one, other) = (vectors(&gguf), vectors(&folder));
    for (one, other) in one.iter().zip(&other) {
        let cosine: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
        // llama.cpp rounds what its activation gives to 16 bits.
        assert!(cosine > 0.9999, "{cosine}");
    }
    let apart: f64 = one[0].iter().zip(&other[1]).map(|(a, b)| a * b).sum();
    assert!(apart < 0.99, "two texts are not alike: {apart}");
}

#[test]
fn what_onnx_cannot_hold_is_refused_and_leaves_nothing() {
    let context = user();
    let gguf = work(&context).join("odd.gguf");
    let shape = Decoder { more: &[("attention.sliding_window", 9.0)], ..LLAMA };
    models::decoder(&context.storyteller(), &gguf, &shape);
    let refused = |more: &[&str], words: &str| {
        let out = work(&context).join("out");
        let paths = [gguf.to_str().unwrap(), out.to_str().unwrap()];
        let args = [&["convert", "model"], &paths[..], &["--format", "onnx"], more].concat();
        let done = Finished::of(context.command(&args).current_dir(work(&context)));
        assert_ne!(done.status, Some(0), "{done:?}");
        assert!(done.stderr.contains(words), "{words:?} is not in {done:?}");
        assert!(!out.exists());
    };
    refused(&[], "sees only 9 before it (llama.attention.sliding_window)");
    refused(&["--quantize", "Q4_0"], "F32 or F16");
    refused(&["--split", "1MB"], "--split");
    refused(&["--metadata", "a=b"], "--metadata");
}
