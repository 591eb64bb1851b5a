//! The official openai clients for Python and Node, unmodified, against a server with keys.

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
        .current_dir(context.home())
        .env("INFERNO_BASE_URL", format!("http://{}/v1", server.addr()))
        .env("INFERNO_API_KEY", key.trim())
        .env("INFERNO_ECHO_MODEL", "parrot")
        .env("INFERNO_STORY_MODEL", "storyteller")
        // The server is on this machine, whatever proxies the user has.
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .env_remove("OPENAI_BASE_URL")
        .env_remove("OPENAI_ORG_ID")
        .env_remove("OPENAI_PROJECT_ID")
        .envs(more.iter().copied());
    let finished = Finished::of(&mut command);
    assert_eq!(finished.status, Some(0), "{script} says:\n{}{}\n", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("checks hold"), "{finished:?}");
}

#[test]
fn the_python_client_is_content() {
    let requirements = clients().join("requirements.txt");
    let venv = build::tools_dir().join("python");
    let python = venv.join("bin/python");
    build::stamped("python", &fs::read_to_string(&requirements).unwrap(), || {
        build::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        build::run(Command::new(&python).args(install).arg(&requirements));
    });
    check(&python, "checks.py", &[]);
}

#[test]
fn the_node_client_is_content() {
    let tools = build::tools_dir().join("node");
    let lock = fs::read_to_string(clients().join("package-lock.json")).unwrap();
    build::stamped("node", &lock, || {
        fs::create_dir_all(&tools).unwrap();
        for file in ["package.json", "package-lock.json"] {
            fs::copy(clients().join(file), tools.join(file)).unwrap();
        }
        build::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&tools));
    });
    check(Path::new("node"), "checks.mjs", &[("INFERNO_NODE_TOOLS", &tools)]);
}
