//! Writing text: caches, several requests at once, ends, likelihoods.

use std::collections::BTreeMap;

use inferno_backend::{
    Ability, Classify, Constraint, Detokenize, Embed, Finish, Generate, Input, Sampling, Tokenize, Work,
};
use inferno_tests::onnx::{self, BEGIN, END, foretold, token};

use crate::harness::{chat, drain, load, raw, refused, run, step};

fn tokens(text: &str) -> Vec<u32> {
    text.bytes().map(token).collect()
}

/// A prompt whose answer is long.
fn long(least: usize) -> String {
    let prompts = (0..1000).map(|number| format!("prompt {number}"));
    prompts.into_iter().find(|prompt| foretold(&tokens(prompt), 200).len() >= least).unwrap()
}

#[test]
fn what_it_writes_is_foretold_from_caches_positions_and_masks() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let info = model.info();
    assert!(info.generates && info.chats && !info.embeds);
    assert_eq!((info.context, info.device.as_str()), (1024, "CPU"));
    let mut ends = Vec::new();
    for number in 0..8 {
        let prompt = format!("say {number}");
        let outcome = run(&mut *model, Work::Generate(raw(&prompt)));
        let expect = foretold(&tokens(&prompt), 40);
        assert_eq!(outcome.text, expect, "{prompt}");
        let end = if expect.len() == 40 { Finish::Length } else { Finish::Stop };
        assert_eq!(outcome.finish(), end);
        let usage = outcome.end.unwrap().1;
        assert_eq!((usage.prompt_tokens, usage.output_tokens as usize), (5, expect.len()));
        ends.push(end);
    }
    assert!(ends.contains(&Finish::Stop), "no prompt came to the token that ends an answer");
}

#[test]
fn a_long_prompt_is_read_in_pieces_and_means_the_same() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let prompt = "a".repeat(700);
    let outcome = run(&mut *model, Work::Generate(Generate { max_tokens: Some(5), ..raw(&prompt) }));
    assert_eq!(outcome.text, foretold(&tokens(&prompt), 5));
    let error = refused(&mut *model, Work::Generate(raw(&"a".repeat(1024))));
    assert!(error.contains("1024 tokens"), "{error}");
}

#[test]
fn several_requests_have_caches_of_their_own_and_advance_together() {
    let (_dir, mut model) = load(onnx::decoder, 2);
    let prompts = [long(20), long(21), long(22)];
    for (id, prompt) in (0..).zip(&prompts) {
        model.submit(id, Work::Generate(Generate { max_tokens: Some(10), ..raw(prompt) })).unwrap();
    }
    let mut outcomes = BTreeMap::new();
    for _ in 0..3 {
        assert!(step(&mut *model, &mut outcomes));
    }
    assert_eq!((outcomes[&0].text.len(), outcomes[&1].text.len()), (3, 3));
    assert!(!outcomes.contains_key(&2), "two are worked on at once, and the third waits");
    while step(&mut *model, &mut outcomes) {}
    for (id, prompt) in (0..).zip(&prompts) {
        assert_eq!(outcomes[&id].text, foretold(&tokens(prompt), 10));
    }
}

#[test]
fn cancelled_requests_end_and_others_do_not() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let prompt = long(20);
    for id in [1, 2, 3] {
        model.submit(id, Work::Generate(Generate { max_tokens: Some(10), ..raw(&prompt) })).unwrap();
    }
    let mut outcomes = BTreeMap::new();
    step(&mut *model, &mut outcomes);
    model.cancel(1);
    model.cancel(2);
    model.cancel(77);
    while step(&mut *model, &mut outcomes) {}
    assert_eq!(outcomes[&1].finish(), Finish::Cancelled);
    assert_eq!((outcomes[&1].text.len(), outcomes[&2].finish()), (1, Finish::Cancelled));
    assert_eq!(outcomes[&3].text, foretold(&tokens(&prompt), 10));
}

#[test]
fn chats_go_through_the_template_and_messages_stay_text() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let outcome = run(&mut *model, Work::Generate(chat("hi <|im_end|>")));
    let prompt = [vec![BEGIN], tokens("hi <|im_end|>"), vec![END]].concat();
    assert_eq!(outcome.prompt_tokens, Some(15));
    assert_eq!(outcome.text, foretold(&prompt, 40));
    let counted = run(&mut *model, Work::Count(chat("hi <|im_end|>")));
    assert_eq!((counted.prompt_tokens, counted.text.as_str()), (Some(15), ""));
}

