//! Help, versions, completions, the reference, unknown verbs, closed pipes.

use std::process::Stdio;

use crate::harness::User;

#[test]
fn help_and_version_are_products() {
    let user = User::new();
    let help = user.call(["--help"]).product();
    for verb in
        ["run", "serve", "models", "validate", "bench", "plugin", "backend", "config", "completions", "keys"]
    {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}: {help}");
    }
    assert!(!help.contains("worker"), "{help}");
    assert_eq!(user.call(["--version"]).product(), concat!("inferno ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_arguments_are_a_mistake_of_usage() {
    let user = User::new();
    assert!(user.call(["models"]).refusal(2).contains("Usage: inferno models"));
    assert!(user.call(["run", "--temprature", "1"]).refusal(2).contains("--temperature"));
    assert!(user.call(["--config", "serve.port", "config", "show"]).refusal(2).contains("KEY=VALUE"));
}

#[test]
fn completions_know_the_verbs() {
    let user = User::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = user.call(["completions", shell]).product();
        assert!(script.contains("validate"), "{shell}: {script}");
    }
}

#[test]
fn the_reference_covers_commands_and_keys_and_hides_what_is_hidden() {
    let reference = User::new().call(["reference"]).product();
    assert!(reference.contains("inferno models list"), "{reference}");
    assert!(reference.contains("`INFERNO_SERVE_PORT`"), "{reference}");
    assert!(!reference.contains("inferno worker"), "{reference}");
}

#[test]
fn an_unknown_verb_suggests_near_ones() {
    let user = User::new();
    let refusal = user.call(["modles"]).refusal(2);
    assert!(refusal.contains("error: there is no command `modles`"), "{refusal}");
    assert!(refusal.contains("hint: did you mean `models`?"), "{refusal}");
    let refusal = user.call(["frobnicate", "--hard"]).refusal(2);
    assert!(refusal.contains("`inferno --help`"), "{refusal}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = User::new()
        .command(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
