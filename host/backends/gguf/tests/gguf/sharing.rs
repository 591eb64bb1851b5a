//! Several requests at once.

use std::collections::BTreeMap;

use inferno_backend::{Finish, Generate, Sampling, Work};

use crate::harness::{chat, drain, generate, greedy, load, raw, run_all, step};

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
        assert_eq!(together.end, alone.end);
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
    assert_eq!(together, again);
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

#[test]
fn a_long_prompt_that_is_known_is_not_read_again() {
    let mut model = load(2);
    // Two turns of a long chat, and another that begins like them.
    let first = "fox and ".repeat(300);
    let turns = [first.clone(), first.clone() + "an owl", first.clone() + "a bear" + &"owl and ".repeat(20)];
    let steps_until_text = |model: &mut dyn inferno_backend::Model, request: Generate| {
        let mut outcomes = BTreeMap::new();
        model.submit(0, Work::Generate(request)).unwrap();
        let mut steps = 0;
        while outcomes.get(&0).is_none_or(|outcome: &crate::harness::Outcome| outcome.texts.is_empty()) {
            step(model, &mut outcomes);
            steps += 1;
        }
        drain(model, &mut outcomes);
        (steps, outcomes.remove(&0).unwrap())
    };
    for (turn, prompt) in turns.iter().enumerate() {
        let request = Generate { max_tokens: Some(30), ..raw(prompt) };
        let (steps, outcome) = steps_until_text(&mut *model, request.clone());
        let (fresh_steps, fresh) = steps_until_text(&mut *load(2), request);
        assert!(fresh_steps > 1, "longer than a block: {:?}", fresh.prompt_tokens);
        assert_eq!(outcome, fresh, "the same answer and the same count");
        assert_eq!(steps, if turn == 0 { fresh_steps } else { fresh_steps - 1 });
    }
}
