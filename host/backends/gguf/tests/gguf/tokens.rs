//! Texts to tokens and back, and the length of prompts.

use inferno_backend::{Ability, Detokenize, ErrorKind, Finish, Generate, Model, Tokenize, Work};

use crate::harness::{Outcome, chat, drain, generate, load, run_all};

fn tokens(model: &mut dyn Model, text: &str, special: bool) -> Vec<u32> {
    let outcome = run_all(model, vec![Work::Tokenize(Tokenize { text: text.into(), special })]).remove(0);
    assert_eq!(outcome.finish(), Finish::Stop);
    assert_eq!(outcome.usage().prompt_tokens as usize, outcome.tokens.len());
    outcome.tokens
}

#[test]
fn tokens_become_their_text_again() {
    let mut model = load(1);
    for text in ["Once upon a time", " a  b\n", "naïve 🦊", "<|im_end|>", ""] {
        let tokens = tokens(&mut *model, text, false);
        let outcome = run_all(&mut *model, vec![Work::Detokenize(Detokenize { tokens })]).remove(0);
        assert_eq!(outcome.text(), text);
    }
}

#[test]
fn control_tokens_are_only_meant_where_that_is_said() {
    let mut model = load(1);
    let plain = tokens(&mut *model, "<|im_end|>", false);
    let special = tokens(&mut *model, "<|im_end|>", true);
    assert!(plain.len() > 1 && special.len() == 1);
    let outcome = run_all(&mut *model, vec![Work::Detokenize(Detokenize { tokens: special })]).remove(0);
    assert_eq!(outcome.text(), "<|im_end|>");
}

#[test]
fn a_prompt_has_as_many_tokens_as_are_counted() {
    let mut model = load(1);
    let request = chat("Tell me a short story.");
    let counted = run_all(&mut *model, vec![Work::Count(request.clone())]).remove(0);
    assert_eq!(counted.finish(), Finish::Stop);
    let written = generate(&mut *model, Generate { max_tokens: Some(1), ..request });
    assert_eq!(counted.prompt_tokens, written.prompt_tokens);
    assert_eq!(counted.usage().output_tokens, 0);
    let long = run_all(&mut *model, vec![Work::Count(chat(&"fox ".repeat(5000)))]).remove(0);
    assert!(long.prompt_tokens.unwrap() > model.info().context, "longer than the context");
}

#[test]
fn unknown_tokens_are_refused_and_cancelled_ones_say_nothing() {
    let mut model = load(1);
    assert!(model.info().abilities.is_superset(&[Ability::Count, Ability::Tokenize].into()));
    let error = model.submit(1, Work::Detokenize(Detokenize { tokens: vec![1, 1024] })).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("no token 1024"), "{error}");

    model.submit(1, Work::Tokenize(Tokenize { text: "a".into(), special: false })).unwrap();
    model.cancel(1);
    let mut outcomes = [(1, Outcome::default())].into();
    drain(&mut *model, &mut outcomes);
    assert_eq!((outcomes[&1].finish(), outcomes[&1].tokens.len()), (Finish::Cancelled, 0));
}
