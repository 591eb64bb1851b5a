//! What an author does: make a plugin, build it, see it refused and allowed, watch it change in a running server.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{Done, User};
use crate::serve::{Server, wait_for};

/// A user with Rust: its own folders are found through the real home, and all builds share one folder for what they
/// have in common.
fn author() -> User {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let place = |name: &str, folder: &str| {
        std::env::var(name).unwrap_or_else(|_| home.join(folder).to_str().unwrap().to_owned())
    };
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    User::new()
        .with("CARGO_HOME", &place("CARGO_HOME", ".cargo"))
        .with("RUSTUP_HOME", &place("RUSTUP_HOME", ".rustup"))
        .with("CARGO_TARGET_DIR", target.to_str().unwrap())
        // How small a component becomes is not what is tested.
        .with("CARGO_PROFILE_RELEASE_LTO", "off")
        .with("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
}

/// Runs a tool of the author's in a folder below the working directory.
fn tool(user: &User, folder: &str, arguments: &[&str]) -> Done {
    let inferno = user.command(["x"]);
    let mut tool = Command::new(arguments[0]);
    tool.args(&arguments[1..]).current_dir(user.work().join(folder)).env_clear();
    for (name, value) in inferno.get_envs() {
        if let Some(value) = value {
            tool.env(name, value);
        }
    }
    Done::from(tool.output().unwrap())
}

fn edit(user: &User, file: &str, from: &str, to: &str) {
    let path = user.work().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}: {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_new_plugin_of_every_role_builds_and_its_test_passes() {
    let user = author();
    for role in ["command", "http", "filter", "step", "judge", "converter", "catalog"] {
        let name = format!("acme-{role}");
        user.call(["plugin", "new", &name, "--role", role]).product();
        let tests = tool(&user, &name, &["cargo", "test", "--quiet"]);
        assert!(tests.out.contains("1 passed") || tests.out.contains("2 passed"), "{role}: {tests:#?}");
        let built = user.call(["plugin", "build", &name, "--json"]).json();
        assert_eq!(built["roles"], serde_json::json!([role]), "{built}");
        assert_eq!(built["warnings"], serde_json::json!([]), "{built}");
        let report = user.call(["plugin", "test", &name, "--json"]).json();
        assert_eq!(report["passed"], true, "{report}");
        // Commands have no cases: they are run.
        assert_eq!(report["cases"].as_u64() > Some(0), role != "command", "{report}");
    }
    let refusal = user.call(["plugin", "new", "acme-step", "--role", "step"]).refusal(2);
    assert!(refusal.contains("is there already"), "{refusal}");
    let refusal = user.call(["plugin", "new", "Acme", "--role", "step"]).refusal(1);
    assert!(refusal.contains("lower-case letters"), "{refusal}");
}

#[test]
fn a_denied_call_is_explained_and_the_grant_that_it_names_allows_it() {
    let user = author();
    user.call(["plugin", "new", "acme-count", "--role", "command"]).product();
    edit(
        &user,
        "acme-count/src/main.rs",
        "    let name = std::env::args().nth(1);\n",
        "    let name = Some(inferno_sdk::kv::add(\"runs\", 1, None)?.to_string());\n",
    );
    fs::OpenOptions::new()
        .append(true)
        .open(user.work().join("acme-count/plugin.toml"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"\n[asks]\nkv = true\n"))
        .unwrap();
    user.call(["plugin", "build", "acme-count"]).product();
    user.call(["plugin", "install", "acme-count", "--allow-unsigned"]).product();
    let denied = user.call(["acme-count"]).refusal(1);
    assert!(denied.contains("inferno:host/kv"), "{denied}");
    let explained = user.call(["plugin", "explain", "acme-count"]).product();
    assert!(
        explained.contains("the user has not granted it") && explained.contains("kv = true"),
        "{explained}"
    );
    let explained = user.call(["plugin", "explain", "--json"]).json();
    assert_eq!(explained[0]["plugin"], "acme-count");
    assert_eq!(user.call(["plugin", "explain", "gateway", "--json"]).json(), serde_json::json!([]));
    user.call(["plugin", "grant", "acme-count", "kv"]).product();
    assert_eq!(user.call(["acme-count"]).product(), "Hello, 1!\n");
    assert_eq!(user.call(["acme-count"]).product(), "Hello, 2!\n");

    // What it asks for and does not use is named.
    edit(&user, "acme-count/plugin.toml", "kv = true\n", "kv = true\nmodels = true\nsecrets = [\"A\"]\n");
    user.call(["plugin", "install", "acme-count", "--allow-unsigned", "--grant", "models"]).product();
    let done = user.call(["plugin", "suggest", "acme-count", "--", "Ada"]);
    assert!(done.out.ends_with("[asks]\nkv = true\n"), "{done:#?}");
    assert!(done.err.contains("asked for and not used: secrets=A"), "{done:#?}");
    assert!(done.err.contains("`inferno plugin revoke acme-count models`"), "{done:#?}");
}

#[test]
fn a_role_is_played_by_hand() {
    let user = author();
    user.call(["plugin", "new", "acme-judge", "--role", "judge"]).product();
    user.call(["plugin", "build", "acme-judge"]).product();
    user.call(["plugin", "install", "acme-judge", "--allow-unsigned"]).product();
    let input =
        br#"{ "config": { "words": 1 }, "samples": [{ "answer": "Hello!" }, { "answer": "Hello you" }] }"#;
    let verdicts = user.call_with(["plugin", "call", "acme-judge"], input).json();
    assert_eq!((&verdicts[0]["pass"], &verdicts[1]["pass"]), (&true.into(), &false.into()));
    let refusal = user.call_with(["plugin", "call", "acme-judge"], br#"{ "samlpes": [] }"#).refusal(2);
    assert!(refusal.contains("samlpes") && refusal.contains("it looks like"), "{refusal}");
    let refusal =
        user.call_with(["plugin", "call", "acme-judge", "--role", "step"], br#"{ "items": [] }"#).refusal(1);
    assert!(refusal.contains("does not play the role step"), "{refusal}");
}

#[test]
fn a_plugin_that_breaks_its_contract_fails_its_test() {
    let user = author();
    user.call(["plugin", "new", "acme", "--role", "step"]).product();
    edit(&user, "acme/src/lib.rs", "item.with(&data)", "Item::new(\"other\", &data)");
    user.call(["plugin", "build", "acme"]).product();
    let done = user.call(["plugin", "test", "acme"]);
    assert_eq!(done.status, Some(1), "{done:#?}");
    assert!(done.out.contains("FAILED") && done.out.contains("keeps its id"), "{done:#?}");
}

#[test]
fn a_tenant_has_the_plugins_that_it_was_given() {
    let user = author().file(".inferno.toml", "[tenants.family]\nplugins = [\"gateway\"]\n");
    user.call(["plugin", "new", "acme", "--role", "http"]).product();
    user.call(["plugin", "build", "acme"]).product();
    user.call(["plugin", "install", "acme", "--allow-unsigned"]).product();
    let key = |name: &str, tenant: &str| {
        let secret = user.call(["keys", "create", name, "--tenant", tenant]).product();
        format!("authorization: Bearer {}\r\n", secret.trim())
    };
    let (family, other) = (key("a", "family"), key("b", "other"));
    let server = Server::start(&user, &[]);
    assert!(server.get("/acme", &other).contains("0 words"));
    assert!(server.get("/acme", &family).starts_with("HTTP/1.1 404"));
    assert!(server.get("/v1/models", &family).starts_with("HTTP/1.1 200"));
    let refusal = User::new()
        .file(".inferno.toml", "[tenants.family]\nplugins = [\"gatway\"]\n")
        .call(["serve", "--port", "0"])
        .refusal(2);
    assert!(refusal.contains("did you mean `gateway`?"), "{refusal}");
    let refusal = User::new()
        .file("work/.inferno.toml", "[tenants.family]\nplugins = []\n")
        .call(["config", "show"])
        .refusal(2);
    assert!(refusal.contains("cannot be set by a project's file"), "{refusal}");
}

#[test]
fn a_running_server_follows_what_an_author_writes() {
    let user = author();
    user.call(["plugin", "new", "acme", "--role", "http"]).product();
    let mut server = Server::start(&user, &[]);
    assert!(server.get("/acme", "").starts_with("HTTP/1.1 404"));
    let mut watch = user
        .command(["plugin", "watch", "acme"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut server.log, "plugin acme 0.1.0 serves now");
    assert!(server.get("/acme", "").contains("0 words"));
    edit(&user, "acme/src/lib.rs", "\"{} words\\n\"", "\"{} little words\\n\"");
    wait_for(&mut server.log, "plugin acme 0.1.0 serves now");
    assert!(server.get("/acme", "").contains("0 little words"));
    watch.kill().unwrap();
    watch.wait().unwrap();

    // What cannot be served is told, and the old version goes on.
    let path = user.call(["plugin", "info", "acme", "--json"]).json()["path"].as_str().unwrap().to_owned();
    let whole = fs::read(format!("{path}/plugin.wasm")).unwrap();
    fs::write(format!("{path}/plugin.wasm"), "torn").unwrap();
    user.call(["plugin", "grant", "gateway", "models"]).product();
    wait_for(&mut server.log, "warning: plugins changed");
    wait_for(&mut server.log, "error: ");
    assert!(server.get("/acme", "").contains("0 little words"));
    fs::write(format!("{path}/plugin.wasm"), whole).unwrap();
    user.call(["plugin", "remove", "acme"]).product();
    wait_for(&mut server.log, "plugin acme is served no longer");
    assert!(server.get("/acme", "").starts_with("HTTP/1.1 404"));
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let user = author();
    let refusal = user.call(["plugin", "build", "."]).refusal(2);
    assert!(refusal.contains("no plugin.toml") && refusal.contains("inferno plugin new"), "{refusal}");
    user.call(["plugin", "new", "acme", "--role", "step"]).product();
    let refusal = user.call(["plugin", "pack", "acme"]).refusal(1);
    assert!(refusal.contains("inferno plugin build acme"), "{refusal}");
    let without = User::new().with("PATH", "/nowhere");
    without.call(["plugin", "new", "acme", "--role", "step"]).product();
    let refusal = without.call(["plugin", "build", "acme"]).refusal(1);
    assert!(refusal.contains("`cargo` is needed") && refusal.contains("https://rustup.rs"), "{refusal}");
    without.call(["plugin", "new", "acme-js", "--role", "judge", "--lang", "js"]).product();
    assert!(without.call(["plugin", "build", "acme-js"]).refusal(1).contains("https://nodejs.org"));
    without.call(["plugin", "new", "acme-py", "--role", "judge", "--lang", "python"]).product();
    assert!(without.call(["plugin", "build", "acme-py"]).refusal(1).contains("https://python.org"));

    fs::remove_dir_all(user.home().join(".cache/inferno/sdk")).unwrap();
    let refusal = user.call(["plugin", "build", "acme"]).refusal(1);
    assert!(
        refusal.contains("the SDK is not at") && refusal.contains("inferno-sdk = { path = "),
        "{refusal}"
    );
    edit(&user, "acme/plugin.toml", "[roles.step]", "[roles.stpe]");
    assert!(user.call(["plugin", "build", "acme"]).refusal(1).contains("did you mean \"step\"?"));
}