#[test]
fn stop_texts_end_an_answer() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let prompt = long(12);
    let whole = foretold(&tokens(&prompt), 40);
    let stop = vec!["nowhere".into(), whole[6..9].to_owned()];
    let outcome = run(&mut *model, Work::Generate(Generate { stop, ..raw(&prompt) }));
    let until = whole.find(&whole[6..9]).unwrap();
    assert_eq!((outcome.text.as_str(), outcome.finish()), (&whole[..until], Finish::StoppedBy(1)));
}

#[test]
fn likelihoods_are_those_of_the_logits() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let prompt = long(5);
    let request = Generate { logprobs: Some(3), max_tokens: Some(2), ..raw(&prompt) };
    let outcome = run(&mut *model, Work::Generate(request));
    assert_eq!(outcome.choices.len(), 2);
    let choice = &outcome.choices[0];
    assert_eq!(choice.token.bytes, outcome.text.as_bytes()[..1]);
    assert_eq!(choice.top.len(), 3);
    assert_eq!(choice.top[0], choice.token);
    // Logits are the distance from the likeliest token, on both of its sides.
    let sum: f64 =
        (0..onnx::VOCABULARY).map(|number| (-f64::from(number.abs_diff(choice.token.id))).exp()).sum();
    assert!((f64::from(choice.token.logprob) + sum.ln()).abs() < 1e-4, "{choice:?}");
    assert!((choice.top[1].logprob - (choice.token.logprob - 1.0)).abs() < 1e-4, "{choice:?}");
}

#[test]
fn the_samplers_are_those_of_gguf() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let prompt = long(20);
    let sampled = |seed: u64, temperature: f32| Generate {
        sampling: Sampling { temperature, seed: Some(seed), min_p: 0.0, ..Sampling::default() },
        ..raw(&prompt)
    };
    let mut write = |request: Generate| run(&mut *model, Work::Generate(request)).text;
    let greedy = foretold(&tokens(&prompt), 40);
    let wild = write(sampled(7, 1.5));
    assert_eq!(write(sampled(7, 1.5)), wild, "a seed gives the same text again");
    assert_ne!(wild, greedy);
    let bias = greedy.bytes().next().map(token).unwrap();
    let biased = write(Generate { logit_bias: vec![(bias, -100.0)], ..raw(&prompt) });
    assert_ne!(biased.as_bytes()[0], greedy.as_bytes()[0]);
    let top = Sampling { top_k: 1, ..sampled(3, 2.0).sampling };
    assert_eq!(write(Generate { sampling: top, ..raw(&prompt) }), greedy);
}

#[test]
fn tokens_and_texts_go_both_ways() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let cut = |special| Work::Tokenize(Tokenize { text: "ä<|im_end|>".into(), special });
    let parsed = run(&mut *model, cut(true)).tokens;
    assert_eq!(parsed, [tokens("ä"), vec![END]].concat());
    assert_eq!(run(&mut *model, cut(false)).tokens, tokens("ä<|im_end|>"));
    assert_eq!(run(&mut *model, Work::Detokenize(Detokenize { tokens: parsed })).text, "ä<|im_end|>");
    let error = refused(&mut *model, Work::Detokenize(Detokenize { tokens: vec![259] }));
    assert!(error.contains("no token 259"), "{error}");
}

#[test]
fn what_it_cannot_do_is_refused_in_words() {
    let (_dir, mut model) = load(onnx::decoder, 1);
    let abilities = model.info().abilities;
    for ability in [Ability::Grammar, Ability::JsonSchema, Ability::Vision, Ability::Tools, Ability::Adapters]
    {
        assert!(!abilities.contains(&ability), "{ability:?}");
    }
    let constraint = Some(Constraint::Json(serde_json::Value::Null));
    let cases = [
        (Work::Generate(Generate { constraint, ..raw("a") }), "JSON schema"),
        (Work::Embed(Embed { inputs: vec!["a".into()] }), "writes text"),
        (Work::Classify(Classify { inputs: vec!["a".into()] }), "writes text"),
        (Work::Generate(Generate { logit_bias: vec![(400, 1.0)], ..raw("a") }), "token 400"),
        (Work::Generate(Generate::new(Input::Prompt(String::new()))), "prompt is empty"),
    ];
    for (work, word) in cases {
        let error = refused(&mut *model, work);
        assert!(error.contains(word), "{error}");
    }
    assert!(drain(&mut *model).is_empty());
}
