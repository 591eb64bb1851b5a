//! Images in chats, with models that see something, if not what we do.

use std::collections::BTreeMap;
use std::path::Path;

use inferno_backend::{
    Ability, Backend, ErrorKind, Finish, Generate, Image, Input, LoadOptions, Message, Model, Role, Work,
};
use inferno_backend_gguf::Gguf;
use tempfile::TempDir;

use crate::eyes::{END, WIDTH, picture, projector, reader};
use crate::harness::{Outcome, chat, drain, generate, greedy, options, run_all, step, storyteller};

/// A model of this architecture with a projector of this kind.
fn load(architecture: &str, kind: &str) -> Box<dyn Model> {
    let folder = tempfile::tempdir().unwrap();
    Gguf.load(&written(&folder, architecture, kind), &mut |_| {}).unwrap()
}

fn written(folder: &TempDir, architecture: &str, kind: &str) -> LoadOptions {
    let (model, eye) = (folder.path().join("model.gguf"), folder.path().join("mmproj.gguf"));
    reader(&model, architecture);
    projector(&eye, kind, WIDTH);
    LoadOptions { projector: Some(eye), context: Some(1024), ..options(&model, 4) }
}

/// A message with images where it says `@`.
fn said(text: &str) -> Message {
    let mut images = Vec::new();
    let mut content = String::new();
    for char in text.chars() {
        match char {
            '@' => images.push(content.len()),
            char => content.push(char),
        }
    }
    Message { images, ..Message::new(Role::User, content) }
}

/// Twelve tokens, and how likely they were.
fn seen(text: &str, images: &[&[u8]]) -> Generate {
    Generate {
        max_tokens: Some(12),
        logprobs: Some(0),
        logit_bias: vec![(END, -100.0)],
        sampling: greedy(),
        images: images.iter().map(|image| Image(image.to_vec())).collect(),
        ..Generate::new(Input::Chat(vec![said(text)]))
    }
}

fn tokens(outcome: &Outcome) -> Vec<u32> {
    assert_eq!(outcome.error, None);
    outcome.choices.iter().map(|choice| choice.token.id).collect()
}

fn first(outcome: &Outcome) -> f32 {
    outcome.choices[0].token.logprob
}

const KINDS: [(&str, &str); 3] = [("qwen2", "mlp"), ("qwen2", "gemma3"), ("qwen2vl", "qwen2vl_merger")];

#[test]
fn what_is_seen_counts_and_nothing_else_changes() {
    let (one, other) = (picture(40, 30, 1), picture(40, 30, 2));
    for (architecture, kind) in KINDS {
        let mut model = load(architecture, kind);
        assert!(model.info().abilities.contains(&Ability::Vision));
        let plain = generate(&mut *model, seen("What is this?", &[]));
        let first_look = generate(&mut *model, seen("What is @this?", &[&one]));
        let second_look = generate(&mut *model, seen("What is @this?", &[&other]));
        assert!((first(&first_look) - first(&second_look)).abs() > 1e-4, "{kind}: another image");
        assert!((first(&first_look) - first(&plain)).abs() > 1e-4, "{kind}: an image at all");
        let moved = generate(&mut *model, seen("@What is this?", &[&one]));
        assert!((first(&first_look) - first(&moved)).abs() > 1e-4, "{kind}: where it stands");
        // Each again, now that there is something in the caches, and all at once.
        let again = vec![
            seen("What is this?", &[]),
            seen("What is @this?", &[&one]),
            seen("What is @this?", &[&other]),
            seen("@What is this?", &[&one]),
        ];
        let again = run_all(&mut *model, again.into_iter().map(Work::Generate).collect());
        for (before, now) in [plain, first_look, second_look, moved].iter().zip(&again) {
            assert_eq!(tokens(before), tokens(now), "{kind}");
            assert!((first(before) - first(now)).abs() < 1e-3, "{kind}");
        }
    }
}

