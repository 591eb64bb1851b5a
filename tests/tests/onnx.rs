//! Models in ONNX through the program: as commands, as a server, and where there is no runtime for them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use inferno_tests::onnx::{self, BEGIN, END, foretold, token};
use inferno_tests::{Finished, Server, TestContext};
use serde_json::{Value, json};

/// A user with a runtime, named in the configuration, and a model of each kind.
fn context() -> TestContext {
    let context = TestContext::new();
    let runtime = onnx::runtime();
    let config = format!("[onnx]\nruntime = {:?}\nproviders = \"CPU\"\n", runtime.to_str().unwrap());
    fs::write(context.home().join(".inferno.toml"), config).unwrap();
    let models = context.models();
    onnx::decoder(&models.join("letters"));
    onnx::encoder(&models.join("vectors"));
    onnx::classifier(&models.join("lengths"), &[("short", 0.0), ("long", 1.0)]);
    onnx::adder(&models.join("adder.onnx"));
    context
}

/// What the decoder writes in a chat of one message.
fn told(content: &str, most: usize) -> String {
    let bytes = content.bytes().map(token).collect();
    foretold(&[vec![BEGIN], bytes, vec![END]].concat(), most)
}

#[test]
fn it_writes_what_is_foretold() {
    let context = context();
    let run = |model: &str| {
        context.product(&[
            "run",
            "--model",
            model,
            "--prompt",
            "hello",
            "--temperature",
            "0",
            "--max-tokens",
            "30",
        ])
    };
    let expect = told("hello", 30) + "\n";
    assert_eq!(run("letters"), expect);
    // By its folder, and by its graph.
    let folder = context.models().join("letters");
    assert_eq!(run(folder.to_str().unwrap()), expect);
    assert_eq!(run(folder.join("model.onnx").to_str().unwrap()), expect);
}

