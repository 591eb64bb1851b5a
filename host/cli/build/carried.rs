//! Folders whose files the binary carries, as tables of names and bytes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

/// What an author needs of each SDK; the rest is for those who work on it.
const RUST: [&str; 4] = ["sdk/rust/Cargo.toml", "sdk/rust/src", "sdk/rust/README.md", "wit"];
const JS: [&str; 9] = [
    "sdk/js/.npmrc",
    "sdk/js/README.md",
    "sdk/js/bin",
    "sdk/js/install.mjs",
    "sdk/js/package-lock.json",
    "sdk/js/package.json",
    "sdk/js/src",
    "sdk/js/types",
    "sdk/js/wit",
];
const PYTHON: [&str; 6] = [
    "sdk/python/README.md",
    "sdk/python/componentize_py_types.py",
    "sdk/python/inferno_plugin",
    "sdk/python/inferno_wit",
    "sdk/python/install.py",
    "sdk/python/pyproject.toml",
];

/// One file: where it goes, and where it is.
type Carried = (String, PathBuf);

/// Writes a module with one constant for each folder.
pub(crate) fn write(root: &Path, target: &Path) -> Result<(), String> {
    let mut rust = files(root, &RUST, "")?;
    let workspace = target.with_file_name("sdk-workspace.toml");
    fs::write(&workspace, workspace_of_the_sdk(root)?).map_err(|error| failed(&workspace, &error))?;
    rust.push(("Cargo.toml".to_owned(), workspace));
    let mut text = String::new();
    constant(&mut text, "RUST", &rust)?;
    constant(&mut text, "JS", &files(root, &JS, "sdk/js/")?)?;
    constant(&mut text, "PYTHON", &files(root, &PYTHON, "sdk/python/")?)?;
    constant(&mut text, "TEMPLATES", &files(root, &["host/cli/templates"], "host/cli/templates/")?)?;
    fs::write(target, text).map_err(|error| failed(target, &error))
}

fn constant(text: &mut String, name: &str, files: &[Carried]) -> Result<(), String> {
    let mut hash = Sha256::new();
    let mut entries = String::new();
    for (place, path) in files {
        let bytes = fs::read(path).map_err(|error| failed(path, &error))?;
        hash.update(place.as_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
        let _ = writeln!(entries, "        ({place:?}, include_bytes!({:?})),", path.display().to_string());
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = writeln!(
        text,
        "pub(crate) const {name}: Carried = Carried {{\n    digest: {digest:?},\n    files: &[\n{entries}    ],\n}};"
    );
    Ok(())
}

fn files(root: &Path, parts: &[&str], prefix: &str) -> Result<Vec<Carried>, String> {
    let root = root.canonicalize().map_err(|error| failed(root, &error))?;
    let mut found = Vec::new();
    for part in parts {
        let path = root.join(part);
        // A README that nobody has written yet is no mistake; anything else that is missing shows when it is used.
        if path.exists() {
            collect(&path, &mut found)?;
        }
    }
    found.sort();
    let mut files = Vec::new();
    for path in found {
        println!("cargo::rerun-if-changed={}", path.display());
        let place = path.strip_prefix(&root).map_err(|error| format!("{}: {error}", path.display()))?;
        let place = place.to_string_lossy().replace('\\', "/");
        files.push((place.strip_prefix(prefix).unwrap_or(&place).to_owned(), path));
    }
    Ok(files)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    println!("cargo::rerun-if-changed={}", path.display());
    for entry in fs::read_dir(path).map_err(|error| failed(path, &error))? {
        let entry = entry.map_err(|error| failed(path, &error))?;
        if entry.file_name() != "__pycache__" && entry.file_name() != "node_modules" {
            collect(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// The Rust SDK takes versions and lints from its workspace; away from it, it gets one with what it needs.
fn workspace_of_the_sdk(root: &Path) -> Result<String, String> {
    let read = |path: PathBuf| -> Result<Table, String> {
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        text.parse().map_err(|error| format!("{}: {error}", path.display()))
    };
    let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
    let own = table(read(root.join("sdk/rust/Cargo.toml"))?.get("dependencies"));
    let mut workspace = table(read(root.join("Cargo.toml"))?.get("workspace"));
    workspace.retain(|key, _| ["resolver", "package", "dependencies", "lints"].contains(&key));
    if let Some(Value::Table(dependencies)) = workspace.get_mut("dependencies") {
        dependencies.retain(|name, _| own.contains_key(name));
    }
    workspace.insert("members".to_owned(), Value::Array(vec!["sdk/rust".into()]));
    let whole = Table::from_iter([("workspace".to_owned(), Value::Table(workspace))]);
    toml::to_string(&whole).map_err(|error| format!("the workspace of the SDK: {error}"))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
