//! The repository keeps its own rules: import arrows, file sizes, where `unsafe` lives, and links that resolve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each crate may import, as ARCHITECTURE.md draws it.
const ARROWS: &[(&str, &[&str])] = &[
    ("inferno-backend", &[]),
    ("inferno-formats", &[]),
    ("inferno-models", &["inferno-formats"]),
    ("inferno-store", &[]),
    ("inferno-backend-echo", &["inferno-backend"]),
    ("inferno-backend-gguf", &["inferno-backend", "inferno-backend-text"]),
    ("inferno-backend-onnx", &["inferno-backend", "inferno-backend-text"]),
    ("inferno-backend-text", &["inferno-backend"]),
    ("inferno-inference", &["inferno-backend", "inferno-models"]),
    ("inferno-sandbox", &["inferno-inference", "inferno-models", "inferno-store"]),
    ("inferno-server", &["inferno-sandbox", "inferno-store"]),
    (
        "inferno",
        &[
            "inferno-backend",
            "inferno-backend-echo",
            "inferno-backend-gguf",
            "inferno-backend-onnx",
            "inferno-inference",
            "inferno-models",
            "inferno-plugins",
            "inferno-sandbox",
            "inferno-server",
            "inferno-store",
        ],
    ),
    ("inferno-sdk", &[]),
    ("inferno-plugin-anthropic", &["inferno-sdk"]),
    ("inferno-plugin-convert", &["inferno-formats", "inferno-sdk"]),
    ("inferno-plugin-gateway", &["inferno-sdk"]),
    ("inferno-plugin-ollama", &["inferno-sdk"]),
    ("inferno-plugin-pipeline", &["inferno-sdk"]),
    ("inferno-hello-command", &["inferno-sdk"]),
    ("inferno-redact-filter", &["inferno-sdk"]),
    ("inferno-folder-step", &["inferno-sdk"]),
    ("inferno-file-catalog", &["inferno-sdk"]),
    ("inferno-plugins", &["inferno-sandbox"]),
    ("xtask", &[]),
];

/// Crates that one room alone may name.
const PRIVATE: &[(&str, &[&str])] = &[
    ("wasmtime", &["inferno-sandbox", "inferno-bench"]),
    ("wasmtime-wasi", &["inferno-sandbox", "inferno-bench"]),
    ("wasmtime-wasi-http", &["inferno-sandbox"]),
    ("llama-cpp-2", &["inferno-backend-gguf", "inferno-backend-text", "inferno-bench"]),
    ("llama-cpp-sys-2", &["inferno-backend-gguf"]),
    ("rusqlite", &["inferno-plugin-pipeline", "inferno-store"]),
    // The ONNX backend looks at a runtime's version before it is used.
    ("libloading", &["inferno-backend", "inferno-backend-onnx"]),
    ("ort", &["inferno-backend-onnx"]),
    ("tokenizers", &["inferno-backend-onnx"]),
    ("hyper", &["inferno-sandbox", "inferno-server", "inferno-bench", "inferno-tests"]),
];

/// Each crate's ordinary dependencies, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|p| (text(&p["name"]), ordinary(&p["dependencies"]))).collect()
}

fn ordinary(dependencies: &serde_json::Value) -> BTreeSet<String> {
    let all = dependencies.as_array().expect("dependencies").iter();
    all.filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a parent folder").to_owned()
}

/// Every tracked or new file with this ending, so that build output does not count.
fn files(ending: &str) -> Vec<PathBuf> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    let names = String::from_utf8(out.stdout).expect("file names are UTF-8");
    let paths: Vec<PathBuf> = names
        .lines()
        .filter(|n| n.ends_with(ending))
        .map(|n| root().join(n))
        .filter(|p| p.exists())
        .collect();
    assert!(!paths.is_empty(), "git lists no {ending} files");
    paths
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn crates_import_only_along_the_arrows() {
    let all = dependencies();
    for (name, allowed) in ARROWS {
        let ours = all.get(*name).unwrap_or_else(|| panic!("there is no crate {name}")).iter();
        let wrong: Vec<_> = ours.filter(|d| all.contains_key(*d) && !allowed.contains(&d.as_str())).collect();
        assert!(wrong.is_empty(), "{name} may not import {wrong:?}: see the arrows in ARCHITECTURE.md");
    }
}

#[test]
fn engines_are_named_in_their_rooms_only() {
    for (name, dependencies) in dependencies() {
        for (private, rooms) in PRIVATE {
            let fine = !dependencies.contains(*private) || rooms.contains(&name.as_str());
            assert!(fine, "{name} names {private}, which only {rooms:?} may");
        }
    }
}

#[test]
fn files_have_one_purpose_and_so_few_lines() {
    let mut sizes: Vec<(usize, PathBuf)> =
        files(".rs").into_iter().map(|p| (read(&p).lines().count(), p)).collect();
    sizes.sort();
    let (longest, path) = sizes.last().expect("there are files");
    assert!(*longest <= 600, "{} has {longest} lines; split it", path.display());
    let at_90 = sizes[sizes.len() * 9 / 10].0;
    assert!(at_90 <= 420, "a tenth of the files have over {at_90} lines");
}

#[test]
fn unsafe_lives_in_the_backend_rooms_only() {
    let block = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains("unsafe {")
            || code.contains("unsafe fn")
            || code.contains("unsafe impl")
            || code.contains("unsafe extern")
    };
    for path in files(".rs") {
        let relative = path.strip_prefix(root()).expect("under the root").to_owned();
        let allowed = relative.starts_with("host/backend")
            || relative.starts_with("host/backends")
            || relative.ends_with("tidy.rs");
        let found = read(&path).lines().position(block);
        assert!(
            allowed || found.is_none(),
            "{}:{}: unsafe outside the backend rooms",
            relative.display(),
            found.unwrap_or(0) + 1
        );
    }
}

#[test]
fn silenced_lints_say_why() {
    for path in files(".rs").into_iter().filter(|p| !p.ends_with("tidy.rs")) {
        for (number, line) in read(&path).lines().enumerate() {
            let silenced =
                line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(");
            // Whether a lint fires in generated code is not ours to expect.
            let fine = !silenced || line.contains("reason = \"generated\"");
            assert!(fine, "{}:{}: use #[expect(lint, reason = \"…\")]", path.display(), number + 1);
        }
    }
}

#[test]
fn links_in_the_documents_resolve() {
    for path in files(".md") {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            let found = path.parent().expect("a folder").join(file);
            assert!(found.exists(), "{}: the link {target} leads nowhere", path.display());
        }
    }
}

#[test]
fn the_book_lists_each_of_its_pages() {
    let summary = read(&root().join("docs/src/SUMMARY.md"));
    for page in files(".md").into_iter().filter(|p| p.parent().is_some_and(|d| d.ends_with("docs/src"))) {
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "docs/src/SUMMARY.md does not list {name}"
        );
    }
}
