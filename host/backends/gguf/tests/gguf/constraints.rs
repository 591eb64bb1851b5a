//! Answers that keep to a grammar or a JSON schema.

use inferno_backend::{Ability, Constraint, ErrorKind, Finish, Generate, Model, Sampling, Work};
use serde_json::{Value, json};

use crate::harness::{chat, generate, greedy, load, raw, run_all};

fn kept(request: Generate, constraint: Constraint) -> Generate {
    Generate { constraint: Some(constraint), ..request }
}

fn grammar(text: &str) -> Constraint {
    Constraint::Grammar(text.into())
}

fn story() -> Generate {
    chat("Tell me a short story about a fox named Mia.")
}

fn wild(seed: u64) -> Sampling {
    Sampling { temperature: 2.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: Some(seed), ..greedy() }
}

#[test]
fn an_answer_keeps_to_its_grammar() {
    let mut model = load(2);
    for seed in 0..6 {
        let request = Generate { sampling: wild(seed), ..story() };
        let constraint = grammar("root ::= (\"fox\" | \"owl\" | \"🦊\") \" \" [0-9]{2,4} \".\"");
        let outcome = generate(&mut *model, kept(request, constraint));
        let text = outcome.text();
        let (animal, number) = text.split_once(' ').unwrap();
        assert!(["fox", "owl", "🦊"].contains(&animal), "{text}");
        let digits = number.strip_suffix('.').unwrap();
        assert!(
            (2..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()),
            "{text}"
        );
        assert_eq!(outcome.finish(), Finish::Stop);
    }
}

#[test]
fn a_grammar_that_lets_everything_pass_changes_nothing() {
    let mut model = load(1);
    let free = generate(&mut *model, story());
    let kept = generate(&mut *model, kept(story(), grammar("root ::= [^\\x00]*")));
    assert_eq!(kept.text(), free.text());
    assert_eq!(kept.finish(), free.finish());
}

#[test]
fn seeds_repeat_under_a_grammar() {
    let mut model = load(1);
    let mut told = |seed| {
        let request = Generate { sampling: wild(seed), ..story() };
        generate(&mut *model, kept(request, grammar("root ::= [a-z ]{40}"))).text()
    };
    assert_eq!(told(7), told(7));
    assert_ne!(told(7), told(8));
}

#[test]
fn json_fits_its_schema() {
    let mut model = load(4);
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "animal": {"enum": ["fox", "owl"]},
            "age": {"type": "integer", "minimum": 1, "maximum": 30}
        },
        "required": ["name", "animal", "age"],
        "additionalProperties": false
    });
    let works = (0..4).map(|seed| {
        let request = Generate { sampling: wild(seed), ..story() };
        Work::Generate(kept(request, Constraint::Json(schema.clone())))
    });
    for outcome in run_all(&mut *model, works.collect()) {
        let value: Value = serde_json::from_str(&outcome.text()).unwrap();
        // Bytes that are no character are one for the grammar, and one each for whoever shows them.
        let characters = value["name"].as_str().unwrap().chars().filter(|&c| c != '\u{fffd}');
        assert!(characters.count() <= 12, "{value}");
        assert!(["fox", "owl"].contains(&value["animal"].as_str().unwrap()), "{value}");
        assert!((1..=30).contains(&value["age"].as_u64().unwrap()), "{value}");
        assert_eq!(value.as_object().unwrap().len(), 3);
    }
    let any = generate(&mut *model, kept(story(), Constraint::Json(Value::Null)));
    assert!(any.text().starts_with('{'), "{}", any.text());
    if any.finish() == Finish::Stop {
        assert!(serde_json::from_str::<Value>(&any.text()).unwrap().is_object());
    }
}

#[test]
fn control_tokens_do_not_pass_as_text() {
    let mut model = load(1);
    // The likeliest way to begin this would be the control token of the same text, which is not shown.
    let outcome =
        generate(&mut *model, kept(raw("Hello<|im_end|>\n"), grammar("root ::= \"<|im_start|>user\"")));
    assert_eq!(outcome.text(), "<|im_start|>user");
}

#[test]
fn where_no_token_fits_only_that_request_fails() {
    let mut model = load(2);
    let dead = kept(story(), grammar("root ::= \"fox\" end\nend ::= \"\\x00\""));
    let outcomes = run_all(&mut *model, vec![Work::Generate(dead), Work::Generate(story())]);
    let error = outcomes[0].error.as_ref().unwrap();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("no token of the model fits"), "{error}");
    assert!(outcomes[1].text().contains("Mia"));
}

#[test]
fn bad_grammars_and_schemas_are_refused() {
    let mut model = load(1);
    let abilities = model.info().abilities;
    assert!(abilities.contains(&Ability::Grammar) && abilities.contains(&Ability::JsonSchema));
    let refused = |model: &mut dyn Model, constraint| {
        let error = model.submit(1, Work::Generate(kept(story(), constraint))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        error.message
    };
    for (text, named) in [
        ("", "no rule named root"),
        ("root ::= other", "the rule other is not defined"),
        ("root ::= a root \"x\" | \"y\"\na ::= b\nb ::= \"\"", "begins with itself"),
        ("root ::= \"a", "has no end"),
        ("root ::= <[999999]x>", "grammar"),
    ] {
        let message = refused(&mut *model, grammar(text));
        assert!(message.contains(named), "{message}");
    }
    let deep = (0..100).fold(json!({}), |schema, _| json!({"items": schema}));
    for schema in [json!([]), json!({"type": "wolf"}), json!({"uniqueItems": true}), deep] {
        let message = refused(&mut *model, Constraint::Json(schema));
        assert!(message.contains("JSON schema"), "{message}");
    }
    let costly = json!({"type": "array", "minItems": 100_000, "items": {"type": "integer"}});
    refused(&mut *model, Constraint::Json(costly));
    assert!(generate(&mut *model, story()).text().contains("Mia"), "it still works");
}

#[test]
fn an_ambiguous_grammar_does_not_stop_the_others() {
    let mut model = load(2);
    // Each letter doubles the ways in which the text so far may be read.
    let doubling = "root ::= x{30}\nx ::= \"a\" y y\ny ::= \"a\" y y | \"\"";
    let slow = kept(Generate { max_tokens: Some(400), ..story() }, grammar(doubling));
    let outcomes = run_all(&mut *model, vec![Work::Generate(slow), Work::Generate(story())]);
    let outcome = &outcomes[0];
    let ended = outcome.error.as_ref().is_some_and(|error| error.message.contains("too long"));
    assert!(ended || outcome.end.is_some());
    assert!(outcomes[1].text().contains("Mia"));
}
