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

/// Builds the C fixture, which answers with its model file's bytes.
fn c_backend(context: &TestContext) {
    let root = build::root();
    let file = root.join("tests/fixtures/c-backend/backend.c");
    let library = context.data().join("backends").join(format!("{DLL_PREFIX}tiny.{DLL_EXTENSION}"));
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
        .arg(root.join("sdk/backend"));
    build::run(cc.arg("-o").arg(library).arg(file));
}

#[test]
fn a_backend_in_c_brings_a_format_of_its_own() {
    let context = TestContext::new();
    let models = context.data().join("models");
    fs::create_dir_all(&models).unwrap();
    fs::write(models.join("box.tiny"), "TINY but here").unwrap();
    fs::write(models.join("other.tiny"), "something else").unwrap();
    let names = || -> Vec<(String, String)> {
        let listed: Vec<Value> =
            serde_json::from_str(&context.product(&["models", "list", "--json"])).unwrap();
        let text = |model: &Value, key: &str| model[key].as_str().unwrap().to_owned();
        listed.iter().map(|model| (text(model, "name"), text(model, "format"))).collect()
    };
    let box_of_tiny = ("box".to_owned(), "tiny".to_owned());
    assert!(!names().contains(&box_of_tiny), "nobody knows the format yet");
    c_backend(&context);
    assert!(names().contains(&box_of_tiny), "{:?}", names());
    assert!(names().iter().all(|(name, _)| name != "other"), "its content is something else");
    let backends = listed(&context);
    assert!(
        backends.iter().any(|backend| backend["name"] == "tiny" && backend["error"].is_null()),
        "{backends:?}"
    );
    assert!(context.product(&["backend", "list"]).contains("tiny"));
    for model in ["box", "box.tiny", models.join("box.tiny").to_str().unwrap()] {
        assert_eq!(
            context.product(&["run", "--model", model, "--prompt", "?"]),
            "TINY but here\n",
            "a chat, since the worker says that the model chats: {model}"
        );
    }
    assert!(context.product(&["models", "info", "box"]).contains("not stated"));
    assert!(context.product(&["validate", models.join("box.tiny").to_str().unwrap()]).contains("tiny"));
    let server = context.serve(&[]);
    assert_eq!(server.stream("box", "?").text(), "TINY but here", "the file's bytes, three at a time");
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
