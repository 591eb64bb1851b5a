//! Several requests at once.

use std::collections::BTreeMap;

use inferno_backend::{Finish, Generate, Sampling, Work};

use crate::harness::{Outcome, chat, drain, generate, greedy, load, raw, run_all, step};

const ANIMALS: [&str; 8] = ["fox", "bear", "owl", "cat", "dog", "frog", "mouse", "rabbit"];
const NAMES: [&str; 8] = ["Mia", "Tom", "Lily", "Max", "Anna", "Ben", "Lucy", "Sam"];

fn stories() -> Vec<Generate> {
    let pairs = ANIMALS.iter().zip(NAMES);
    pairs
        .map(|(animal, name)| chat(&format!("Tell me a short story about a {animal} named {name}.")))
        .collect()
}

#[test]
fn eight_together_say_what_each_says_alone() {
    let mut model = load(8);
    let alone: Vec<_> = stories().into_iter().map(|story| generate(&mut *model, story)).collect();
    let together = run_all(&mut *model, stories().into_iter().map(Work::Generate).collect());
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(together.text(), alone.text());
        let written = |outcome: &Outcome| outcome.end.map(|(finish, usage)| (finish, usage.output_tokens));
        assert_eq!(written(together), written(alone));
    }
}

#[test]
fn seeds_repeat_in_company() {
    let mut model = load(8);
    let seeded = |story: Generate| Generate {
        sampling: Sampling { temperature: 1.0, seed: Some(42), ..Sampling::default() },
        ..story
    };
    let together =
        run_all(&mut *model, stories().into_iter().map(|story| Work::Generate(seeded(story))).collect());
    let again =
        run_all(&mut *model, stories().into_iter().map(|story| Work::Generate(seeded(story))).collect());
    for (together, again) in together.iter().zip(&again) {
        assert_eq!(together.texts, again.texts);
    }
}

#[test]
fn those_beyond_the_sequences_wait_in_order() {
    let mut model = load(2);
    let mut started = Vec::new();
    for id in 0..7 {
        let request = Generate { max_tokens: Some(3 + id as u32), ..chat("Tell me a short story.") };
        model.submit(id, Work::Generate(request)).unwrap();
    }
    let mut running = 0_i32;
    let mut most = 0;
    while model
        .step(&mut |id, event| match event {
            inferno_backend::Event::Started { .. } => {
                started.push(id);
                running += 1;
                most = most.max(running);
            }
            inferno_backend::Event::Done { .. } => running -= 1,
            _ => {}
        })
        .unwrap()
    {}
    assert_eq!(started, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((running, most), (0, 2));
}

#[test]
fn a_new_request_joins_at_the_next_step() {
    let mut model = load(2);
    let mut outcomes = BTreeMap::new();
    model.submit(1, Work::Generate(chat("Tell me a short story."))).unwrap();
    for _ in 0..5 {
        assert!(step(&mut *model, &mut outcomes));
    }
    model.submit(2, Work::Generate(chat("Tell me a short story."))).unwrap();
    step(&mut *model, &mut outcomes);
    assert!(outcomes[&1].end.is_none(), "the first is still running");
    assert_eq!(outcomes[&2].texts.len(), 1, "the second has its first token");
    drain(&mut *model, &mut outcomes);
    assert_eq!(outcomes[&1].text(), outcomes[&2].text());
}

#[test]
fn a_long_prompt_does_not_stop_the_others() {
    let mut model = load(2);
    let mut outcomes = BTreeMap::new();
    model.submit(1, Work::Generate(chat("Tell me a short story."))).unwrap();
    step(&mut *model, &mut outcomes);
    model
        .submit(2, Work::Generate(Generate { max_tokens: Some(1), ..raw(&"fox and ".repeat(400)) }))
        .unwrap();
    let mut before = 1;
    while outcomes.get(&2).is_none_or(|outcome| outcome.texts.is_empty()) {
        step(&mut *model, &mut outcomes);
        let now = outcomes[&1].texts.len();
        assert_eq!(now, before + 1, "a token in each step");
        before = now;
    }
    assert!(before > 2, "the prompt took more than one step");
}

#[test]
fn cancelling_frees_the_slot_at_once() {
    let mut model = load(1);
    let mut outcomes = BTreeMap::new();
    for id in 1..=3 {
        model.submit(id, Work::Generate(chat("Tell me a short story."))).unwrap();
    }
    for _ in 0..4 {
        step(&mut *model, &mut outcomes);
    }
    assert_eq!(outcomes[&1].texts.len(), 4);
    model.cancel(1);
    model.cancel(2);
    model.cancel(99);
    step(&mut *model, &mut outcomes);
    assert_eq!((outcomes[&1].finish(), outcomes[&1].usage().output_tokens), (Finish::Cancelled, 4));
    assert_eq!((outcomes[&2].finish(), outcomes[&2].usage().output_tokens), (Finish::Cancelled, 0));
    assert_eq!(outcomes[&2].prompt_tokens, None, "it never started");
    assert_eq!(outcomes[&3].texts.len(), 1, "the third runs in the same step");
    drain(&mut *model, &mut outcomes);
    let alone = generate(&mut *load(1), chat("Tell me a short story."));
    assert_eq!(outcomes[&3].text(), alone.text(), "nothing of the cancelled one is left in the cache");
    model.cancel(3);
    assert!(!step(&mut *model, &mut outcomes), "an ended request cannot be cancelled");
}

#[test]
fn many_requests_of_all_kinds_end_well() {
    let mut model = load(4);
    let works = (0..60).map(|index| {
        Work::Generate(Generate {
            max_tokens: Some(1 + index % 13),
            sampling: if index % 3 == 0 {
                greedy()
            } else {
                Sampling { seed: Some(index.into()), ..Sampling::default() }
            },
            stop: if index % 4 == 0 { vec![" the".into()] } else { Vec::new() },
            ..if index % 5 == 0 { raw("Once upon a time") } else { chat("Who is the fox?") }
        })
    });
    let outcomes = run_all(&mut *model, works.collect());
    assert_eq!(outcomes.len(), 60);
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none() && outcome.finish() != Finish::Cancelled));
}

