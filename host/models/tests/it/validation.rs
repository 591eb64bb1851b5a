//! `validate`: each check can pass and fail.

use std::{fs, path::Path};

use inferno_models::{Format, Report, validate};

use crate::{bytes::Gguf, storyteller};

fn report(bytes: &[u8]) -> Report {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file.gguf");
    fs::write(&file, bytes).expect("written");
    validate(&file, &[]).expect("a report")
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect()
}

#[test]
fn the_demo_model_passes() {
    let report = validate(&storyteller::path(), &[]).expect("a report");
    assert!(report.ok(), "{report:#?}");
    assert_eq!(report.format, Some(Format::Gguf));
    assert!(report.checks.len() >= 9 && report.header.is_some());
}

#[test]
fn the_failing_check_is_named() {
    let right = fs::read(storyteller::path()).expect("the demo model");
    assert_eq!(failed(&report(&right[..10])), ["start"]);
    assert_eq!(failed(&report(&right[..3000])), ["metadata"]);
    assert_eq!(failed(&report(&right[..right.len() - 1024])), ["tensor data"]);
    assert_eq!(failed(&report(b"<html>")), ["format"]);
    assert_eq!(failed(&report(b"inferno-echo\n[")), ["settings"]);
    assert_eq!(failed(&report(&Gguf::start(1, 0).tensor("w", &[3; 5], 0).0)), ["tensors"]);
    let bare = Gguf::start(0, 0).data(0);
    assert_eq!(failed(&report(&bare)), ["architecture", "weights", "context length", "tokenizer"]);
    assert!(report(b"inferno-echo\n{}").ok());
}

#[test]
fn no_file_is_an_error() {
    assert!(validate(Path::new("/nowhere/x.gguf"), &[]).is_err());
}
