//! Backends that are not linked in: libraries in the backends directory, from Rust and from C.

use std::env::consts::{DLL_EXTENSION, DLL_PREFIX};
use std::fs;
use std::path::Path;
use std::process::Command;

use inferno_tests::{TestContext, build};
use serde_json::Value;

fn listed(context: &TestContext) -> Vec<Value> {
    serde_json::from_str(&context.product(&["backend", "list", "--json"])).unwrap()
}

#[test]
fn a_backend_library_from_rust_is_listed_and_used() {
    build::once("inferno_echo", || {
        build::cargo(["build", "--quiet", "--package", "inferno-backend-echo", "--example", "inferno_echo"]);
    });
    let library = format!("{DLL_PREFIX}inferno_echo.{DLL_EXTENSION}");
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    let installed = context.data().join("backends").join(&library);
    fs::copy(build::profile_dir().join("examples").join(&library), &installed).unwrap();

    let backends = listed(&context);
    let echo =
        backends.iter().find(|backend| backend["path"].is_string()).unwrap_or_else(|| panic!("{backends:?}"));
    assert_eq!((&echo["name"], &echo["formats"][0]), (&"echo".into(), &"echo".into()), "{echo}");
    assert!(Path::new(echo["path"].as_str().unwrap()).ends_with(&library), "{echo}");
    assert_eq!(
        context.product(&["run", "--model", "parrot", "--prompt", "through a library"]),
        "through a library\n"
    );
    let server = context.serve(&[]);
    server.assert_says("parrot", "through a library", "through a library");
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.workers()[0])).unwrap();
    assert!(maps.contains(&library), "the worker runs the library");
}

/// Builds the C fixture for a format whose files the host knows, since it answers with its model file's bytes.
fn c_backend(context: &TestContext) {
    let root = build::root();
    let source = fs::read_to_string(root.join("tests/fixtures/c-backend/backend.c")).unwrap();
    let claimed = source.replace(r#"\"formats\":[\"tiny\"]"#, r#"\"formats\":[\"echo\"]"#);
    assert_ne!(source, claimed);
    let file = context.home().join("backend.c");
    fs::write(&file, claimed).unwrap();
    let library = context.data().join("backends").join(format!("{DLL_PREFIX}tiny.{DLL_EXTENSION}"));
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
        .arg(root.join("sdk/backend"));
    build::run(cc.arg("-o").arg(library).arg(file));
}

#[test]
fn a_backend_in_c_is_listed_and_used() {
    let context = TestContext::new();
    c_backend(&context);
    context.echo_model("parrot", "{}");
    let backends = listed(&context);
    assert!(
        backends.iter().any(|backend| backend["name"] == "tiny" && backend["error"].is_null()),
        "{backends:?}"
    );
    assert!(context.product(&["backend", "list"]).contains("tiny"));
    assert_eq!(
        context.product(&["run", "--model", "parrot", "--prompt", "?"]).trim_end(),
        "inferno-echo\n{}"
    );
    let server = context.serve(&[]);
    assert_eq!(
        server.stream("parrot", "?").text(),
        "inferno-echo\n{}\n",
        "the file's bytes, three at a time"
    );
}

#[test]
fn a_library_that_is_no_backend_is_listed_with_the_reason() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    fs::write(context.data().join("backends").join(format!("broken.{DLL_EXTENSION}")), "not a library")
        .unwrap();
    let backends = listed(&context);
    let broken = backends.iter().find(|backend| backend["name"].as_str().unwrap().contains("broken"));
    assert!(broken.is_some_and(|broken| broken["error"].is_string()), "{backends:?}");
    assert_eq!(context.product(&["run", "--model", "parrot", "--prompt", "still here"]), "still here\n");
}