/// Two turns of a long chat, and another that begins like them.
fn turns() -> [Generate; 3] {
    let first = "fox and ".repeat(300);
    [String::new(), "an owl".into(), "a bear".to_owned() + &"owl and ".repeat(20)]
        .map(|end| Generate { max_tokens: Some(30), ..raw(&(first.clone() + &end)) })
}

/// The first token is about as likely, whatever rounding did.
#[track_caller]
fn assert_alike(left: &Outcome, right: &Outcome) {
    let (left, right) = (&left.choices[0], &right.choices[0]);
    for token in &left.top {
        if let Some(other) = right.top.iter().find(|other| other.id == token.id) {
            assert!((token.logprob - other.logprob).abs() < 0.3, "{left:?} {right:?}");
        }
    }
    let (first, other) = (&left.top[0], &right.top[0]);
    assert!(first.id == other.id || (first.logprob - other.logprob).abs() < 0.3, "{left:?} {right:?}");
}

fn told(request: Generate) -> Generate {
    Generate { logprobs: Some(5), ..request }
}

#[test]
fn what_is_known_of_a_prompt_is_not_read_again() {
    let mut model = load(2);
    let mut before = 0;
    for (turn, request) in turns().map(told).into_iter().enumerate() {
        let outcome = generate(&mut *model, request.clone());
        let fresh = generate(&mut *load(2), request.clone());
        assert_alike(&outcome, &fresh);
        assert_eq!(fresh.usage().cached_tokens, 0);
        let usage = outcome.usage();
        assert_eq!(usage.prompt_tokens, fresh.usage().prompt_tokens);
        if turn == 0 {
            assert_eq!(usage.cached_tokens, 0);
            before = usage.prompt_tokens;
        } else {
            // The last token of the first prompt may have become another.
            assert!(usage.cached_tokens >= before - 1 && usage.cached_tokens <= before, "{usage:?} {before}");
        }
    }
    let [first, ..] = turns();
    let again = generate(&mut *model, first).usage();
    assert_eq!(again.cached_tokens, again.prompt_tokens - 1, "to the token");
}

