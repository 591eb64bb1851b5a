//! `inferno convert` between GGUF and Hugging Face's folders: the demo model there and back, and, where somebody asks for it,
//! each family against transformers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use inferno_tests::{Finished, TestContext, build};

fn folder(context: &TestContext) -> PathBuf {
    let folder = context.home().join("work");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn product(context: &TestContext, args: &str) -> String {
    let args: Vec<_> = args.split_whitespace().collect();
    let finished = Finished::of(context.command(&args).current_dir(folder(context)));
    assert_eq!(finished.status, Some(0), "{args:?}: {finished:?}");
    finished.stdout
}

/// Four sandboxed runs of a real model: each number and each token comes back.
#[test]
fn the_demo_model_becomes_a_folder_and_itself_again() {
    let context = TestContext::new();
    fs::copy(context.storyteller(), folder(&context).join("story.gguf")).unwrap();
    product(&context, "convert model story.gguf folder --format safetensors --quantize F32");
    let mut names: Vec<_> = fs::read_dir(folder(&context).join("folder"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    product(&context, "convert model folder again.gguf --quantize F32");
    product(&context, "convert verify story.gguf again.gguf");
    let text = |model: &str| {
        let run = ["run", "--model", model, "--temperature", "0", "-p", "Tell me a story about a fox."];
        let finished = Finished::of(context.command(&run).current_dir(folder(&context)));
        assert_eq!(finished.status, Some(0), "{finished:?}");
        finished.stdout
    };
    product(&context, "convert model story.gguf plain.gguf --quantize F32 --requantize");
    assert_eq!(text("./again.gguf"), text("./plain.gguf"));
}

/// A model whose parts do not fit together leads to an error that says where, and to no file.
#[test]
fn a_folder_that_lies_leaves_no_result() {
    let context = TestContext::new();
    fs::copy(context.storyteller(), folder(&context).join("story.gguf")).unwrap();
    product(&context, "convert model story.gguf folder --format safetensors");
    let config = folder(&context).join("folder/config.json");
    let whole = fs::read_to_string(&config).unwrap();
    for (from, to, words) in [
        (
            "\"num_hidden_layers\": 3",
            "\"num_hidden_layers\": 4",
            "\"model.layers.3.input_layernorm.weight\" is missing",
        ),
        ("LlamaForCausalLM", "MambaForCausalLM", "what can be converted is LlamaForCausalLM"),
        (
            "\"hidden_size\": 256",
            "\"hidden_size\": \"256\"",
            "config.json: hidden_size must be a whole number",
        ),
    ] {
        let changed = whole.replace(from, to);
        assert_ne!(changed, whole, "{from}");
        fs::write(&config, changed).unwrap();
        let args = ["convert", "model", "folder", "again.gguf"];
        let finished = Finished::of(context.command(&args).current_dir(folder(&context)));
        assert_eq!(finished.status, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(words), "{words}: {finished:?}");
        assert!(!folder(&context).join("again.gguf").exists());
    }
}

/// `LLAMA_SERVER=.../llama-server cargo nextest run -p inferno-tests --run-ignored only -E 'test(held_against_transformers)'`
#[test]
#[ignore = "transformers and torch take 6 GB, and llama.cpp's server has to be built"]
fn each_family_is_held_against_transformers() {
    let server = std::env::var_os("LLAMA_SERVER").expect("LLAMA_SERVER must be the path of llama-server");
    let peers = build::root().join("tests/peers");
    let requirements = peers.join("requirements.txt");
    let venv = build::tools_dir().join("peers-python");
    let python = venv.join("bin/python");
    build::stamped("peers-python", &fs::read_to_string(&requirements).unwrap(), || {
        build::run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        build::run(Command::new(&python).args(install).arg(&requirements));
    });
    let context = TestContext::new();
    let mut command = Command::new(&python);
    command
        .arg(peers.join("huggingface.py"))
        .arg("--server")
        .arg(server)
        .arg("--inferno")
        .arg(build::inferno())
        .arg("--work")
        .arg(folder(&context))
        .env("HOME", context.home())
        .env("INFERNO_DATA_DIR", context.data())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HF_HUB_OFFLINE", "1");
    let finished = Finished::of(&mut command);
    assert_eq!(finished.status, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("all conversions hold"), "{finished:?}");
}