#[test]
fn images_count_as_what_they_take() {
    for ((architecture, kind), expected) in KINDS.into_iter().zip([16, 6, 2 + 8]) {
        let mut model = load(architecture, kind);
        let length = |model: &mut dyn Model, request: Generate| {
            let work = vec![Work::Count(request.clone()), Work::Generate(request)];
            let told = run_all(model, work);
            assert_eq!(told[0].prompt_tokens, told[1].prompt_tokens);
            told[1].usage().prompt_tokens
        };
        let one = picture(56, 112, 1);
        let plain = length(&mut *model, seen("ab", &[]));
        assert_eq!(length(&mut *model, seen("a@b", &[&one])), plain + expected, "{kind}");
        assert_eq!(length(&mut *model, seen("a@@b", &[&one, &one])), plain + 2 * expected, "{kind}");
        let many = vec![&one[..]; 64];
        let error = model.submit(9, Work::Generate(seen(&"@".repeat(64), &many)));
        match expected * 64 > 1024 - plain {
            true => {
                let error = error.unwrap_err();
                assert_eq!(error.kind, ErrorKind::ContextLength, "{kind}");
                assert!(error.message.contains("has at least 10"), "no more were looked at: {error}");
                let counted = run_all(&mut *model, vec![Work::Count(seen(&"@".repeat(64), &many))]).remove(0);
                assert!(counted.prompt_tokens.unwrap() > expected * 64, "{kind}");
            }
            false => assert_eq!(error, Ok(()), "{kind}"),
        }
    }
}

/// A long text on both sides of an image, in turns that go on from what was read, and texts that differ in the image alone.
#[test]
fn what_was_read_is_used_again_but_never_for_another_image() {
    let story = "Once upon a time there was a fox who lived in a wood near the sea. ".repeat(2);
    let (one, other) = (picture(70, 70, 1), picture(70, 70, 2));
    let text = format!("{story}@{story}");
    for (architecture, kind) in KINDS {
        let mut model = load(architecture, kind);
        let fresh = generate(&mut *model, seen(&text, &[&one]));
        assert_eq!(fresh.usage().cached_tokens, 0);
        let whole = fresh.usage().prompt_tokens;
        let again = generate(&mut *model, seen(&text, &[&one]));
        assert_eq!(again.usage().cached_tokens, whole - 1, "{kind}: all but the last");
        assert_eq!(tokens(&again), tokens(&fresh), "{kind}");
        let longer = generate(&mut *model, seen(&format!("{text}And then?"), &[&one]));
        assert!(longer.usage().cached_tokens > whole - 20, "{kind}: beyond the image");

        let another = generate(&mut *model, seen(&text, &[&other]));
        let before = another.usage().cached_tokens;
        assert!(before > 100 && before < whole / 2, "{kind}: up to the image, {before} of {whole}");
        let mut blank = load(architecture, kind);
        let expected = generate(&mut *blank, seen(&text, &[&other]));
        assert_eq!(tokens(&another), tokens(&expected), "{kind}");
        assert!((first(&another) - first(&expected)).abs() < 1e-3, "{kind}");
        assert!((first(&another) - first(&fresh)).abs() > 1e-4, "{kind}");
        let expected = generate(&mut *blank, seen(&format!("{text}And then?"), &[&one]));
        assert_eq!(tokens(&longer), tokens(&expected), "{kind}: with what was read or without");
    }
}

/// Requests that begin alike wait for the first that reads, and get what it has read.
#[test]
fn those_that_come_together_share_what_they_see() {
    let story = "Once upon a time there was a fox who lived in a wood near the sea. ".repeat(4);
    let (one, other) = (picture(70, 70, 1), picture(70, 70, 2));
    for (architecture, kind) in KINDS {
        let mut model = load(architecture, kind);
        let requests = [
            seen(&format!("@{story}A?"), &[&one]),
            seen(&format!("@{story}B?"), &[&one]),
            seen(&format!("@{story}A?"), &[&other]),
            seen(&format!("{story}A?"), &[]),
        ];
        let together = run_all(&mut *model, requests.clone().map(Work::Generate).into());
        let cached: Vec<_> = together.iter().map(|outcome| outcome.usage().cached_tokens).collect();
        assert!(cached[1] > 250, "{kind}: {cached:?}");
        assert_eq!([cached[0], cached[2], cached[3]], [0; 3], "{kind}");
        for (request, outcome) in requests.into_iter().zip(&together) {
            let alone = generate(&mut *load(architecture, kind), request);
            assert_eq!(tokens(outcome), tokens(&alone), "{kind}");
        }
    }
}