#[test]
fn a_seed_gives_the_same_text_whatever_is_known() {
    let mut model = load(2);
    let sampling = Sampling { seed: Some(7), temperature: 1.5, ..greedy() };
    let seeded = |request: Generate| Generate { sampling: sampling.clone(), ..request };
    // Something else that begins like them is known to the token, and not in blocks.
    generate(&mut *model, raw(&"fox and ".repeat(100)));
    for (turn, request) in turns().map(seeded).into_iter().enumerate() {
        let outcome = generate(&mut *model, request.clone());
        let fresh = generate(&mut *load(2), request);
        assert_eq!(outcome.texts, fresh.texts);
        assert_eq!(outcome.usage().cached_tokens, if turn == 0 { 0 } else { 512 });
    }
}

#[test]
fn an_answer_is_known_in_the_next_turn() {
    let mut model = load(2);
    let prompt =
        "<|im_start|>user\nTell me a short story about a fox named Mia.<|im_end|>\n<|im_start|>assistant\n";
    let first = generate(&mut *model, raw(prompt));
    let next = format!(
        "{prompt}{}<|im_end|>\n<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n",
        first.text()
    );
    let second = generate(&mut *model, raw(&next));
    let known = first.usage().prompt_tokens + first.usage().output_tokens;
    let cached = second.usage().cached_tokens;
    assert!(cached + 3 > known && cached <= known, "{cached} of {known}");
}

#[test]
fn those_that_begin_alike_read_it_once() {
    let mut model = load(4);
    let requests: Vec<Generate> = ["an owl", "a bear", "a cat", "a dog", "a frog", "a mouse"]
        .iter()
        .map(|end| told(Generate { max_tokens: Some(20), ..raw(&("fox and ".repeat(120) + end)) }))
        .collect();
    let together = run_all(&mut *model, requests.iter().cloned().map(Work::Generate).collect());
    for (index, (outcome, request)) in together.iter().zip(&requests).enumerate() {
        let usage = outcome.usage();
        if index == 0 {
            assert_eq!(usage.cached_tokens, 0);
        } else {
            assert!(usage.cached_tokens + 10 > usage.prompt_tokens, "{index}: {usage:?}");
        }
        assert_alike(outcome, &generate(&mut *load(4), request.clone()));
    }
}

#[test]
fn a_leader_that_is_cancelled_leaves_the_others_to_themselves() {
    let mut model = load(3);
    let mut outcomes = BTreeMap::new();
    let request = |end: &str| told(Generate { max_tokens: Some(10), ..raw(&("fox and ".repeat(300) + end)) });
    for (id, end) in (0..).zip(["an owl", "a bear", "a cat"]) {
        model.submit(id, Work::Generate(request(end))).unwrap();
    }
    step(&mut *model, &mut outcomes);
    assert!(outcomes.values().all(|outcome| outcome.texts.is_empty()), "the prompt takes more than one step");
    model.cancel(0);
    drain(&mut *model, &mut outcomes);
    assert_eq!(outcomes[&0].finish(), Finish::Cancelled);
    for (id, end) in [(1, "a bear"), (2, "a cat")] {
        assert_alike(&outcomes[&id], &generate(&mut *load(3), request(end)));
    }
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one() {
    let mut model = load(3);
    let mut outcomes = BTreeMap::new();
    model.submit(1, Work::Generate(chat("Tell me a short story."))).unwrap();
    step(&mut *model, &mut outcomes);
    model
        .submit(2, Work::Generate(Generate { max_tokens: Some(1), ..raw(&"fox and ".repeat(400)) }))
        .unwrap();
    model.submit(3, Work::Generate(chat("Who is the owl?"))).unwrap();
    step(&mut *model, &mut outcomes);
    assert!(!outcomes[&3].texts.is_empty(), "the short one has its first token");
    assert!(outcomes[&2].texts.is_empty(), "the long one goes on");
}
