//! Plugins that have converters work on folders that they were lent themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use inferno_sandbox::{Plugin, Recording, Tape, TapeHead};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::{ROLES, guest};
use crate::lab::{Lab, ask, manifest, ok};

const ASKS: &str = "[asks]\nplugins = ['roles']\nfiles = [{ path = '/docs', access = 'read', why = 'x' }, { path = '/out', access = 'write' }]\n";

/// `docs` with a model and ways out of it, `out`, and beside them what nobody may reach.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = TempDir::new().unwrap();
        let root = tree.path();
        for folder in ["docs/inner", "out/inner", "private"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("docs/model.txt"), "a model").unwrap();
        fs::write(root.join("docs/inner/model.txt"), "another").unwrap();
        fs::write(root.join("private/model.txt"), "not for you").unwrap();
        symlink("inner", root.join("docs/link")).unwrap();
        for (to, name) in [("../private", "docs/up"), ("../private", "out/up")] {
            symlink(to, root.join(name)).unwrap();
        }
        symlink(root.join("private"), root.join("docs/away")).unwrap();
        Self(tree)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn grants(&self, plugins: &str, out: &str) -> String {
        let root = self.0.path().display();
        format!(
            "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nplugins = [{plugins}]\nfiles = [{{ path = '/docs', host = '{root}/docs', access = 'read' }}, {{ path = '/out', host = '{root}/out', access = '{out}' }}]"
        )
    }

    fn probe(&self, lab: &Lab) -> Plugin {
        converter(lab);
        lab.granted(ASKS, &self.grants("'roles'", "write"))
    }
}

/// A converter at hand.
fn converter(lab: &Lab) {
    let plugin = lab.load(&manifest("roles", "[roles.converter]", ""), guest(ROLES)).unwrap();
    lab.sandbox.registry().insert(plugin);
}

fn call(input: &str, output: &str) -> String {
    format!("/probe/convert?plugin=roles&input={input}&output={output}")
}