#[test]
fn tensors_go_in_and_come_out_as_json() {
    let context = context();
    let file = context.home().join("tensors.json");
    let tensors = r#"{"x": {"dtype": "f32", "shape": [1, 2], "data": [1, 2.5]}}"#;
    fs::write(&file, tensors).unwrap();
    let expect = json!({"y": {"dtype": "f32", "shape": [1, 2], "data": [11.0, 22.5]}});
    let args = ["run", "--model", "adder", "--input"];
    let product = context.product(&[&args[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(serde_json::from_str::<Value>(&product).unwrap(), expect);

    let mut command = context.command(&[&args[..], &["-"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(tensors.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expect);

    fs::write(&file, r#"{"z": 1}"#).unwrap();
    let refused = context.run(&[&args[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("no input \"z\"") && refused.stderr.contains("x: f32 [any, 2]"),
        "{refused:?}"
    );
    let gguf = context.storyteller();
    let refused = context.run(&["run", "--model", gguf.to_str().unwrap(), "--input", file.to_str().unwrap()]);
    assert!(refused.stderr.contains("cannot do tensors"), "{refused:?}");
}

#[test]
fn a_classifier_says_what_a_text_is() {
    let context = context();
    let run =
        |args: &[&str]| context.product(&[&["run", "--model", "lengths", "--prompt", "abc"], args].concat());
    assert_eq!(run(&[]), "0.9526 long\n0.0474 short\n");
    let labels: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(labels[0]["label"], "long");
}

#[test]
fn it_is_served_like_any_other() {
    let context = context();
    let server = context.serve(&[]);
    let models = server.get("/v1/models").body;
    for name in ["letters", "vectors", "lengths", "adder"] {
        assert!(models.contains(&format!("\"{name}\"")), "{models}");
    }
    let ask = |server: &Server, content: &str| {
        let body = json!({
            "model": "letters", "temperature": 0, "max_tokens": 60,
            "messages": [{"role": "user", "content": content}],
        });
        let answer = server.post("/v1/chat/completions", &body).json();
        answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    std::thread::scope(|scope| {
        for number in 0..6 {
            let server = &server;
            scope.spawn(move || {
                let content = format!("question {number}");
                assert_eq!(ask(server, &content), told(&content, 60));
            });
        }
    });
    let body = json!({"model": "vectors", "input": ["a", "!!"]});
    let answer = server.post("/v1/embeddings", &body).json();
    let of = |byte: u8| {
        let number = f64::from(token(byte));
        number / (number * number + 1.0).sqrt()
    };
    for (at, byte) in [(0, b'a'), (1, b'!')] {
        let first = answer["data"][at]["embedding"][0].as_f64().unwrap();
        assert!((first - of(byte)).abs() < 1e-6, "{answer}");
    }
    let body = json!({"model": "letters", "messages": [{"role": "user", "content": "a"}],
                      "response_format": {"type": "json_object"}});
    let refusal = server.post("/v1/chat/completions", &body).refusal(400);
    assert!(refusal.contains("cannot do JSON schemas"), "{refusal}");
}

#[test]
fn a_fenced_worker_reads_the_runtime_and_all_files_of_the_model() {
    let context = context();
    // The tokenizer is a link to a file elsewhere: it belongs to the model, so it may be read.
    let elsewhere = context.home().join("elsewhere.json");
    let tokenizer = context.models().join("letters/tokenizer.json");
    fs::rename(&tokenizer, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &tokenizer).unwrap();
    let run = ["run", "--model", "letters", "--prompt", "hello", "--temperature", "0", "--max-tokens", "9"];
    assert_eq!(context.product(&run), told("hello", 9) + "\n");
}

#[test]
fn where_it_can_compute_is_listed_and_chosen() {
    let context = context();
    let backends: Vec<Value> =
        serde_json::from_str(&context.product(&["backend", "list", "--json"])).unwrap();
    let onnx = backends.iter().find(|backend| backend["name"] == "onnx").unwrap();
    assert_eq!(onnx["formats"], json!(["onnx"]));
    let cpu = onnx["devices"].as_array().unwrap().iter().find(|device| device["name"] == "CPU").unwrap();
    assert!(cpu["description"].as_str().unwrap().starts_with("ONNX Runtime 1."), "{cpu}");
    let mut command = context.command(&["run", "--model", "letters", "--prompt", "a"]);
    let refused = Finished::of(command.env("INFERNO_ONNX_PROVIDERS", "OpenVINO, CPU"));
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("no execution provider \"OpenVINO\""), "{refused:?}");
    assert!(refused.stderr.contains("onnx.providers"), "{refused:?}");
}

/// Runs the decoder with this as its runtime.
fn with_runtime(context: &TestContext, runtime: Option<&Path>) -> Finished {
    let mut command = context.command(&["run", "--model", "letters", "--prompt", "a", "--max-tokens", "2"]);
    // Where this machine's own Python may have one, it is not looked for.
    command.env("PATH", "/nowhere").env_remove("LD_LIBRARY_PATH");
    command.envs(runtime.map(|path| ("INFERNO_ONNX_RUNTIME", path)));
    Finished::of(&mut command)
}

#[test]
fn without_a_runtime_it_is_said_how_to_get_one() {
    let context = context();
    fs::remove_file(context.home().join(".inferno.toml")).unwrap();
    let missing = with_runtime(&context, None);
    assert_eq!(missing.status, Some(1), "{missing:?}");
    for word in
        ["is not on this machine", "pip install onnxruntime", "cargo xtask onnxruntime", "onnx.runtime"]
    {
        assert!(missing.stderr.contains(word), "{word} in {}", missing.stderr);
    }
    let wrong = context.home().join("libonnxruntime.so");
    let named = with_runtime(&context, Some(&wrong));
    assert!(named.stderr.contains("ONNX Runtime is not there"), "{named:?}");
    fs::write(&wrong, "no library").unwrap();
    let broken = with_runtime(&context, Some(&wrong));
    assert!(broken.stderr.contains("cannot be used as ONNX Runtime"), "{broken:?}");
}

#[test]
fn an_old_runtime_is_refused_by_its_version() {
    let context = context();
    let source = context.home().join("old.c");
    let code = "static const char *version(void) { return \"1.16.3\"; }\n\
                struct base { const void *(*api)(unsigned); const char *(*version)(void); };\n\
                static const struct base it = { 0, version };\n\
                const struct base *OrtGetApiBase(void) { return &it; }\n";
    fs::write(&source, code).unwrap();
    let library = context.home().join("libonnxruntime.so");
    let mut compiler = std::process::Command::new("cc");
    inferno_tests::build::run(compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source));
    let old = with_runtime(&context, Some(&library));
    assert_eq!(old.status, Some(1), "{old:?}");
    assert!(old.stderr.contains("it is version 1.16.3, and 1.24 is the oldest"), "{old:?}");
}

#[test]
fn what_the_folder_is_can_be_looked_at() {
    let context = context();
    let info = context.product(&["models", "info", "letters", "--json"]);
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["format"], "onnx", "{info}");
    let report =
        context.product(&["validate", context.models().join("letters/model.onnx").to_str().unwrap()]);
    assert!(report.contains("graph"), "{report}");
    // A graph whose weights went away is told by name.
    fs::remove_file(context.models().join("adder.weights")).unwrap();
    let list = context.run(&["models", "list"]);
    assert!(list.stderr.contains("adder.weights"), "{list:?}");
}