#[test]
fn others_go_on_and_a_request_can_end_before_it_sees() {
    let mut model = load("qwen2", "mlp");
    let one = picture(40, 40, 1);
    let mut outcomes = BTreeMap::new();
    model.submit(1, Work::Generate(seen("@@@a", &[&one, &one, &one]))).unwrap();
    model.submit(2, Work::Generate(Generate { max_tokens: Some(40), ..seen("abc", &[]) })).unwrap();
    for steps in 1..4 {
        assert!(step(&mut *model, &mut outcomes));
        assert!(outcomes[&2].choices.len() >= steps - 1, "the other one goes on");
    }
    model.cancel(1);
    drain(&mut *model, &mut outcomes);
    assert_eq!(outcomes[&1].finish(), Finish::Cancelled);
    assert_eq!(outcomes[&1].choices, []);
    assert_eq!(outcomes[&2].choices.len(), 40);
    // What it had read by then is of no harm to the next one.
    let next = generate(&mut *model, seen("@@@a", &[&one, &one, &one]));
    let alone = generate(&mut *load("qwen2", "mlp"), seen("@@@a", &[&one, &one, &one]));
    assert_eq!(tokens(&next), tokens(&alone));
}

#[test]
fn what_is_no_image_is_refused_and_the_model_goes_on() {
    let mut model = load("qwen2", "mlp");
    let whole = picture(64, 64, 1);
    for (image, why) in [
        (&whole[..whole.len() / 2], "image 2 cannot be looked at: it is damaged or cut off"),
        (b"GIF89a", "cannot be looked at: it is damaged"),
        (b"\xff\xd8\xff\xe0 and so on", "damaged or cut off"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "damaged or cut off"),
        (b"fLaC", "none of PNG, JPEG, GIF, WebP and BMP"),
        (&picture(2010, 10, 1), "too slim"),
    ] {
        let error = model.submit(1, Work::Generate(seen("@@", &[&whole, image]))).expect_err(why);
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(why), "{error}");
    }
    let many = vec![&whole[..]; 65];
    let error = model.submit(1, Work::Generate(seen(&"@".repeat(65), &many))).unwrap_err();
    assert!(error.message.contains("65 images, but a request can have at most 64"), "{error}");
    let prompt = Generate { input: Input::Prompt("What?".into()), ..seen("@", &[&whole]) };
    let error = model.submit(1, Work::Generate(prompt)).unwrap_err();
    assert!(error.message.contains("places for 0 images, but 1 came"), "{error}");
    assert_eq!(tokens(&generate(&mut *model, seen("@", &[&whole]))).len(), 12);
}

#[test]
fn a_model_that_does_not_see_says_so() {
    let mut model = crate::harness::load(1);
    assert!(!model.info().abilities.contains(&Ability::Vision));
    let error = model.submit(1, Work::Generate(seen("@", &[&picture(9, 9, 1)]))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("no vision"), "{error}");
    assert!(!generate(&mut *model, chat("Hi")).text().is_empty());
}

#[test]
fn projectors_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = |model: &Path, eye: &Path| {
        let options = LoadOptions { projector: Some(eye.into()), ..options(model, 1) };
        Gguf.load(&options, &mut |_| {}).err().unwrap()
    };
    let eye = folder.path().join("mmproj.gguf");
    let error = load(&storyteller(), &eye);
    assert_eq!(error.kind, ErrorKind::NotFound);
    projector(&eye, "mlp", WIDTH);
    let error = load(&storyteller(), &eye);
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.message.contains("mismatch between text model (n_embd = 256) and mmproj (n_embd = 64)"),
        "{error}"
    );
    std::fs::write(&eye, "GGUF, or not").unwrap();
    let error = load(&storyteller(), &eye);
    assert!(error.message.contains("cannot use the projector"), "{error}");
}

/// What stands for an image means nothing to another process.
#[test]
fn what_was_seen_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let options = LoadOptions { state_dir: Some(state.clone()), ..written(&folder, "qwen2", "mlp") };
    let story = "Once upon a time there was a fox who lived in a wood near the sea. ".repeat(2);
    let run = |text: &str, images: &[&[u8]]| {
        let mut model = Gguf.load(&options, &mut |_| {}).unwrap();
        let outcome = generate(&mut *model, seen(text, images));
        while model.step(&mut |_, _| {}).unwrap() {}
        outcome
    };
    let one = picture(9, 9, 1);
    run(&format!("{story}@{story}"), &[&one]);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
    run(&story, &[]);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    let after = run(&format!("{story}@{story}"), &[&one]);
    assert!((100..140).contains(&after.usage().cached_tokens), "the text before the image: {after:?}");
}
