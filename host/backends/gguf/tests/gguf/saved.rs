//! What was read of prompts survives the process.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use inferno_backend::{Backend, Generate, LoadOptions, Model};
use inferno_backend_gguf::Gguf;

use crate::harness::{generate, load, options, raw, storyteller};

fn load_with(dir: &Path, sequences: u32, extra: &[(&str, &str)]) -> Box<dyn Model> {
    let extra = extra.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let options =
        LoadOptions { state_dir: Some(dir.to_owned()), extra, ..options(&storyteller(), sequences) };
    Gguf.load(&options, &mut |_| {}).unwrap()
}

fn asked(end: &str) -> Generate {
    Generate {
        max_tokens: Some(30),
        ..raw(&format!("{}{end}", "The fox and the owl were friends. ".repeat(12)))
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_prompt_that_an_earlier_process_read_is_not_read_again() {
    for packing in ["zstd", "gzip", "none"] {
        let dir = tempfile::tempdir().unwrap();
        let mut model = load_with(dir.path(), 2, &[("state_compress", packing)]);
        let first = generate(&mut *model, asked("One day"));
        assert_eq!(first.usage().cached_tokens, 0);
        drop(model);
        assert_eq!(files(dir.path()).len(), 1, "{packing}");

        let mut model = load_with(dir.path(), 2, &[]);
        let again = generate(&mut *model, asked("One day"));
        assert_eq!(again.text(), first.text());
        assert_eq!(again.usage().cached_tokens, first.usage().prompt_tokens - 1);
        let mut model = load_with(dir.path(), 2, &[]);
        let other = generate(&mut *model, asked("But then"));
        let cached = other.usage().cached_tokens;
        assert!(cached > 60 && cached < other.usage().prompt_tokens, "{cached}");
        assert_eq!(other.text(), generate(&mut *load(2), asked("But then")).text());
    }
}

#[test]
fn a_quiet_model_saves_without_being_unloaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = load_with(dir.path(), 2, &[]);
    generate(&mut *model, asked("One day"));
    let began = Instant::now();
    while model.step(&mut |_, event| panic!("{event:?}")).unwrap() {
        assert!(began.elapsed() < Duration::from_secs(60), "it comes to an end");
    }
    assert_eq!(files(dir.path()).len(), 1);
    assert!(!model.step(&mut |_, event| panic!("{event:?}")).unwrap(), "once");
}

#[test]
fn what_is_damaged_or_does_not_fit_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    generate(&mut *load_with(dir.path(), 2, &[]), asked("One day"));
    let file = files(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let mut model = load_with(dir.path(), 2, &[]);
    let outcome = generate(&mut *model, asked("One day"));
    assert_eq!(outcome.usage().cached_tokens, 0);
    assert!(files(dir.path()).is_empty(), "it is deleted");
    drop(model);
    assert_eq!(files(dir.path()).len(), 1);
    let outcome = generate(&mut *load_with(dir.path(), 3, &[]), asked("One day"));
    assert_eq!(outcome.usage().cached_tokens, 0, "another number of sequences");
}

#[test]
fn no_more_bytes_are_saved_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    drop(generate(&mut *load_with(dir.path(), 1, &[("state_bytes", "1000")]), asked("One day")));
    assert!(files(dir.path()).is_empty(), "it would have been larger");
}
