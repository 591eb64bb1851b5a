//! Biases, and how likely tokens were.

use inferno_backend::{Ability, ErrorKind, Generate, Sampling, Work};

use crate::harness::{chat, generate, greedy, load};

fn story() -> Generate {
    chat("Tell me a short story about a fox named Mia.")
}

#[test]
fn every_token_is_told_with_the_likeliest() {
    let mut model = load(1);
    let plain = generate(&mut *model, story());
    let told = generate(&mut *model, Generate { logprobs: Some(3), ..story() });
    assert_eq!(told.text(), plain.text(), "asking changes nothing");
    assert_eq!(told.choices.len(), told.usage().output_tokens as usize);
    let bytes: Vec<u8> = told.choices.iter().flat_map(|choice| choice.token.bytes.clone()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), told.text());
    for choice in &told.choices {
        assert_eq!(choice.top.len(), 3);
        assert_eq!(choice.top[0], choice.token, "the likeliest is chosen");
        assert!(choice.top.is_sorted_by(|left, right| left.logprob >= right.logprob));
        let sum: f32 = choice.top.iter().map(|token| token.logprob.exp()).sum();
        assert!(sum <= 1.0 + 1e-5 && choice.token.logprob <= 0.0);
    }
    let none = generate(&mut *model, Generate { logprobs: Some(0), ..story() });
    assert!(none.choices.iter().all(|choice| choice.top.is_empty() && choice.token.logprob.is_finite()));
    assert_eq!(none.choices.len(), told.choices.len());
    assert!(plain.choices.is_empty());
}

#[test]
fn likelihoods_are_the_models_own_whatever_the_sampling() {
    let mut model = load(1);
    let wild = Sampling { temperature: 1.7, top_k: 3, seed: Some(1), ..greedy() };
    let likely = generate(&mut *model, Generate { logprobs: Some(20), max_tokens: Some(1), ..story() });
    let other = generate(
        &mut *model,
        Generate {
            logprobs: Some(20),
            max_tokens: Some(1),
            sampling: wild,
            logit_bias: vec![(500, 3.0)],
            ..story()
        },
    );
    assert_eq!(likely.choices[0].top, other.choices[0].top);
}

#[test]
fn a_bias_moves_the_choice() {
    let mut model = load(1);
    let told = |model: &mut dyn inferno_backend::Model, bias: Vec<(u32, f32)>| {
        generate(model, Generate { logprobs: Some(2), max_tokens: Some(5), logit_bias: bias, ..story() })
    };
    let plain = told(&mut *model, Vec::new());
    let (first, second) = (plain.choices[0].top[0].id, plain.choices[0].top[1].id);
    let banned = told(&mut *model, vec![(first, -100.0)]);
    assert_eq!(banned.choices[0].token.id, second);
    assert!(banned.choices.iter().all(|choice| choice.token.id != first));
    let forced = told(&mut *model, vec![(777, 100.0)]);
    assert!(forced.choices.iter().all(|choice| choice.token.id == 777));
}

#[test]
fn impossible_wishes_are_refused() {
    let mut model = load(1);
    let abilities = model.info().abilities;
    assert!(abilities.contains(&Ability::LogitBias) && abilities.contains(&Ability::Logprobs));
    for (request, named) in [
        (Generate { logprobs: Some(21), ..story() }, "logprobs is 21"),
        (Generate { logit_bias: vec![(1024, 1.0)], ..story() }, "token 1024"),
        (Generate { logit_bias: vec![(1, 101.0)], ..story() }, "101"),
        (Generate { logit_bias: vec![(1, f32::NAN)], ..story() }, "NaN"),
    ] {
        let error = model.submit(1, Work::Generate(request)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(named), "{error}");
    }
}
