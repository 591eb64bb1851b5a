//! The official openai, anthropic and ollama clients for Python and Node, unmodified, against a server with keys; and
//! schemathesis, which holds the server to the OpenAPI document that it serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inferno_tests::{Finished, TestContext, build};

fn clients() -> PathBuf {
    build::root().join("tests/clients")
}

/// Runs a program that checks the server; what it printed is the reason where it fails.
fn check(program: &Path, script: &str, more: &[(&str, &Path)]) {
    let context = TestContext::new();
    context.echo_model("parrot", r#"{"embedding": 16}"#);
    let key = context.product(&["keys", "create", "client"]);
    let server = context.serve(&[]);
    let mut command = Command::new(program);
    command
        .arg(clients().join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(context.home())
        .env("INFERNO_URL", format!("http://{}", server.addr()))
        .env("INFERNO_BASE_URL", format!("http://{}/v1", server.addr()))
        .env("INFERNO_API_KEY", key.trim())
        .env("INFERNO_ECHO_MODEL", "parrot")
        .env("INFERNO_STORY_MODEL", "storyteller")
        // The server is on this machine, whatever proxies the user has.
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .envs(more.iter().copied());
    // Nor is what the user has set up for these clients meant.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["OPENAI_", "ANTHROPIC_", "OLLAMA_"].iter().any(|theirs| name.starts_with(theirs)) {
            command.env_remove(&*name);
        }
    }
    let finished = Finished::of(&mut command);
    assert_eq!(finished.status, Some(0), "{script} says:\n{}{}\n", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("checks hold"), "{finished:?}");
}

fn python(script: &str) {
    python_with("python", "requirements.txt", script);
}

/// Runs a script with what a list of packages names, in an environment of its own.
fn python_with(name: &str, requirements: &str, script: &str) {
    let requirements = clients().join(requirements);
    let venv = build::tools_dir().join(name);
    let python = venv.join("bin/python");
    build::stamped(name, &fs::read_to_string(&requirements).unwrap(), || {
        build::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        build::run(Command::new(&python).args(install).arg(&requirements));
    });
    check(&python, script, &[]);
}

fn node(script: &str) {
    let tools = build::tools_dir().join("node");
    let lock = fs::read_to_string(clients().join("package-lock.json")).unwrap();
    build::stamped("node", &lock, || {
        fs::create_dir_all(&tools).unwrap();
        for file in ["package.json", "package-lock.json"] {
            fs::copy(clients().join(file), tools.join(file)).unwrap();
        }
        build::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&tools));
    });
    check(Path::new("node"), script, &[("INFERNO_NODE_TOOLS", &tools)]);
}

#[test]
fn openais_python_client_is_content() {
    python("checks.py");
}

#[test]
fn openais_node_client_is_content() {
    node("checks.mjs");
}

#[test]
fn openais_python_client_finds_every_feature() {
    python("features.py");
}

#[test]
fn openais_node_client_finds_every_feature() {
    node("features.mjs");
}

#[test]
fn the_openapi_document_is_kept_to() {
    python_with("schemathesis", "schemathesis.txt", "contract.py");
}

#[test]
fn anthropics_python_client_is_content() {
    python("anthropic_checks.py");
}

#[test]
fn anthropics_node_client_is_content() {
    node("anthropic_checks.mjs");
}

#[test]
fn ollamas_python_client_is_content() {
    python("ollama_checks.py");
}

#[test]
fn ollamas_node_client_is_content() {
    node("ollama_checks.mjs");
}
