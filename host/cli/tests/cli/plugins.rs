//! Bundled, replaced, broken and disabled plugins.

use serde_json::json;

use crate::harness::User;

const GATEWAY: &str = ".local/share/inferno/plugins/gateway";
const MANIFEST: &str = r#"
[plugin]
name = "gateway"
version = "9.9.9"
description = "Somebody else's"
license = "MIT"
wit = "0.1"

[roles.http]
mounts = ["/v1"]

[asks]
kv = true
"#;

/// A user who put another gateway into the place of the bundled one.
fn replaced() -> User {
    User::new()
        .file(format!("{GATEWAY}/plugin.toml"), MANIFEST)
        .file(format!("{GATEWAY}/plugin.wasm"), "\0asm")
}

#[test]
fn the_bundled_gateway_is_a_plugin_like_any_other() {
    let user = User::new();
    let plugins = user.call(["plugin", "list", "--json"]).json();
    let names: Vec<&str> =
        plugins.as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["anthropic", "convert", "gateway", "ollama", "pipeline"]);
    let gateway = &plugins[2];
    let mut keys: Vec<&str> = gateway.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "description",
            "digest",
            "enabled",
            "granted_by",
            "installed",
            "name",
            "path",
            "replaces_bundled",
            "roles",
            "version",
            "waiting",
        ]
    );
    assert_eq!(
        (&gateway["name"], &gateway["roles"], &gateway["granted_by"]),
        (&json!("gateway"), &json!(["http", "command"]), &json!("built-in"))
    );
    let mut info = user.call(["plugin", "info", "gateway", "--json"]).json();
    // The reason for this one stands beside it, and a grant has none.
    info["asks"]["workdir"].as_object_mut().unwrap().remove("why").unwrap();
    assert_eq!(info["asks"], info["granted"]);
    assert_eq!((&info["mounts"][0], &info["verbs"]), (&json!("/v1"), &json!(["batch"])));
    assert!(user.call(["plugin", "info", "gateway"]).product().contains("inference = { models = [\"*\"] }"));
    assert!(user.call(["plugin", "info", "gatway"]).refusal(1).contains("did you mean `gateway`?"));
    let refusal = user.call(["gateway"]).refusal(2);
    assert!(refusal.contains("it is called as `inferno batch`"), "{refusal}");
    let refusal = user.call(["anthropic"]).refusal(2);
    assert!(refusal.contains("the plugin `anthropic` is no command; it plays: http"), "{refusal}");
}

#[test]
fn what_the_user_granted_is_what_a_bundled_plugin_may_do() {
    let user = User::new();
    let digest =
        user.call(["plugin", "info", "gateway", "--json"]).json()["digest"].as_str().unwrap().to_owned();
    let grant = format!("[[grant]]\nplugin = \"gateway\"\ndigest = \"{digest}\"\n");
    let user = user.file(".local/share/inferno/grants.toml", grant);
    let info = user.call(["plugin", "info", "gateway", "--json"]).json();
    assert_eq!(info["granted_by"], "user");
    assert_eq!(info["granted"], json!({"inference": null, "models": false, "kv": false}));
}

#[test]
fn a_folder_replaces_the_bundled_plugin_and_is_granted_nothing_by_that() {
    let user = replaced();
    let info = user.call(["plugin", "info", "gateway", "--json"]).json();
    assert_eq!((&info["version"], &info["replaces_bundled"]), (&json!("9.9.9"), &json!(true)));
    assert_eq!((&info["granted_by"], &info["granted"]["kv"]), (&json!("nobody"), &json!(false)));
    let shown = user.call(["plugin", "info", "gateway"]).product();
    assert!(shown.contains("`inferno plugin grant gateway WORD`"), "{shown}");
    user.call(["plugin", "grant", "gateway", "kv"]).product();
    let info = user.call(["plugin", "info", "gateway", "--json"]).json();
    assert_eq!((&info["granted_by"], &info["granted"]["kv"]), (&json!("user"), &json!(true)));
}

#[test]
fn a_broken_plugin_is_reported_and_stops_the_server_instead_of_being_passed_over() {
    let refusal = replaced().call(["serve", "--port", "0"]).refusal(1);
    assert!(refusal.contains("plugin \"gateway\" is not a component"), "{refusal}");

    let user = replaced().file(format!("{GATEWAY}/plugin.toml"), "[plugin]\nnmae = \"gateway\"");
    let done = user.call(["plugin", "list", "--json"]);
    assert!(done.err.contains("warning: plugin gateway: "), "{done:#?}");
    assert!(!done.out.contains("gateway"), "the bundled one is not used instead: {done:#?}");
    assert!(user.call(["serve", "--port", "0"]).refusal(1).contains("nmae"));

    let user = User::new()
        .file(".local/share/inferno/plugins/other/plugin.toml", MANIFEST)
        .file(".local/share/inferno/plugins/other/plugin.wasm", "\0asm");
    let refusal = user.call(["plugin", "info", "other"]).refusal(1);
    assert!(refusal.contains("calls itself `gateway`"), "{refusal}");
}

#[test]
fn the_configuration_turns_plugins_off_and_must_name_installed_ones() {
    let user = User::new().file(".inferno.toml", "plugins.gateway.enabled = false");
    let plugins = user.call(["plugin", "list", "--json"]).json();
    let enabled = plugins.as_array().unwrap().iter().filter(|plugin| plugin["enabled"] == true);
    let names: Vec<_> = enabled.map(|plugin| &plugin["name"]).collect();
    assert_eq!(names, ["anthropic", "convert", "ollama", "pipeline"]);
    let user = User::new().file(".inferno.toml", "plugins.gatway.enabled = false");
    let refusal = user.call(["serve", "--port", "0"]).refusal(2);
    assert!(refusal.contains("`gatway`, which is not installed"), "{refusal}");
    assert!(refusal.contains("did you mean `gateway`?"), "{refusal}");
}
