//! Runs of plugins on tape: recorded with everything behind them, and had again with nothing.

use std::fs;
use std::path::{Path, PathBuf};

use inferno_tests::{Finished, TestContext, build};
use serde_json::{Value, json};

const MANIFEST: &str = "[plugin]\nname = \"probe\"\nversion = \"1.0.0\"\ndescription = \"A test\"\nlicense = \"MIT\"\nwit = \"0.1\"\n\
    [roles.http]\nmounts = [\"/probe\"]\n[asks]\nkv = true\ninference = { models = [\"*\"] }\n";

/// Somebody with a plugin, a model and a tape of both.
struct Author {
    context: TestContext,
    model: PathBuf,
}

impl Author {
    /// Makes the tape, and gives what the run produced.
    fn record() -> (Self, String) {
        let context = TestContext::new();
        let component = build::plugin("inferno-guest-probe", "inferno_guest_probe");
        context.install_plugin("probe", MANIFEST, &component);
        context.product(&["plugin", "grant", "probe", "kv", "inference=*"]);
        let model = context.models().join("tale.gguf");
        fs::copy(context.storyteller(), &model).unwrap();
        let input = json!({ "method": "POST", "path": "/probe/day?model=tale&tokens=12", "body": "Tell me a story." });
        fs::write(context.home().join("input.json"), input.to_string()).unwrap();
        let args = ["plugin", "record", "probe", "--tape", "day.tape", "--input", "input.json"];
        let product = context.product(&args);
        (Self { context, model }, product)
    }

    fn tape(&self) -> PathBuf {
        self.context.home().join("day.tape")
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.tape()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Value>)) {
        let mut lines = self.lines();
        change(&mut lines);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.tape(), text).unwrap();
    }

    fn replay(&self, more: &[&str]) -> Finished {
        self.context.run(&[&["plugin", "replay", "day.tape"], more].concat())
    }

    fn fails(&self, more: &[&str], words: &[&str]) {
        let finished = self.replay(more);
        assert_eq!(finished.status, Some(1), "{finished:?}");
        assert!(words.iter().all(|word| finished.stderr.contains(word)), "{words:?}: {finished:?}");
    }
}

fn number_of(lines: &[Value], name: &str) -> u64 {
    lines.iter().find(|line| line["call"]["name"] == name).unwrap()["call"]["number"].as_u64().unwrap()
}

