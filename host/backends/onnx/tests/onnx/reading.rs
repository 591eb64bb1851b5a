//! Reading texts: vectors, labels, rankings.

use std::fs;
use std::path::Path;

use inferno_backend::{Ability, Classify, Embed, ErrorKind, Finish, Model, Rank, Work};
use inferno_tests::onnx;
use serde_json::{Value, json};

use crate::harness::{drain, load, raw, refused, run};

fn embed(model: &mut dyn Model, inputs: &[&str]) -> Vec<Vec<f32>> {
    run(model, Work::Embed(Embed { inputs: inputs.iter().map(|&input| input.into()).collect() })).vectors
}

/// The vector of a text with these numbers of its tokens pooled into one.
#[track_caller]
fn check(vector: &[f32], pooled: f64) {
    let length = (pooled * pooled + 1.0).sqrt();
    let [first, second] = vector else { panic!("{vector:?}") };
    assert!((f64::from(*first) - pooled / length).abs() < 1e-6, "{vector:?} is not of {pooled}");
    assert!((f64::from(*second) - 1.0 / length).abs() < 1e-6, "{vector:?}");
}

fn mean(text: &str) -> f64 {
    text.bytes().map(|byte| f64::from(onnx::token(byte))).sum::<f64>() / text.len() as f64
}

#[test]
fn vectors_are_means_without_padding() {
    let (_dir, mut model) = load(onnx::encoder, 2);
    let info = model.info();
    assert!(info.embeds && !info.generates);
    assert_eq!(info.context, 64);
    // The shorter one is padded beside the longer one.
    let texts = ["a", "\u{1}\u{2}zzzzzz", "!"];
    let vectors = embed(&mut *model, &texts);
    assert_eq!(vectors.len(), 3);
    texts.iter().zip(&vectors).for_each(|(text, vector)| check(vector, mean(text)));
}

#[test]
fn pooling_is_what_the_folder_says() {
    for (flag, of) in [("cls_token", 0), ("lasttoken", 3)] {
        let pooling = |folder: &Path| {
            onnx::encoder(folder);
            fs::create_dir(folder.join("1_Pooling")).unwrap();
            let config = json!({format!("pooling_mode_{flag}"): true});
            fs::write(folder.join("1_Pooling/config.json"), config.to_string()).unwrap();
        };
        let (_dir, mut model) = load(pooling, 1);
        let vectors = embed(&mut *model, &["!#%'", "a much longer text"]);
        check(&vectors[0], f64::from(onnx::token(b"!#%'"[of])));
    }
}

#[test]
fn many_texts_take_turns_and_come_in_order() {
    let (_dir, mut model) = load(onnx::encoder, 2);
    let texts: Vec<String> = (1..60).map(|length| "b".repeat(length)).collect();
    model.submit(1, Work::Embed(Embed { inputs: texts.clone() })).unwrap();
    model.submit(2, Work::Embed(Embed { inputs: vec!["c".into()] })).unwrap();
    model.submit(3, Work::Embed(Embed { inputs: texts })).unwrap();
    model.cancel(3);
    let outcomes = drain(&mut *model);
    assert_eq!(outcomes[&1].vectors.len(), 59);
    assert_eq!((outcomes[&2].vectors.len(), outcomes[&2].steps), (1, 1), "it need not wait for the long one");
    assert_eq!(outcomes[&3].finish(), Finish::Cancelled);
    assert_eq!(outcomes[&1].end.unwrap().1.prompt_tokens, 59 * 60 / 2);
}

#[test]
fn labels_come_with_their_scores() {
    let labels = [("short", 0.0), ("long", 0.5), ("huge", -1.0)];
    let (_dir, mut model) = load(|folder| onnx::classifier(folder, &labels), 1);
    assert!(model.info().abilities.contains(&Ability::Classify) && !model.info().embeds);
    let inputs = vec!["abcd".into(), "a".into()];
    let outcome = run(&mut *model, Work::Classify(Classify { inputs }));
    let lines: Vec<Value> = outcome.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let names: Vec<&str> =
        lines[0].as_array().unwrap().iter().map(|label| label["label"].as_str().unwrap()).collect();
    assert_eq!(names, ["long", "short", "huge"]);
    let expect = 2_f64.exp() / (1.0 + 2_f64.exp() + (-4_f64).exp());
    assert!((lines[0][0]["score"].as_f64().unwrap() - expect).abs() < 1e-6);
    let expect = 0.5_f64.exp() / (1.0 + 0.5_f64.exp() + (-1_f64).exp());
    assert!((lines[1][0]["score"].as_f64().unwrap() - expect).abs() < 1e-6, "padding does not count");
    let error = refused(&mut *model, Work::Rank(Rank { query: "a".into(), documents: vec!["b".into()] }));
    assert!(error.contains("ranks no documents"), "{error}");
}

#[test]
fn one_label_ranks_documents() {
    let (_dir, mut model) = load(|folder| onnx::classifier(folder, &[("score", 2.0)]), 1);
    assert!(model.info().abilities.contains(&Ability::Rank));
    let documents = vec!["aa".into(), "a".into()];
    let outcome = run(&mut *model, Work::Rank(Rank { query: "qq".into(), documents }));
    assert_eq!(outcome.vectors, [[8.0], [6.0]]);
}

#[test]
fn what_it_cannot_do_is_refused_in_words() {
    let (_dir, mut model) = load(onnx::encoder, 1);
    let error = model.submit(1, Work::Embed(Embed { inputs: vec!["a".repeat(65)] })).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContextLength);
    assert!(error.message.contains("65 tokens"), "{error}");
    assert!(refused(&mut *model, Work::Generate(raw("a"))).contains("writes none"));
    let classify = Work::Classify(Classify { inputs: vec!["a".into()] });
    assert!(refused(&mut *model, classify).contains("does not say what texts are"));
}
