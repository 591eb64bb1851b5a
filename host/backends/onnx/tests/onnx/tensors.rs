//! Tensors as they are.

use inferno_backend::{Ability, Finish, Model, Tensors, Work};
use inferno_tests::onnx::{self, Graph};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{load, open, raw, refused, run};

fn adder() -> (TempDir, Box<dyn Model>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adder.onnx");
    onnx::adder(&path);
    let model = open(&path, 1).unwrap();
    (dir, model)
}

fn work(inputs: &Value) -> Work {
    Work::Tensors(Tensors { inputs: inputs.as_object().unwrap().clone() })
}

fn outputs(model: &mut dyn Model, inputs: &Value) -> Value {
    let outcome = run(model, work(inputs));
    assert_eq!(outcome.finish(), Finish::Stop);
    serde_json::from_str(&outcome.text).unwrap()
}

#[test]
fn tensors_go_in_and_come_out() {
    let (_dir, mut model) = adder();
    let info = model.info();
    assert!(!info.generates && !info.embeds && info.abilities.contains(&Ability::Tensors));
    let expect = json!({"y": {"dtype": "f32", "shape": [2, 2], "data": [10.5, 22.0, 13.0, 24.0]}});
    let flat = json!({"x": {"dtype": "f32", "shape": [2, 2], "data": [0.5, 2, 3, 4]}});
    assert_eq!(outputs(&mut *model, &flat), expect);
    let nested = json!({"x": {"dtype": "float32", "shape": [2, 2], "data": [[0.5, 2], [3, 4]]}});
    assert_eq!(outputs(&mut *model, &nested), expect);
    let none = json!({"x": {"dtype": "f32", "shape": [0, 2], "data": []}});
    assert_eq!(outputs(&mut *model, &none), json!({"y": {"dtype": "f32", "shape": [0, 2], "data": []}}));
}

#[test]
fn what_does_not_fit_the_graph_is_told_with_what_does() {
    let (_dir, mut model) = adder();
    let cases = [
        (json!({}), "\"x\" is missing"),
        (json!({"z": 1}), "no input \"z\""),
        (json!({"x": {"dtype": "i64", "shape": [1, 2], "data": [1, 2]}}), "the graph wants f32"),
        (json!({"x": {"dtype": "f99", "shape": [1, 2], "data": [1, 2]}}), "no type \"f99\""),
        (json!({"x": {"dtype": "f32", "shape": [1, 3], "data": [1, 2, 3]}}), "its shape is [1, 3]"),
        (json!({"x": {"dtype": "f32", "shape": [2], "data": [1, 2]}}), "its shape is [2]"),
        (json!({"x": {"dtype": "f32", "shape": [1, 2], "data": [1]}}), "it has 1 values"),
        (json!({"x": {"dtype": "f32", "shape": [1, 2], "data": [1, "a"]}}), "\"a\" is no value"),
        (json!({"x": {"dtype": "f32", "shape": [18446744073709551615_u64, 2], "data": []}}), "its shape is"),
        (json!({"x": {"dtype": "f32", "shape": [1, 2], "data": [1, 2], "more": 1}}), "more"),
    ];
    for (inputs, word) in cases {
        let error = model.submit(1, work(&inputs)).expect_err("refused");
        assert!(error.message.contains(word), "{error}");
        assert!(error.hint.unwrap().contains("x: f32 [any, 2]"), "{inputs}");
    }
    let error = refused(&mut *model, Work::Generate(raw("a")));
    assert!(error.contains("takes tensors only") && error.contains("input_ids"), "{error}");
}

#[test]
fn every_type_is_written_and_read() {
    let kinds = [
        ("f32", 1, json!([1.5, -2.0])),
        ("u8", 2, json!([0, 255])),
        ("i8", 3, json!([-128, 127])),
        ("u16", 4, json!([0, 65535])),
        ("i16", 5, json!([-32768, 32767])),
        ("i32", 6, json!([i32::MIN, i32::MAX])),
        ("i64", 7, json!([i64::MIN, i64::MAX])),
        ("string", 8, json!(["ä\"", ""])),
        ("bool", 9, json!([true, false])),
        ("f16", 10, json!([0.5, -2.0])),
        ("f64", 11, json!([0.1, -2.0])),
        ("u32", 12, json!([0, u32::MAX])),
        ("u64", 13, json!([0, u64::MAX])),
        ("bf16", 16, json!([0.5, -2.0])),
    ];
    for (name, kind, data) in kinds {
        let graph = Graph::default().input("x", kind, &[2]).node("Identity", &["x"], "y", &[]).output(
            "y",
            kind,
            &[2],
        );
        let (_dir, mut model) = load(|dir| std::fs::write(dir.join("model.onnx"), graph.model()).unwrap(), 1);
        let tensor = json!({"dtype": name, "shape": [2], "data": data});
        assert_eq!(outputs(&mut *model, &json!({"x": tensor.clone()})), json!({"y": tensor}), "{name}");
    }
}

#[test]
fn what_is_no_number_comes_as_null() {
    let graph = Graph::default().input("x", 1, &[2]).node("Log", &["x"], "y", &[]).output("y", 1, &[2]);
    let (_dir, mut model) = load(|dir| std::fs::write(dir.join("model.onnx"), graph.model()).unwrap(), 1);
    let inputs = json!({"x": {"dtype": "f32", "shape": [2], "data": [-1, 0]}});
    assert_eq!(outputs(&mut *model, &inputs)["y"]["data"], json!([null, null]));
}

#[test]
fn a_text_model_takes_tensors_too() {
    let (_dir, mut model) = load(onnx::encoder, 1);
    let row = |data: Value| json!({"dtype": "i64", "shape": [1, 2], "data": data});
    let inputs = json!({
        "input_ids": row(json!([5, 6])), "attention_mask": row(json!([1, 1])), "token_type_ids": row(json!([0, 0])),
    });
    let data = &outputs(&mut *model, &inputs)["last_hidden_state"]["data"];
    assert_eq!(*data, json!([5.0, 1.0, 6.0, 1.0]));
    // A number beyond the table is the runtime's to refuse, and not the end of the model.
    let mut wrong = inputs.clone();
    wrong["input_ids"] = row(json!([5, 60_000]));
    let outcome = run(&mut *model, work(&wrong));
    assert!(outcome.error.unwrap().message.contains("could not compute"));
    assert_eq!(outputs(&mut *model, &inputs)["last_hidden_state"]["shape"], json!([1, 2, 2]));
}
