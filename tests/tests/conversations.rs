//! WebSockets through a plugin in the sandbox, with a client that many use.

use std::fs;
use std::process::Command;

use inferno_tests::{Finished, TestContext, build};

const MANIFEST: &str = "[plugin]\nname = 'probe'\nversion = '1.0.0'\ndescription = 'x'\nlicense = 'MIT'\nwit = '0.1'\n\
     [roles.http]\nmounts = ['/probe']\nwebsockets = ['/probe/upper', '/probe/nothing']\n";

/// A user with the probe, whose WebSocket says everything in capitals.
fn probe(more: &str) -> TestContext {
    let context = TestContext::new();
    let component = build::plugin("inferno-guest-probe", "inferno_guest_probe");
    context.install_plugin("probe", &format!("{MANIFEST}{more}"), &component);
    context
}

/// Runs a script of `tests/clients` with the packages of `observers.txt`.
pub(crate) fn script(name: &str, variables: &[(&str, &str)]) {
    let clients = build::root().join("tests/clients");
    let requirements = clients.join("observers.txt");
    let venv = build::tools_dir().join("observers");
    let python = venv.join("bin/python");
    build::stamped("observers", &fs::read_to_string(&requirements).unwrap(), || {
        build::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        build::run(Command::new(&python).args(install).arg(&requirements));
    });
    let mut command = Command::new(&python);
    command.arg(clients.join(name)).envs(variables.iter().copied()).env("PYTHONDONTWRITEBYTECODE", "1");
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let finished = Finished::of(&mut command);
    assert_eq!(finished.status, Some(0), "{name} says:\n{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.ends_with("all hold\n"), "{finished:?}");
}

#[test]
fn a_plugin_talks_with_pythons_client() {
    let context = probe("");
    let key = context.product(&["keys", "create", "client"]);
    let server = context.serve(&["serve.max_body=64KiB"]);
    script("sockets.py", &[("INFERNO_ADDRESS", &server.addr().to_string()), ("INFERNO_API_KEY", key.trim())]);
}

#[test]
fn a_conversation_without_a_word_is_ended_by_the_limit_of_its_call() {
    let context = probe("[limits]\nwall = '300ms'\n");
    let server = context.serve(&[]);
    script("silence.py", &[("INFERNO_ADDRESS", &server.addr().to_string())]);
}

#[test]
fn websockets_that_lie_under_no_mount_are_an_error_of_the_manifest() {
    let context = TestContext::new();
    let component = build::plugin("inferno-guest-probe", "inferno_guest_probe");
    let manifest = MANIFEST.replace("'/probe/nothing'", "'/other'");
    context.install_plugin("probe", &manifest, &component);
    let refused = context.run(&["serve", "--port", "0"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("roles.http.websockets has \"/other\""), "{refused:?}");
}
