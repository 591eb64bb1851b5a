//! The cascade from the outside; its details are tested in `settings`.

use serde_json::json;

use crate::harness::User;

#[test]
fn values_come_with_their_origin() {
    let user = User::new()
        .file(".config/inferno/config.toml", "log_format = 'json'\nserve.port = 1\n")
        .file("work/.inferno.toml", "\nserve.port = 2\n")
        .with("INFERNO_LOG_LEVEL", "error");
    let shown = user.call(["config", "show", "--json", "--config", "inference.threads=3"]).json();
    let entry =
        |key: &str| shown.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap().clone();
    let file = |path: &str| user.home().join(path).display().to_string();
    assert_eq!(
        entry("serve.port"),
        json!({
            "key": "serve.port",
            "value": 2,
            "origin": {"kind": "file", "path": file("work/.inferno.toml"), "line": 2},
        })
    );
    assert_eq!(
        entry("log_format")["origin"],
        json!({"kind": "file", "path": file(".config/inferno/config.toml"), "line": 1})
    );
    assert_eq!(entry("log_level")["origin"], json!({"kind": "variable", "name": "INFERNO_LOG_LEVEL"}));
    assert_eq!(entry("inference.threads")["origin"], json!({"kind": "command-line", "option": "--config"}));
    assert_eq!(
        entry("serve.host"),
        json!({"key": "serve.host", "value": "127.0.0.1", "origin": {"kind": "default"}})
    );

    let table = user.call(["config", "show"]).product();
    assert!(
        table.lines().any(|line| line.starts_with("serve.port") && line.contains("work/.inferno.toml:2")),
        "{table}"
    );
}

#[test]
fn mistakes_are_refused_before_anything_happens() {
    let user = User::new().file(".inferno.toml", "[serve]\nprot = 1\n");
    let refusal = user.call(["models", "list"]).refusal(2);
    assert!(refusal.contains(".inferno.toml:2: unknown key `serve.prot`"), "{refusal}");
    assert!(refusal.contains("hint: did you mean `serve.port`?"), "{refusal}");

    let refusal = User::new().with("INFERNO_MODELS_DRI", "x").call(["models", "list"]).refusal(2);
    assert!(refusal.contains("unknown variable INFERNO_MODELS_DRI"), "{refusal}");
    assert!(refusal.contains("`INFERNO_MODELS_DIR`"), "{refusal}");

    let refusal = User::new().call(["--config", "serve.port=high", "config", "show"]).refusal(2);
    assert!(refusal.contains("found `high`"), "{refusal}");
}

#[test]
fn help_works_with_a_broken_configuration() {
    let user = User::new().file(".inferno.toml", "broken");
    user.call(["--help"]).product();
    user.call(["completions", "bash"]).product();
}

#[test]
fn the_log_goes_to_standard_error_in_the_wanted_format() {
    let user =
        User::new().echo("parrot").with("INFERNO_LOG_LEVEL", "debug").with("INFERNO_LOG_FORMAT", "json");
    let done = user.call(["run", "parrot", "-p", "hello"]);
    let lines: Vec<&str> = done.err.lines().collect();
    assert!(!lines.is_empty(), "{done:#?}");
    for line in lines {
        let event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["level"].is_string(), "{line}");
    }
    let done =
        User::new().echo("parrot").with("INFERNO_LOG_LEVEL", "off").call(["run", "parrot", "-p", "hello"]);
    assert_eq!(done.err, "");
}
