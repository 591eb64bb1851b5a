//! Low-rank adapters, written here: they change one weight of the demo model at random.

use std::path::Path;

use inferno_backend::{Ability, Backend, Error, ErrorKind, Generate, LoadOptions, Model, Work};
use inferno_backend_gguf::Gguf;

use crate::gguf_file::File;
use crate::harness::{chat, generate, load, options, run_all, storyteller};

const RANK: u64 = 4;

/// An adapter of the last layer's output, whose rank is what the file says in its shapes.
fn write(path: &Path, architecture: &str, seed: u32) {
    let mut file = File::new(0.5);
    file.text("general.type", "adapter");
    file.text("general.architecture", architecture);
    file.text("adapter.type", "lora");
    file.key("adapter.lora.alpha", 6, &(RANK as f32).to_le_bytes());
    file.random = 7_919 * u64::from(seed);
    file.tensor("blk.2.ffn_down.weight.lora_a", &[512, RANK]);
    file.tensor("blk.2.ffn_down.weight.lora_b", &[RANK, 256]);
    file.write(path);
}

fn load_with(sequences: u32, adapters: &[(&str, &Path)]) -> Result<Box<dyn Model>, Error> {
    let adapters = adapters.iter().map(|&(name, path)| (name.to_owned(), path.to_owned())).collect();
    Gguf.load(&LoadOptions { adapters, ..options(&storyteller(), sequences) }, &mut |_| {})
}

fn told(adapters: &[(&str, f32)]) -> Generate {
    let adapters = adapters.iter().map(|&(name, scale)| (name.to_owned(), scale)).collect();
    Generate { adapters, max_tokens: Some(60), ..chat("Tell me a short story about a fox named Mia.") }
}

#[test]
fn each_request_has_the_adapter_that_it_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("one.gguf"), folder.path().join("two.gguf")];
    write(&paths[0], "llama", 0);
    write(&paths[1], "llama", 5);
    let mut model = load_with(4, &[("one", &paths[0]), ("two", &paths[1])]).unwrap();
    assert!(model.info().abilities.contains(&Ability::Adapters));

    let requests = [
        told(&[]),
        told(&[("one", 1.0)]),
        told(&[("two", 1.0)]),
        told(&[("one", -2.0)]),
        told(&[("one", 1.0), ("two", 1.0)]),
        told(&[("one", 1.0), ("two", -1.0)]),
    ];
    let alone: Vec<String> =
        requests.iter().map(|request| generate(&mut *model, request.clone()).text()).collect();
    let plain = generate(&mut *load(4), told(&[])).text();
    assert_eq!(alone[0], plain, "without one it is the model itself");
    for (index, text) in alone.iter().enumerate() {
        assert!(alone[..index].iter().all(|other| other != text), "{index} differs from those before it");
    }
    let works = || requests.iter().cloned().map(Work::Generate).collect();
    for outcomes in [run_all(&mut *model, works()), run_all(&mut *model, works())] {
        for (outcome, alone) in outcomes.iter().zip(&alone) {
            assert_eq!(&outcome.text(), alone, "in company, and from what others left in the cache");
        }
    }
    assert_eq!(generate(&mut *model, told(&[("one", 0.0)])).text(), plain, "of no strength");
    let one_of_two = told(&[("one", 1.0), ("two", 0.0)]);
    assert_eq!(generate(&mut *model, one_of_two).text(), alone[1]);
    let long =
        "Tell me a short story about a fox named Mia, an owl named Ben, and the river that they live at. "
            .repeat(4);
    let mut cached = |adapters: &[(&str, f32)]| {
        let request = Generate { input: chat(&long).input, ..told(adapters) };
        generate(&mut *model, request).usage().cached_tokens
    };
    // What all chats begin with may be known from before.
    let begin = 20;
    assert!(cached(&[("one", 1.0), ("two", 1.0)]) < begin);
    assert!(cached(&[("one", 1.0)]) < begin, "a part of a mix is another one");
    assert!(cached(&[("one", 1.0), ("two", 0.5)]) < begin, "so is another strength");
    assert!(cached(&[("two", 1.0), ("one", 1.0)]) > 2 * begin, "in any order it is the same mix");
}

#[test]
fn unknown_adapters_and_impossible_scales_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.gguf");
    write(&path, "llama", 0);
    let mut model = load_with(1, &[("one", &path), ("two", &path)]).unwrap();
    for (adapters, kind, named) in [
        (&[("none", 1.0)][..], ErrorKind::NotFound, "without an adapter none"),
        (&[("one", f32::NAN)], ErrorKind::Invalid, "scale of the adapter one"),
        (&[("one", 1.0), ("one", 1.0)], ErrorKind::Invalid, "named twice"),
    ] {
        let error = model.submit(1, Work::Generate(told(adapters))).unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.message.contains(named), "{error}");
    }
    assert!(!load(1).info().abilities.contains(&Ability::Adapters));
}

#[test]
fn adapters_that_do_not_fit_are_refused_when_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.gguf");
    let error = load_with(1, &[("other", &path)]).err().unwrap();
    assert_eq!(error.kind, ErrorKind::NotFound);
    write(&path, "qwen2", 0);
    let error = load_with(1, &[("other", &path)]).err().unwrap();
    assert!(error.message.contains("the adapter other") && error.message.contains("mismatch"), "{error}");
    let error = load_with(1, &[("other", &storyteller())]).err().unwrap();
    assert!(error.message.contains("the adapter other"), "{error}");
}
