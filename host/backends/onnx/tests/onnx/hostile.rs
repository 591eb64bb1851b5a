//! Files that are broken or mean harm end in errors.

use std::fs;
use std::path::Path;

use inferno_backend::Work;
use inferno_tests::onnx::{self, Graph};

use crate::harness::{drain, load, open, raw};

/// Why a folder is no model.
#[track_caller]
fn broken(make: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    open(&dir.path().join("model.onnx"), 1).err().expect("it is broken").message
}

#[test]
fn graphs_that_are_cut_or_turned_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    onnx::decoder(dir.path());
    let path = dir.path().join("model.onnx");
    let whole = fs::read(&path).unwrap();
    let mut errors = 0;
    for at in (2..whole.len()).step_by(37) {
        fs::write(&path, &whole[..at]).unwrap();
        errors += u32::from(open(&path, 1).is_err());
        let mut turned = whole.clone();
        turned[at] ^= 0xff;
        fs::write(&path, turned).unwrap();
        // A letter of a name may turn without harm; then it must still answer, or say why not.
        if let Ok(mut model) = open(&path, 1)
            && model.submit(1, Work::Generate(raw("a"))).is_ok()
        {
            let outcome = drain(&mut *model).remove(&1).expect("told");
            assert!(outcome.end.is_some() || outcome.error.is_some());
        }
    }
    assert!(errors as usize >= (whole.len() - 2) / 37, "a graph that was cut was loaded");
}

#[test]
fn weights_that_are_missing_or_short_are_told() {
    for weights in [None, Some([0_u8; 4])] {
        let message = broken(|dir| {
            onnx::adder(&dir.join("model.onnx"));
            match weights {
                None => fs::remove_file(dir.join("adder.weights")).unwrap(),
                Some(short) => fs::write(dir.join("adder.weights"), short).unwrap(),
            }
        });
        assert!(message.contains("cannot load"), "{message}");
    }
}

#[test]
fn graphs_that_promise_what_they_do_not_hold_are_told() {
    let no_present = |dir: &Path| {
        onnx::decoder(dir);
        let graph = Graph::default()
            .input("input_ids", 7, &[-1, -1])
            .input("past_key_values.0.key", 1, &[-1, 1, -1, 1])
            .node("Identity", &["past_key_values.0.key"], "logits", &[])
            .output("logits", 1, &[-1, 1, -1, 1]);
        fs::write(dir.join("model.onnx"), graph.model()).unwrap();
    };
    assert!(broken(no_present).contains("present.0.key"));
    // Logits of another form than a row for each token.
    let flat = |dir: &Path| {
        onnx::decoder(dir);
        let cache = "past_key_values.0.key";
        let graph = Graph::default()
            .input("input_ids", 7, &[-1, -1])
            .input(cache, 1, &[-1, 1, -1, 1])
            .node("Cast", &["input_ids"], "logits", &[("to", 1)])
            .node("Identity", &[cache], "present.0.key", &[])
            .output("logits", 1, &[-1, -1])
            .output("present.0.key", 1, &[-1, 1, -1, 1]);
        fs::write(dir.join("model.onnx"), graph.model()).unwrap();
    };
    let (_dir, mut model) = load(flat, 1);
    model.submit(1, Work::Generate(raw("a"))).unwrap();
    let outcome = drain(&mut *model).remove(&1).unwrap();
    assert!(outcome.error.unwrap().message.contains("another form"));
}

#[test]
fn files_beside_a_graph_that_are_broken_are_named() {
    for name in ["tokenizer.json", "config.json", "tokenizer_config.json"] {
        for content in ["{", "[1, 2", "\u{0}"] {
            let message = broken(|dir| {
                onnx::decoder(dir);
                fs::write(dir.join(name), content).unwrap();
            });
            assert!(message.contains(name), "{message}");
        }
    }
    let message = broken(|dir| {
        onnx::decoder(dir);
        fs::write(
            dir.join("tokenizer.json"),
            r#"{"model": {"type": "BPE", "vocab": {}, "merges": ["a b"]}}"#,
        )
        .unwrap();
    });
    assert!(message.contains("tokenizer.json"), "{message}");
}

#[test]
fn tokens_that_the_graph_does_not_know_end_a_request_and_not_the_model() {
    let small = |dir: &Path| {
        onnx::encoder(dir);
        let graph = Graph::default()
            .input("input_ids", 7, &[-1, -1])
            .floats("table", &[2, 2], [0.0; 4])
            .node("Gather", &["table", "input_ids"], "last_hidden_state", &[])
            .output("last_hidden_state", 1, &[-1, -1, 2]);
        fs::write(dir.join("model.onnx"), graph.model()).unwrap();
    };
    let (_dir, mut model) = load(small, 1);
    let work = Work::Embed(inferno_backend::Embed { inputs: vec!["a".into()] });
    for id in [1, 2] {
        model.submit(id, work.clone()).unwrap();
        let outcome = drain(&mut *model).remove(&id).unwrap();
        assert!(outcome.error.unwrap().message.contains("could not compute"));
    }
}