#[test]
fn a_run_is_had_again_without_the_model() {
    let (author, product) = Author::record();
    let answer: Value = serde_json::from_str(&product).unwrap();
    assert_eq!(answer["status"], 200, "{product}");
    let lines = author.lines();
    assert_eq!(lines.last().unwrap()["end"]["outcome"]["answer"], answer);
    let model = number_of(&lines, "inferno:host/inference.complete");
    let done = lines.iter().find(|line| line["done"]["number"] == model).unwrap();
    let told = author.context.product(&["models", "info", "tale", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(done["done"]["note"]["digest"], told["digest"], "{told}");
    assert!(done["done"]["note"]["seed"].is_u64(), "{done}");

    // Neither the model nor what was stored nor the grants are there any more.
    fs::remove_file(&author.model).unwrap();
    fs::remove_file(author.context.data().join("inferno.db")).unwrap();
    author.context.write_grants("");
    for _ in 0..2 {
        let finished = author.replay(&[]);
        assert_eq!(finished.status, Some(0), "{finished:?}");
        assert!(finished.stdout.contains("calls, as on the tape"), "{finished:?}");
    }
    let report: Value = serde_json::from_str(&author.replay(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&report["same"], &report["same_plugin"], &report["difference"]),
        (&json!(true), &json!(true), &Value::Null)
    );
    assert_eq!(report["calls"], lines.last().unwrap()["end"]["calls"]);
    assert!(!author.context.data().join("inferno.db").exists(), "a replay stores nothing");
}

#[test]
fn a_tape_that_was_changed_fails_and_names_the_call() {
    let (author, _) = Author::record();
    let lines = author.lines();
    let add = number_of(&lines, "inferno:host/kv.add");
    let of = |lines: &mut Vec<Value>, kind: &str, number: u64| {
        lines.iter().position(|line| line[kind]["number"] == number).unwrap()
    };
    author.change(|lines| {
        let call = of(lines, "call", add);
        lines[call]["call"]["args"]["key"] = json!("nights");
    });
    author.fails(
        &[],
        &[&format!("call {add} (inferno:host/kv.add): at key: expected \"nights\", found \"days\"")],
    );
    let report: Value = serde_json::from_str(&author.replay(&["--json"]).stdout).unwrap();
    assert_eq!(report["same"], false, "{report}");
    assert!(report["difference"].as_str().unwrap().contains("kv.add"), "{report}");

    author.change(|lines| {
        let call = of(lines, "call", add);
        lines[call]["call"]["args"]["key"] = json!("days");
        let model = number_of(lines, "inferno:host/inference.complete");
        let done = of(lines, "done", model);
        lines[done]["done"]["result"]["Ok"]["text"] = json!("Another story.");
    });
    author.fails(&[], &["what came of it: at answer."]);

    let text = fs::read_to_string(author.tape()).unwrap();
    fs::write(author.tape(), &text[..text.len() / 2]).unwrap();
    author.fails(&[], &["cannot read the tape day.tape: it breaks off in line "]);
    fs::write(author.tape(), "\u{1b}[31mnot a tape").unwrap();
    author.fails(&[], &["cannot read the tape day.tape: it breaks off in line 1"]);
}

#[test]
fn another_plugin_is_replayed_only_where_that_is_meant() {
    let (author, _) = Author::record();
    let folder = author.context.data().join("plugins/probe");
    let changed = author.context.home().join("changed");
    fs::create_dir_all(&changed).unwrap();
    fs::copy(folder.join("plugin.wasm"), changed.join("plugin.wasm")).unwrap();
    fs::write(changed.join("plugin.toml"), MANIFEST.replace("1.0.0", "1.0.1")).unwrap();
    author.fails(&["changed"], &["the tape was made with `probe` 1.0.0", "this is 1.0.1", "--allow-changed"]);
    // The new build does the same.
    let finished = author.replay(&["changed", "--allow-changed"]);
    assert_eq!(finished.status, Some(0), "{finished:?}");

    // Another one does not: it is asked for the same and calls nothing.
    let component = build::plugin("inferno-guest-proxy", "inferno_guest_proxy");
    fs::copy(component, changed.join("plugin.wasm")).unwrap();
    author.fails(&["changed", "--allow-changed"], &["the run differs from the tape: call 1"]);

    fs::write(changed.join("plugin.toml"), MANIFEST.replace("\"probe\"", "\"other\"")).unwrap();
    author
        .fails(&["changed", "--allow-changed"], &["the tape is of the plugin `probe`, and this is `other`"]);
}

#[test]
fn a_command_is_recorded_as_it_runs() {
    let context = TestContext::new();
    let manifest = MANIFEST.replace("[roles.http]\nmounts = [\"/probe\"]\n", "[roles.command]\n");
    let (manifest, _) = manifest.split_once("[asks]").unwrap();
    let component: &Path = &build::plugin("inferno-guest-verb", "inferno-guest-verb");
    context.install_plugin("verb", &manifest.replace("probe", "verb"), component);
    fs::write(context.home().join("in.txt"), "what a day\n").unwrap();
    let args = ["plugin", "record", "verb", "-t", "say.tape", "-i", "in.txt", "--", "say", "bye"];
    let recorded = context.run(&args);
    assert_eq!(recorded.status, Some(0), "{recorded:?}");
    assert!(recorded.stdout.ends_with("WHAT A DAY\nbye"), "{recorded:?}");
    let again = context.run(&args);
    assert_eq!(again.status, Some(1), "{again:?}");
    assert!(again.stderr.contains("a tape is never written over"), "{again:?}");

    fs::remove_file(context.home().join("in.txt")).unwrap();
    let replayed = context.run(&["plugin", "replay", "say.tape"]);
    assert_eq!(replayed.status, Some(0), "{replayed:?}");
    assert!(replayed.stdout.starts_with("verb: "), "a replay prints nothing of the plugin's: {replayed:?}");

    // A command that fails fails in the replay as well, which is as it should be.
    let failed = context.run(&["plugin", "record", "verb", "-t", "exit.tape", "--", "exit", "1"]);
    assert_eq!(failed.status, Some(1), "{failed:?}");
    assert_eq!(context.run(&["plugin", "replay", "exit.tape"]).status, Some(0));
}
