//! One request at a time.

use inferno_backend::{ErrorKind, Finish, Generate, Sampling, Work};

use crate::harness::{chat, generate, greedy, load, raw};

#[test]
fn a_story_has_the_name_that_was_asked_for() {
    let mut model = load(1);
    let outcome = generate(&mut *model, chat("Tell me a short story about a fox named Mia."));
    let text = outcome.text();
    assert!(text.contains("Mia"), "{text}");
    assert!(text.split_whitespace().count() > 20, "{text}");
    assert_eq!(outcome.finish(), Finish::Stop);
    assert_eq!(outcome.prompt_tokens, Some(outcome.usage().prompt_tokens));
    assert!(outcome.texts.len() > 10, "it streams");
    assert!(!text.contains("<|im_"), "control tokens are not text: {text}");
}

#[test]
fn max_tokens_is_exact() {
    let mut model = load(1);
    for most in [1, 2, 17] {
        let outcome =
            generate(&mut *model, Generate { max_tokens: Some(most), ..chat("Tell me a short story.") });
        assert_eq!((outcome.finish(), outcome.usage().output_tokens), (Finish::Length, most));
    }
}

#[test]
fn an_answer_ends_where_the_context_does() {
    let mut model = load(1);
    let context = model.info().context;
    // At this temperature the model rambles, and now and then it stops by itself.
    let mut longest = 0;
    for seed in 0..4 {
        let sampling =
            Sampling { temperature: 2.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: Some(seed), ..greedy() };
        let outcome = generate(&mut *model, Generate { max_tokens: None, sampling, ..raw("Once") });
        let usage = outcome.usage();
        let total = usage.prompt_tokens + usage.output_tokens;
        assert!(total <= context);
        assert_eq!(outcome.finish() == Finish::Length, total == context);
        longest = longest.max(total);
    }
    assert!(longest > 64, "{longest}");
}

#[test]
fn a_prompt_that_fills_the_context_is_refused_with_both_numbers() {
    let mut model = load(1);
    let context = model.info().context;
    let error = model.submit(1, Work::Generate(raw(&"fox ".repeat(4 * context as usize)))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContextLength);
    assert!(error.message.contains(&context.to_string()), "{error}");
    let counted: u32 = error.message.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(counted > context, "{error}");
    assert!(!model.step(&mut |id, event| panic!("{id} {event:?}")).unwrap(), "nothing was taken in");
}

#[test]
fn a_huge_prompt_is_refused_by_its_size_alone() {
    let mut model = load(1);
    let context = model.info().context;
    let huge = "fox ".repeat(2 << 20);
    for request in [raw(&huge), chat(&huge)] {
        let error = model.submit(1, Work::Generate(request)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ContextLength);
        let (_, rest) = error.message.split_once("at least ").unwrap_or_else(|| panic!("{error}"));
        let least: u32 = rest.split(' ').next().unwrap().parse().unwrap();
        assert!(least > context && rest.contains(&format!("room for {context},")), "{error}");
    }
}

#[test]
fn the_longest_prompt_that_leaves_room_for_one_token_is_taken() {
    let mut model = load(1);
    let context = model.info().context;
    let one = "a";
    let per_word = |count: usize| raw(&one.repeat(count));
    // Finds the longest by bisection: the tokenizer merges letters.
    let (mut fits, mut too_long) = (1, 64 * context as usize);
    while too_long - fits > 1 {
        let middle = usize::midpoint(fits, too_long);
        match model.submit(7, Work::Generate(per_word(middle))) {
            Ok(()) => {
                model.cancel(7);
                model.step(&mut |_, _| {}).unwrap();
                fits = middle;
            }
            Err(_) => too_long = middle,
        }
    }
    let outcome = generate(&mut *model, Generate { max_tokens: None, ..per_word(fits) });
    let usage = outcome.usage();
    assert!(usage.prompt_tokens < context && usage.prompt_tokens + 8 > context, "{usage:?}");
    assert!(usage.prompt_tokens + usage.output_tokens <= context);
}

