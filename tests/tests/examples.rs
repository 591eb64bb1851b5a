//! The examples as a user runs them: built, installed with consent, and in the real sandbox. `hello-command` is in
//! `plugins`, and `tag-step` in `templates`.

use std::fs;
use std::path::Path;

use inferno_tests::{Finished, TestContext, build};
use serde_json::{Value, json};

/// Installs an example in Rust with what the user grants.
fn install(context: &TestContext, example: &str, granted: &[&str]) {
    let component = build::plugin(&format!("inferno-{example}"), &example.replace('-', "_"));
    let folder = context.home().join(example);
    fs::create_dir(&folder).unwrap();
    fs::copy(component, folder.join("plugin.wasm")).unwrap();
    let manifest = build::root().join("examples").join(example).join("plugin.toml");
    fs::copy(manifest, folder.join("plugin.toml")).unwrap();
    let mut args = vec!["plugin", "install", example, "--allow-unsigned"];
    args.extend(granted.iter().flat_map(|word| ["--grant", word]));
    context.product(&args);
}

/// Builds and installs a plugin in JavaScript that plays two roles: the judge of the example `regex-judge`, and a filter
/// that has answers contain addresses.
fn install_spells_out(context: &TestContext) {
    let folder = context.home().join("spells-out");
    fs::create_dir(&folder).unwrap();
    let fixture = build::root().join("tests/fixtures/spells-out");
    for name in ["plugin.js", "plugin.toml"] {
        fs::copy(fixture.join(name), folder.join(name)).unwrap();
    }
    let example = build::root().join("examples/regex-judge/plugin.js");
    fs::copy(example, folder.join("regex-judge.js")).unwrap();
    context.product(&["plugin", "build", "spells-out"]);
    context.product(&["plugin", "install", "spells-out", "--allow-unsigned"]);
}

/// Has a plugin play a role once.
fn call(context: &TestContext, plugin: &str, role: &str, input: &Value) -> Finished {
    let file = context.home().join("input.json");
    fs::write(&file, input.to_string()).unwrap();
    context.run(&["plugin", "call", plugin, "--role", role, "--input", file.to_str().unwrap()])
}

