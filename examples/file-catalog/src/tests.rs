//! Searches in directories of index files.

use std::fs;

use inferno_sdk::ErrorKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::index::Index;

fn entry(name: &str, version: &str, summary: &str) -> Value {
    json!({
        "kind": "model", "name": name, "version": version, "summary": summary,
        "artifacts": [{
            "url": format!("https://models.example.com/{name}-{version}.gguf"),
            "digest": format!("sha256:{}", "0a".repeat(32)),
            "size": 1024,
        }],
    })
}

fn catalog(files: &[(&str, String)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn index() -> Index {
    let a = json!([entry("tiny", "1.9.0", "Old"), entry("fox", "0.1.0", "Tells Stories of foxes")]);
    let b = json!([entry("tiny", "1.10.0", "A small model"), entry("tiny", "2.0.0-beta.1", "Unfinished")]);
    let dir =
        catalog(&[("a.json", a.to_string()), ("b.json", b.to_string()), ("notes.txt", "no".to_owned())]);
    Index::read(dir.path()).unwrap()
}

#[test]
fn a_search_finds_names_and_summaries_in_all_files() {
    let found = |query: &str| -> Vec<String> {
        let page = index().search(query, None);
        assert_eq!(page.next, None);
        page.entries.into_iter().map(|entry| format!("{} {}", entry.name, entry.version)).collect()
    };
    assert_eq!(found(""), ["fox 0.1.0", "tiny 1.10.0"]);
    assert_eq!(found("stories FOX"), ["fox 0.1.0"]);
    assert_eq!(found("small"), ["tiny 1.10.0"]);
    assert!(found("stories tiny").is_empty());
}

#[test]
fn pages_follow_one_another_without_gaps() {
    let entries: Vec<_> = (0..120).map(|n| entry(&format!("m{n:03}"), "1.0.0", "")).collect();
    let dir = catalog(&[("all.json", Value::from(entries).to_string())]);
    let index = Index::read(dir.path()).unwrap();
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    let mut pages = 0;
    loop {
        let page = index.search("m", cursor.as_deref());
        names.extend(page.entries.into_iter().map(|entry| entry.name));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(names, (0..120).map(|n| format!("m{n:03}")).collect::<Vec<_>>());
}

#[test]
fn an_entry_resolves_to_what_is_to_be_downloaded() {
    let url = |version| index().resolve("tiny", version).unwrap().remove(0).url;
    assert_eq!(url(None), "https://models.example.com/tiny-1.10.0.gguf");
    assert_eq!(url(Some("1.9.0")), "https://models.example.com/tiny-1.9.0.gguf");
    assert_eq!(url(Some("2.0.0-beta.1")), "https://models.example.com/tiny-2.0.0-beta.1.gguf");
    let artifact = index().resolve("fox", None).unwrap().remove(0);
    assert_eq!((artifact.digest, artifact.size_bytes), (format!("sha256:{}", "0a".repeat(32)), 1024));
}

#[test]
fn what_is_not_there_is_said() {
    let error = |name, version| index().resolve(name, version).unwrap_err();
    assert_eq!(error("wolf", None).kind, ErrorKind::NotFound);
    assert_eq!(error("wolf", Some("1.0.0")).to_string(), "the catalog has no \"wolf\"");
    assert_eq!(
        error("tiny", Some("3.0.0")).to_string(),
        "tiny has no version 3.0.0. It has 2.0.0-beta.1, 1.10.0, 1.9.0."
    );
    let dir = catalog(&[]);
    assert_eq!(Index::read(&dir.path().join("none")).err().unwrap().kind, ErrorKind::Unavailable);
}

#[test]
fn a_broken_index_is_named_with_the_place() {
    let check = |change: &dyn Fn(&mut Value), expect: &str| {
        let mut entry = entry("tiny", "1.0.0", "");
        change(&mut entry);
        let dir = catalog(&[("a.json", json!([entry]).to_string())]);
        let error = Index::read(dir.path()).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("a.json is broken") && error.message.contains(expect), "{error}");
    };
    check(&|entry| entry["version"] = json!("one"), "line 1 column");
    check(&|entry| entry["kind"] = json!("thing"), "`model`, `plugin`, `pipeline`");
    check(&|entry| entry["sumary"] = json!(""), "unknown field `sumary`");
    check(&|entry| entry["name"] = json!(""), "an empty name");
    check(&|entry| entry["artifacts"] = json!([]), "\"tiny\" has no artifacts");
    check(&|entry| entry["artifacts"][0]["digest"] = json!("sha256:0"), "64 hexadecimal digits");
    check(&|entry| entry["artifacts"][0]["url"] = json!("tiny.gguf"), "from https:// on");
}