#[test]
fn stop_texts_are_found_across_tokens_and_not_shown() {
    let mut model = load(1);
    let ask = chat("Tell me a short story about a fox named Mia.");
    let whole = generate(&mut *model, ask.clone());
    let text = whole.text();
    // From the middle of one streamed piece to the middle of another, at several places.
    for start in [10, 25, 40] {
        let stop: String = text.chars().skip(start).take(9).collect();
        let before = text.find(&stop).unwrap();
        let outcome =
            generate(&mut *model, Generate { stop: vec!["never said".into(), stop.clone()], ..ask.clone() });
        assert_eq!(outcome.text(), text[..before], "stop {stop:?}");
        assert_eq!(outcome.finish(), Finish::StoppedBy(1));
        assert!(outcome.usage().output_tokens < whole.usage().output_tokens);
    }
    let outcome = generate(&mut *model, Generate { stop: vec!["never said".into()], ..ask });
    assert_eq!(outcome.text(), text, "what was held back is shown in the end");
}

#[test]
fn seeds_repeat_and_differ() {
    let mut model = load(1);
    let mut told = |seed: Option<u64>| {
        let sampling = Sampling { temperature: 1.5, top_k: 0, top_p: 1.0, min_p: 0.0, seed, ..greedy() };
        generate(&mut *model, Generate { sampling, ..chat("Tell me a short story about a fox named Mia.") })
            .text()
    };
    assert_eq!(told(Some(7)), told(Some(7)));
    assert_ne!(told(Some(7)), told(Some(8)));
    assert_ne!(told(Some(7)), told(Some(7 + (1 << 40))), "high bits count");
    assert_ne!(told(None), told(None));
}

#[test]
fn every_sampling_setting_has_an_effect() {
    let mut model = load(1);
    let wild = Sampling { temperature: 2.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: Some(3), ..greedy() };
    let mut told = |sampling: Sampling| {
        generate(&mut *model, Generate { sampling, ..chat("Tell me a short story about a fox named Mia.") })
            .text()
    };
    let likeliest = told(greedy());
    assert_ne!(told(wild.clone()), likeliest);
    for tamed in [
        Sampling { temperature: 1e-4, ..wild.clone() },
        Sampling { top_k: 1, ..wild.clone() },
        Sampling { top_p: 1e-6, ..wild.clone() },
        Sampling { min_p: 1.0, ..wild.clone() },
    ] {
        assert_eq!(told(tamed.clone()), likeliest, "{tamed:?}");
    }
    for penalised in [
        Sampling { repeat_penalty: 3.0, ..greedy() },
        Sampling { presence_penalty: 2.0, ..greedy() },
        Sampling { frequency_penalty: 2.0, ..greedy() },
    ] {
        assert_ne!(told(penalised.clone()), likeliest, "{penalised:?}");
    }
}

#[test]
fn characters_are_never_cut() {
    let mut model = load(1);
    for prompt in
        ["🦊🦉 naïve Zoë 北京", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", "ÆØÅ\u{0}\u{7f}\u{feff}"]
    {
        for seed in 0..4 {
            // Bytes at random, most of them no character at all. That `Text` carries only strings proves the rest.
            let sampling =
                Sampling { temperature: 2.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: Some(seed), ..greedy() };
            let outcome = generate(&mut *model, Generate { sampling, max_tokens: Some(120), ..raw(prompt) });
            assert!(outcome.error.is_none() && outcome.end.is_some());
        }
        let asked = generate(&mut *model, chat(prompt));
        assert!(
            asked.prompt_tokens.unwrap() as usize > prompt.chars().count(),
            "bytes are tokens of their own"
        );
    }
}

#[test]
fn impossible_requests_are_refused() {
    let mut model = load(1);
    for (request, named) in [
        (raw(""), "empty"),
        (Generate { max_tokens: Some(0), ..raw("x") }, "max_tokens"),
        (Generate { sampling: Sampling { temperature: f32::NAN, ..greedy() }, ..raw("x") }, "temperature"),
        (Generate { sampling: Sampling { top_p: 0.0, ..greedy() }, ..raw("x") }, "top_p"),
    ] {
        let error = model.submit(1, Work::Generate(request)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(named), "{error}");
    }
}