/// Has it play the role well.
fn output(context: &TestContext, plugin: &str, role: &str, input: &Value) -> Value {
    let done = call(context, plugin, role, input);
    assert_eq!(done.status, Some(0), "{done:?}");
    serde_json::from_str(&done.stdout).unwrap()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn redact_filter_masks_what_goes_through_the_gateway_and_regex_judge_judges_it() {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    install_spells_out(&context);
    let asked = "Write to jo.doe(at)mail.example.com, or to @home, today.";
    let address = "jo.doe@mail.example.com";

    // Without the filter the answer has the address, in two pieces where it is streamed.
    let server = context.serve(&[]);
    server.assert_says("parrot", asked, &asked.replace("(at)", "@"));
    let events: Vec<String> = server.stream("parrot", asked).collect();
    assert!(!events.iter().any(|event| event.contains(address)), "it is in one piece: {events:?}");
    assert_eq!(server.stream("parrot", asked).text(), asked.replace("(at)", "@"));
    drop(server);

    install(&context, "redact-filter", &[]);
    let server = context.serve(&[]);
    let masked = "Write to [e-mail], or to @home, today.";
    server.assert_says("parrot", asked, masked);
    assert_eq!(server.stream("parrot", asked).text(), masked);
    // What is in the prompt, the model does not see, or it would repeat it.
    let prompt = format!("Write to {address}!");
    assert_eq!(server.stream("parrot", &prompt).text(), "Write to [e-mail]!");
    let refused = server.post(
        "/v1/chat/completions",
        &json!({ "model": "parrot", "messages": [{ "role": "user", "content": "Hi" }], "logprobs": true }),
    );
    assert!(refused.refusal(400).contains("logprobs"), "{refused:?}");

    let judged = json!({
        "config": { "pattern": "\\S@\\S", "should_match": false },
        "samples": [{ "answer": masked }, { "answer": asked.replace("(at)", "@") }],
    });
    let verdicts = output(&context, "spells-out", "judge", &judged);
    assert_eq!((&verdicts[0]["pass"], &verdicts[1]["pass"]), (&true.into(), &false.into()), "{verdicts}");
    assert_eq!(verdicts[1]["reason"], "/\\S@\\S/ matches \"e@m\"", "{verdicts}");
    let wrong =
        call(&context, "spells-out", "judge", &json!({ "config": { "pattern": "(" }, "samples": [] }));
    assert!(wrong.status == Some(1) && wrong.stderr.contains("/(/"), "{wrong:?}");
}

#[test]
fn folder_step_reads_the_folder_that_was_granted_and_nothing_else() {
    let context = TestContext::new();
    let home = context.home();
    write(&home.join("papers/a.txt"), "a fox\n");
    write(&home.join("papers/deep/b.txt"), "b");
    write(&home.join("secret.txt"), "secret");
    write(&home.join("others/c.txt"), "secret");
    std::os::unix::fs::symlink(home.join("secret.txt"), home.join("papers/link.txt")).unwrap();
    let names = ["a.txt", "deep/b.txt", "../secret.txt", "/etc/passwd", "link.txt", "none.txt"];
    let items: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(id, name)| json!({ "id": id.to_string(), "data": { "path": name } }))
        .collect();
    let input = json!({ "items": items });

    // Without a grant there is no folder at all.
    install(&context, "folder-step", &[]);
    let outcomes = output(&context, "folder-step", "step", &input)["outcomes"].clone();
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome["emit"].is_null()), "{outcomes}");

    context.product(&["plugin", "grant", "folder-step", "files=./papers:ro"]);
    let outcomes = output(&context, "folder-step", "step", &input)["outcomes"].clone();
    assert_eq!(outcomes[0]["emit"][0]["data"], json!({ "path": "a.txt", "text": "a fox\n" }), "{outcomes}");
    assert_eq!(outcomes[1]["emit"][0]["data"]["text"], "b", "{outcomes}");
    for (at, why) in [(2, "leads out of the folder"), (3, "leads out of the folder"), (5, "there is no file")]
    {
        assert!(outcomes[at]["reject"].as_str().is_some_and(|said| said.contains(why)), "{outcomes}");
    }
    // The plugin itself has nothing against a link: here it is the host that refuses.
    assert!(outcomes[4]["emit"].is_null(), "{outcomes}");
    assert!(!outcomes.to_string().contains("secret\""), "{outcomes}");
}

#[test]
fn file_catalog_finds_what_index_files_have() {
    let context = TestContext::new();
    let entry = |name: &str, version: &str, size: u64| {
        json!({
            "kind": "model", "name": name, "version": version, "summary": format!("A {name} model"),
            "artifacts": [{
                "url": format!("https://models.example.com/{name}-{version}.gguf"),
                "digest": format!("sha256:{}", "0".repeat(64)),
                "size": size,
            }],
        })
    };
    let index = context.home().join("index");
    write(&index.join("a.json"), &json!([entry("tiny", "1.2.0", 3), entry("tiny", "1.10.0", 4)]).to_string());
    write(&index.join("b.json"), &json!([entry("large", "0.1.0", 5)]).to_string());

    install(&context, "file-catalog", &[]);
    let denied = call(&context, "file-catalog", "catalog", &json!({ "search": "" }));
    assert!(denied.status == Some(1) && denied.stderr.contains("cannot read /catalog"), "{denied:?}");

    context.product(&["plugin", "grant", "file-catalog", "files=./index:ro"]);
    let found = output(&context, "file-catalog", "catalog", &json!({ "search": "" }));
    let names: Vec<_> = found["entries"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["large", "tiny"], "{found}");
    let found = output(&context, "file-catalog", "catalog", &json!({ "search": "tiny" }));
    assert_eq!(found["entries"][0]["version"], "1.10.0", "the newest: {found}");
    assert_eq!(found["next"], Value::Null, "{found}");
    let resolve = |input: &Value| output(&context, "file-catalog", "catalog", input)[0]["size_bytes"].clone();
    assert_eq!(resolve(&json!({ "resolve": "tiny" })), 4);
    assert_eq!(resolve(&json!({ "resolve": "tiny", "version": "1.2.0" })), 3);
    let unknown = call(&context, "file-catalog", "catalog", &json!({ "resolve": "huge" }));
    assert!(unknown.status == Some(1) && unknown.stderr.contains("huge"), "{unknown:?}");
}
