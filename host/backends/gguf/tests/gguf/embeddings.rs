//! Vectors from a model that was made to generate.

use std::collections::BTreeMap;

use inferno_backend::{Backend, ErrorKind, Finish, LoadOptions, Work};
use inferno_backend_gguf::Gguf;

use crate::harness::{Outcome, chat, drain, embed, load, options, run_all, storyteller};

fn similarity(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn vectors(outcome: &Outcome) -> &[Vec<f32>] {
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.finish(), Finish::Stop);
    &outcome.vectors
}

#[test]
fn vectors_have_unit_length_and_repeat() {
    let mut model = load(2);
    assert!(model.info().embeds);
    let texts = ["The fox is red.", "A fox is red.", "{\"name\": 1}"];
    let outcomes = run_all(&mut *model, vec![embed(&texts), embed(&texts[..1])]);
    let together = vectors(&outcomes[0]);
    assert_eq!(together.len(), 3);
    for vector in together {
        assert!((similarity(vector, vector) - 1.0).abs() < 1e-5);
    }
    assert!(similarity(&together[0], &together[1]) > similarity(&together[0], &together[2]));
    let usage = outcomes[0].usage();
    assert_eq!((outcomes[0].prompt_tokens, usage.output_tokens), (Some(usage.prompt_tokens), 0));

    for (text, expect) in texts.iter().zip(together) {
        let alone = run_all(&mut *model, vec![embed(&[text])]);
        let again = run_all(&mut *model, vec![embed(&[text])]);
        assert_eq!(alone, again, "the same text has the same vector");
        assert!(similarity(&vectors(&alone[0])[0], expect) > 0.9999, "alone or in company");
    }
}

#[test]
fn a_text_may_be_as_long_as_the_context_and_no_longer() {
    let mut model = load(1);
    let context = model.info().context;
    // A letter of its own token: the tokenizer merges no two of these.
    let filling = |tokens: u32| "\u{1}".repeat(tokens as usize);
    let outcome =
        run_all(&mut *model, vec![embed(&[&filling(context), "short", &filling(context - 1)])]).remove(0);
    assert_eq!(vectors(&outcome).len(), 3);
    let error = model.submit(1, embed(&["short", &filling(context + 1)])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContextLength);
    for part in ["input 2".to_owned(), (context + 1).to_string(), context.to_string()] {
        assert!(error.message.contains(&part), "{error}");
    }
}

#[test]
fn the_shortest_context_is_enough_for_short_texts() {
    let short = LoadOptions { context: Some(4), ..options(&storyteller(), 1) };
    let mut model = Gguf.load(&short, &mut |_| {}).unwrap();
    let texts = ["a"; 100];
    assert_eq!(vectors(&run_all(&mut *model, vec![embed(&texts)])[0]).len(), 100);
    assert_eq!(model.submit(1, embed(&["a fox and an owl"])).unwrap_err().kind, ErrorKind::ContextLength);
}

#[test]
fn nothing_has_no_vector() {
    let mut model = load(1);
    for (inputs, named) in [(&[] as &[&str], "no input"), (&["a", "", "b"], "input 2 of 3 is empty")] {
        let error = model.submit(1, embed(inputs)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(named), "{error}");
    }
}

#[test]
fn many_texts_come_back_in_order_beside_generations() {
    let mut model = load(2);
    let texts: Vec<String> = (0..150).map(|index| format!("The fox has {index} apples.")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let story = Work::Generate(chat("Tell me a short story about a fox named Mia."));
    let outcomes = run_all(&mut *model, vec![embed(&texts), story, embed(&texts[100..])]);
    assert_eq!(vectors(&outcomes[0]).len(), 150);
    assert!(outcomes[1].text().contains("Mia"));
    for (index, vector) in vectors(&outcomes[2]).iter().enumerate() {
        assert!(similarity(vector, &outcomes[0].vectors[100 + index]) > 0.9999);
    }
}

#[test]
fn a_cancelled_request_gets_no_more_vectors() {
    let mut model = load(1);
    model.submit(1, embed(&["a fox"; 200])).unwrap();
    model.submit(2, embed(&["an owl"])).unwrap();
    let mut outcomes = BTreeMap::new();
    model.step(&mut |id, event| outcomes.entry(id).or_insert_with(Outcome::default).take(event)).unwrap();
    model.cancel(1);
    let before = outcomes[&1].vectors.len();
    assert!(before < 200);
    drain(&mut *model, &mut outcomes);
    assert_eq!((outcomes[&1].finish(), outcomes[&1].vectors.len()), (Finish::Cancelled, before));
    assert_eq!(vectors(&outcomes[&2]).len(), 1);
}
