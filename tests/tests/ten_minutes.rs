//! The ten minutes from nothing to a plugin that somebody runs with consent, in each language, as its author and its user
//! type them.

mod walk;

use inferno_tests::{build, within};
use serde_json::{Value, json};

use walk::{Author, User};

/// What the plugins here ask for, each with its reason where there is one.
const ASKS: &str = "\n[asks]\nkv = true\nmodels = true\n\n[why]\nkv = \"to count what it has seen\"\n";

/// The whole life of a plugin that has been built, from its package to its removal. A running server, if there is one, is
/// looked at after each step.
fn live(author: &Author, user: &User<'_>, rebuild: impl FnOnce(), look: impl Fn(Step)) {
    let first = author.package("0.1.0");
    author.inspected(&first);
    user.installs_with_a_partial_grant(&first);
    look(Step::Installed);
    user.is_told_why_a_call_was_denied();
    user.grants();
    look(Step::Granted);
    user.uses_it();

    author.edit("plugin.toml", "version = \"0.1.0\"", "version = \"0.2.0\"");
    author.edit("plugin.toml", "kv = true\n", "kv = true\nhttp = [\"https://example.com\"]\n");
    rebuild();
    let second = author.package("0.2.0");
    user.sees_an_upgrade_that_asks_for_more_wait(&second);
    look(Step::Waiting);
    user.uses_it();
    user.agrees_to_the_upgrade();
    look(Step::Upgraded);
    user.uses_it();
    user.rolls_back();
    look(Step::RolledBack);
    user.uses_it();
    user.removes_it();
    look(Step::Removed);
}

/// What has just been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Installed,
    Granted,
    Waiting,
    Upgraded,
    RolledBack,
    Removed,
}

#[test]
fn in_rust_while_a_server_runs() {
    let author = Author::begins("counter", "http", "rust");
    author.tests_as_the_readme_says();
    author.builds();
    author.tests();
    author.edit(
        "src/lib.rs",
        "Ok(body) => Response::text(200, count(&body)),",
        "Ok(body) => match inferno_sdk::kv::add(\"requests\", 1, None) {\n\
         Ok(seen) => Response::text(200, count(&body)).header(\"seen\", seen.to_string()).header(\"release\", \"1\"),\n\
         Err(error) => Response::text(403, error.to_string()),\n},",
    );
    author.add("plugin.toml", ASKS);
    author.builds();
    author.tests_that_it_counts("words are counted");

    let server = author.context.serve(&[]);
    let post = || server.send("POST", "/counter", &[], Some(b"a small fox")).answer();
    let answers_with = |release: &str| {
        within(&format!("release {release} does not serve"), || {
            (post().header("release") == Some(release)).then_some(())
        });
    };
    let look = |step| match step {
        Step::Installed => {
            within("it is not served", || (post().status != 404).then_some(()));
            let denied = post();
            assert!(denied.status == 403 && denied.body.contains("inferno:host/kv.add"), "{denied:?}");
        }
        Step::Granted | Step::Waiting | Step::RolledBack => answers_with("1"),
        Step::Upgraded => answers_with("2"),
        Step::Removed => within("it is still served", || (post().status == 404).then_some(())),
    };
    let rebuild = || {
        author.edit("src/lib.rs", "\"release\", \"1\"", "\"release\", \"2\"");
        author.builds();
    };
    let input = json!({ "method": "POST", "path": "/counter", "body": "a small fox" });
    let seen = |output: &Value| {
        let headers = output["headers"].as_array()?;
        headers.iter().find(|header| header[0] == "seen")?[1].as_str()?.parse().ok()
    };
    live(&author, &User::of(&author, input, seen), rebuild, look);
}

#[test]
fn in_javascript() {
    let author = Author::begins("short-answers", "judge", "js");
    author.tests_as_the_readme_says();
    author.builds();
    author.tests();
    author.edit("plugin.js", "import { PluginError }", "import { kv, PluginError }");
    author.edit(
        "plugin.js",
        "const most = words(config);",
        "const most = words(config);\n    const seen = kv.add(\"samples\", samples.length);",
    );
    author.edit("plugin.js", "reason: `", "reason: pass ? `${seen}` : `");
    author.add("plugin.toml", ASKS);
    author.builds();
    author.tests_that_it_counts("short answers pass");
    let input = json!({ "samples": [{ "prompt": "Say hello.", "answer": "Hello!" }] });
    let seen = |output: &Value| output[0]["reason"].as_str()?.parse().ok();
    live(&author, &User::of(&author, input, seen), || (), |_| ());
}

#[test]
fn in_python() {
    let author = Author::begins("count-words", "step", "python");
    author.tests_as_the_readme_says();
    author.edit(
        "plugin.py",
        "from inferno_plugin import Emit, Item, Outcome, Reject, failure",
        "from inferno_plugin import Emit, Item, Outcome, Reject, failure, kv",
    );
    author.edit(
        "plugin.py",
        "        record[\"words\"] = len(record[self.field].split())\n",
        "        record[\"words\"] = len(record[self.field].split())\n        record[\"seen\"] = kv.add(\"items\", 1, None)\n",
    );
    author.add("plugin.toml", ASKS);
    // Once, since it takes long; the cases that came with the folder still hold.
    author.builds();
    author.tests_that_it_counts("words are counted, and an item without text is rejected");
    let input = json!({ "items": [{ "id": "1", "data": { "text": "a small fox" } }] });
    let seen = |output: &Value| output["outcomes"][0]["emit"][0]["data"]["seen"].as_u64();
    live(&author, &User::of(&author, input, seen), || (), |_| ());
}

/// What the documentation has people type, and what they see in the end.
#[test]
fn a_step_of_ones_own_in_a_pipeline() {
    let page = std::fs::read_to_string(build::root().join("docs/src/pipeline-steps.md")).unwrap();
    let (_, walk) = page.split_once("## A step of your own").expect("the section");
    let (_, walk) = walk.split_once("```console\n").expect("what to type");
    let (walk, _) = walk.split_once("```").expect("its end");
    let (typed, seen): (Vec<_>, Vec<_>) = walk.lines().partition(|line| line.starts_with("$ "));
    assert!(typed.len() < 10, "{typed:?}");
    let author = Author::with_nothing("word-count");
    let mut said = String::new();
    for line in typed {
        said = author.types_line(line.trim_start_matches("$ "));
    }
    assert_eq!(said.lines().collect::<Vec<_>>(), seen);
}
