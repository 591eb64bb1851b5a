//! Plugins of others: in the place of ours, as verbs, and within what they were granted.

use std::fs;

use inferno_tests::{TestContext, build};

/// The bundled gateway as somebody else's plugin: the same component, and a manifest that has another digest.
fn replaced_gateway() -> TestContext {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let manifest = fs::read_to_string(build::root().join("plugins/gateway/plugin.toml")).unwrap();
    let manifest = manifest.replace("description = \"", "description = \"Another one. ");
    let component = build::plugin("inferno-plugin-gateway", "inferno_plugin_gateway");
    context.install_plugin("gateway", &manifest, &component);
    context
}

/// The TOML that a denial tells the user to write: from the line `[[grant]]` on, as far as it is TOML.
fn grant_in(denial: &str) -> String {
    let at = denial.find("[[grant]]").unwrap_or_else(|| panic!("no grant in: {denial}"));
    denial[at..]
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn a_replaced_gateway_may_nothing_until_it_is_granted() {
    let context = replaced_gateway();
    let server = context.serve(&[]);
    let denied = server.chat("parrot", "hello");
    let refusal = denied.refusal(403);
    assert!(refusal.contains("gateway") && refusal.contains("inference"), "{refusal}");
    let grant = grant_in(&refusal);
    assert!(grant.contains("digest = \"sha256:"), "the exact lines: {refusal}");
    drop(server);

    context.write_grants(&grant);
    let server = context.serve(&[]);
    server.assert_says("parrot", "hello", "hello");
}

#[test]
fn the_bundled_gateway_can_be_granted_less() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    context.echo_model("secret", "{}");
    let info: serde_json::Value =
        serde_json::from_str(&context.product(&["plugin", "info", "gateway", "--json"])).unwrap();
    let digest = info["digest"].as_str().unwrap_or_else(|| panic!("{info}"));
    context.write_grants(&format!(
        "[[grant]]\nplugin = \"gateway\"\ndigest = \"{digest}\"\ninference = {{ models = [\"parrot\"] }}\nmodels = true\n"
    ));
    let server = context.serve(&[]);
    server.assert_says("parrot", "hello", "hello");
    let refusal = server.chat("secret", "hello").refusal(403);
    assert!(refusal.contains("secret"), "{refusal}");
}

#[test]
fn a_gateway_that_is_turned_off_serves_nothing() {
    let context = TestContext::new();
    fs::write(context.home().join(".inferno.toml"), "[plugins.gateway]\nenabled = false\n").unwrap();
    let server = context.serve(&[]);
    assert_eq!(server.get("/v1/models").status, 404);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_command_plugin_is_a_verb() {
    let context = TestContext::new();
    let manifest = fs::read_to_string(build::root().join("examples/hello-command/plugin.toml")).unwrap();
    let component = build::plugin("inferno-hello-command", "hello-command");
    context.install_plugin("hello", &manifest, &component);

    let listed = context.product(&["plugin", "list"]);
    assert!(listed.contains("hello") && listed.contains("command"), "{listed}");
    let denied = context.run(&["hello", "Ada"]);
    assert_ne!(denied.status, Some(0), "{denied:?}");
    let grant = grant_in(&denied.stderr);
    context.write_grants(&grant);
    // It may ask for one thing after the other.
    let mut greeted = context.run(&["hello", "Ada"]);
    if greeted.status != Some(0) {
        context.write_grants(&grant_in(&greeted.stderr));
        greeted = context.run(&["hello", "Ada"]);
    }
    assert_eq!(greeted.status, Some(0), "{greeted:?}");
    assert!(greeted.stdout.starts_with("Hello, Ada!\n"), "{greeted:?}");
    assert!(greeted.stdout.lines().count() > 1, "a model told a story: {greeted:?}");
}

#[test]
fn an_unknown_verb_names_the_nearest() {
    let context = TestContext::new();
    let typo = context.run(&["modles", "list"]);
    assert_eq!(typo.status, Some(2), "{typo:?}");
    assert!(typo.stderr.contains("models"), "{typo:?}");
}

#[test]
fn a_plugin_that_is_broken_stops_the_start_with_a_reason() {
    let context = TestContext::new();
    let folder = context.data().join("plugins/broken");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("plugin.toml"), "[plugin]\nname = \"broken\"\nversoin = \"1.0.0\"\n").unwrap();
    fs::write(folder.join("plugin.wasm"), b"\0asm").unwrap();
    let finished = context.run(&["serve", "--port", "0"]);
    assert_ne!(finished.status, Some(0));
    assert!(finished.stderr.contains("versoin") && finished.stderr.contains("version"), "{finished:?}");
}
