//! Models in ONNX: which files they have, what they are called, and what their graphs may not do.

use std::{fs, os::unix::fs::symlink, path::Path};

use inferno_models::{Config, Format, Models, ModelsError, validate};
use tempfile::TempDir;

/// A field of a message that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128, "one byte of length is enough here");
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

/// A graph with one tensor of six numbers in `weights`, and this input and output.
fn graph(weights: &str, input: &str, output: &str) -> Vec<u8> {
    let external = [field(1, b"location"), field(2, weights.as_bytes())].concat();
    let tensor = [field(1, &[2, 3]), vec![0x10, 1], field(13, &external)].concat();
    let graph =
        [field(5, &tensor), field(11, &field(1, input.as_bytes())), field(12, &field(1, output.as_bytes()))];
    [vec![0x08, 9], field(7, &graph.concat())].concat()
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, content).expect("written");
}

/// A folder as Optimum writes it.
fn decoder(folder: &Path, graphs: &str) {
    write(
        folder,
        &format!("{graphs}model.onnx"),
        graph("model.onnx_data", "past_key_values.0.key", "logits"),
    );
    write(folder, &format!("{graphs}model.onnx_data"), [0; 24]);
    write(
        folder,
        "config.json",
        r#"{"model_type": "llama", "max_position_embeddings": 512, "hidden_size": 32, "num_attention_heads": 4,
            "num_key_value_heads": 2, "num_hidden_layers": 3, "vocab_size": 100}"#,
    );
    write(folder, "tokenizer.json", "{}");
    write(folder, "tokenizer_config.json", r#"{"chat_template": "{{ messages }}"}"#);
}

fn models(dir: &TempDir) -> Models {
    Models::new(Config { dirs: vec![dir.path().to_owned()], ..Config::default() })
}

#[test]
fn a_folder_is_one_model_with_all_its_files() {
    let dir = tempfile::tempdir().expect("a directory");
    decoder(&dir.path().join("acme/tiny-1.5"), "");
    let model = models(&dir).find("acme/tiny-1.5").expect("found");
    assert_eq!((model.format.clone(), model.name.as_str()), (Format::Onnx, "acme/tiny-1.5"));
    let names: Vec<_> = model.files().iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(
        names,
        ["model.onnx", "model.onnx_data", "config.json", "tokenizer.json", "tokenizer_config.json"]
    );
    let header = &model.header;
    assert_eq!((header.architecture.as_str(), header.parameters, &*header.quantization), ("llama", 6, "F32"));
    assert_eq!((header.context_length, header.cache_per_token), (Some(512), Some(2 * 3 * 2 * 8)));
    assert!(header.chat_template.is_some() && header.generates());
    assert_eq!(models(&dir).find("tiny-1.5").expect("found").name, "acme/tiny-1.5");
    // By its folder's path, and by its graph's.
    let folder = dir.path().join("acme/tiny-1.5");
    for path in [folder.clone(), folder.join("model.onnx")] {
        assert_eq!(models(&dir).open(&path).expect("opened").name, "tiny-1.5");
    }
}

#[test]
fn the_digest_is_that_of_all_files() {
    let dir = tempfile::tempdir().expect("a directory");
    decoder(&dir.path().join("tiny"), "");
    let digest = || models(&dir).find("tiny").expect("found").digest().expect("read");
    let before = digest();
    write(&dir.path().join("tiny"), "tokenizer.json", "{ }");
    assert_ne!(digest(), before, "another tokenizer makes another model");
}

#[test]
fn graphs_may_lie_in_a_folder_of_their_own() {
    let dir = tempfile::tempdir().expect("a directory");
    decoder(&dir.path().join("acme/tiny"), "onnx/");
    let model = models(&dir).find("acme/tiny").expect("found");
    assert_eq!(model.header.architecture, "llama");
    assert!(model.files().iter().any(|path| path.ends_with("acme/tiny/tokenizer.json")));
    assert_eq!(models(&dir).open(&dir.path().join("acme/tiny")).expect("opened").name, "tiny");
}

#[test]
fn a_graph_alone_is_a_model_that_takes_tensors() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "adder.onnx", graph("adder.bin", "x", "y"));
    write(dir.path(), "adder.bin", [0; 24]);
    let model = models(&dir).find("adder").expect("found");
    assert_eq!((&*model.header.architecture, model.header.generates()), ("onnx", false));
    assert_eq!(models(&dir).find("adder.onnx").expect("found").name, "adder");
    let report = validate(&model.path, &[]).expect("a file");
    assert!(report.ok(), "{report:?}");
}

#[test]
fn an_encoder_makes_vectors() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "e/model.onnx", graph("w", "input_ids", "last_hidden_state"));
    write(dir.path(), "e/w", "");
    write(dir.path(), "e/1_Pooling/config.json", r#"{"pooling_mode_cls_token": true}"#);
    let model = models(&dir).find("e").expect("found");
    assert_eq!((model.header.pooling.as_deref(), model.header.generates()), (Some("cls"), false));
    assert!(model.files().iter().any(|path| path.ends_with("1_Pooling/config.json")));
}

#[test]
fn weights_that_are_missing_or_elsewhere_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "m/model.onnx", graph("model.onnx_data", "x", "y"));
    let why = |name: &str| match models(&dir).find(name).expect_err("broken") {
        ModelsError::Unusable { why, .. } => why,
        other => panic!("{other}"),
    };
    assert!(why("m").contains("model.onnx_data"), "{}", why("m"));
    write(dir.path(), "secret", [0; 24]);
    write(dir.path(), "n/model.onnx", graph("../secret", "x", "y"));
    assert!(why("n").contains("not beside it"), "{}", why("n"));
    write(dir.path(), "o/model.onnx", graph("w", "x", "y"));
    symlink("/dev/zero", dir.path().join("o/w")).expect("linked");
    assert!(why("o").contains("missing"), "{}", why("o"));
    write(dir.path(), "p/model.onnx", &graph("w", "x", "y")[..20]);
    assert!(why("p").contains("no whole ONNX model"), "{}", why("p"));
}

#[test]
fn configuration_that_is_nonsense_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    decoder(&dir.path().join("m"), "");
    write(dir.path(), "m/config.json", "{");
    let error = models(&dir).find("m").expect_err("broken").to_string();
    assert!(error.contains("config.json"), "{error}");
}