/// Why it is refused.
async fn refused(probe: &Plugin, call: &str) -> String {
    let (status, text) = ask(probe, call, "").await.unwrap();
    assert_eq!(status, 409, "{call}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_hands_on_folders_that_it_was_lent() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    assert_eq!(ok(&probe, "/probe/routes?plugin=roles", "").await, "text-upper");
    assert_eq!(ok(&probe, &call("/docs", "/out"), "").await, "part/model.txt");
    assert_eq!(tree.read("out/part/model.txt").unwrap(), "A MODEL");
    for (number, input) in ["/docs/inner", "/docs/link", "/docs/inner/../inner"].iter().enumerate() {
        fs::create_dir(tree.path(&format!("out/{number}"))).unwrap();
        assert_eq!(ok(&probe, &call(input, &format!("/out/{number}")), "").await, "part/model.txt");
        assert_eq!(tree.read(&format!("out/{number}/part/model.txt")).unwrap(), "ANOTHER", "{input}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_work_at_once() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    let text = ok(&probe, "/probe/convert-two?plugin=roles&input=/docs&output=/out/inner", "").await;
    assert_eq!(text, "a b");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_folder_is_reached() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    for (input, output) in [
        ("/docs/up", "/out"),
        ("/docs/away", "/out"),
        ("/docs/../private", "/out"),
        ("/docs/none", "/out"),
        ("/docs/model.txt", "/out"),
        ("/docs", "/out/up"),
        ("/docs", "/out/../private"),
    ] {
        let why = refused(&probe, &call(input, output)).await;
        assert!(why.starts_with("ErrorKind::NotFound") && why.contains("cannot be opened"), "{why}");
    }
    let private = tree.path("private").display().to_string();
    for (input, output) in
        [(&*private, "/out"), ("/", "/out"), ("/docs", "/etc"), ("docs", "/out"), ("/documents", "/out")]
    {
        let why = refused(&probe, &call(input, output)).await;
        assert!(why.starts_with("ErrorKind::Denied") && why.contains("lies in none of the folders"), "{why}");
        assert!(why.ends_with("the folders that it was lent: /docs, /out"), "{why}");
    }
    let why = refused(&probe, &call("/docs", "/docs/inner")).await;
    assert!(why.contains("lies in \"/docs\", which it was lent for reading alone"), "{why}");
    assert_eq!(fs::read_dir(tree.path("private")).unwrap().count(), 1);
    assert!(tree.read("docs/inner/part/model.txt").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converter_reads_the_one_and_writes_the_other_and_no_more() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    // What it reads is read-only to it, even where its caller may write there.
    for input in ["/docs", "/out"] {
        let why = refused(&probe, &format!("{}&config=escape", call(input, "/out/inner"))).await;
        assert!(why.contains("plugin \"roles\": reached: "), "{why}");
        assert_eq!(why.lines().nth(1).unwrap().trim_end(), "plugin \"roles\": reached:", "{why}");
    }
    assert_eq!(tree.read("docs/model.txt").unwrap(), "a model");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_and_the_folder_must_be_granted() {
    let (lab, tree) = (Lab::new(), Tree::new());
    converter(&lab);
    let other = lab.granted(ASKS, &tree.grants("'other'", "write"));
    for call in [call("/docs", "/out"), "/probe/routes?plugin=roles".to_owned()] {
        let why = refused(&other, &call).await;
        assert!(why.starts_with("ErrorKind::Denied\nplugin \"probe\" called inferno:host/plugins."), "{why}");
        assert!(why.contains("plugins = [\"other\", \"roles\"]"), "the line that would grant it: {why}");
    }
    let reader = lab.granted(ASKS, &tree.grants("'roles'", "read"));
    let why = refused(&reader, &call("/docs", "/out")).await;
    assert!(why.starts_with("ErrorKind::Denied") && why.contains("for reading alone"), "{why}");
    lab.sandbox.registry().remove("roles");
    let why = refused(&reader, &call("/docs", "/out")).await;
    assert!(why.contains("no plugin named \"roles\" is at hand"), "{why}");
    let lent_none = lab.granted("[asks]\nplugins = ['roles']\n", &tree.grants("'roles'", "write"));
    converter(&lab);
    let why = refused(&lent_none, &call("/docs", "/out")).await;
    assert!(why.ends_with("the folders that it was lent: none"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_and_lies_are_found() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let probe = tree.probe(&lab);
    for (config, expect) in [
        ("refuse", "ErrorKind::Exhausted\nplugin \"roles\": I have had enough\nask tomorrow"),
        ("panic", "ErrorKind::Internal\nplugin \"roles\" crashed: "),
        (
            "lie+nothing",
            "ErrorKind::Internal\nplugin \"roles\" does not keep to its role converter: it says that it wrote",
        ),
    ] {
        let why = refused(&probe, &format!("{}&config={config}", call("/docs", "/out"))).await;
        assert!(why.starts_with(expect), "{config}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_what_came_of_it_and_converts_nothing() {
    let (lab, tree) = (Lab::new(), Tree::new());
    let file = tree.path("run.tape");
    let uri = call("/docs", "/out");
    let run = async |plugin: &Plugin, tape: &Tape| {
        let (status, text) = ask(&plugin.taped(tape), &uri, "").await.unwrap();
        tape.finish(json!({ "status": status, "text": text })).unwrap();
        text
    };
    let probe = tree.probe(&lab);
    let tape = Tape::record(&file, TapeHead::now(&probe, "http", Vec::new(), Value::Null)).unwrap();
    assert_eq!(run(&probe, &tape).await, "part/model.txt");
    fs::remove_dir_all(tree.path("out/part")).unwrap();
    lab.sandbox.registry().remove("roles");
    let tape = Tape::replay(Recording::open(&file).unwrap());
    assert_eq!(run(&probe, &tape).await, "part/model.txt");
    assert!(tree.read("out/part/model.txt").is_none());
}
