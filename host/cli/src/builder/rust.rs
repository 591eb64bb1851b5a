//! Rust: cargo, for `wasm32-wasip2`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::not_started;
use crate::failure::Failure;
use crate::sdk::{self, Language};
use crate::settings::Settings;

const TARGET: &str = "wasm32-wasip2";
const NO_CARGO: &str = "install Rust from https://rustup.rs, then run `rustup target add wasm32-wasip2`";

/// Flags of the user's for native programs, such as `-C target-cpu=native`, break a build for WebAssembly.
const FOREIGN: [&str; 3] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];

/// A line of what cargo says for programs.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

pub(super) fn build(folder: &Path, sdk: Option<&Path>, settings: &Settings) -> Result<(), Failure> {
    if sdk.is_some() {
        return Err(Failure::usage("--sdk is for JavaScript and Python")
            .hint("in Rust, Cargo.toml names the SDK: `inferno-sdk = { path = \"...\" }`"));
    }
    let manifest = folder.join("Cargo.toml");
    sdk_is_there(&manifest, settings)?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .stdout(Stdio::piped());
    for name in FOREIGN {
        cargo.env_remove(name);
    }
    let output =
        cargo.stderr(Stdio::inherit()).output().map_err(|error| not_started(&cargo, &error, NO_CARGO))?;
    if !output.status.success() {
        let failure = Failure::new(format!("{} does not build, see above", folder.display()));
        return Err(if target_is_installed() {
            failure
        } else {
            Failure::new(format!("the Rust target {TARGET}, which plugins are built for, is missing"))
                .hint(format!("run `rustup target add {TARGET}`"))
        });
    }
    let made = components(&output.stdout, &manifest);
    let component = match &made[..] {
        [component] => component,
        [] => {
            return Err(Failure::new(format!("{} builds no component", manifest.display())).hint(
                "a command is a program with src/main.rs; for every other role, [lib] needs crate-type = [\"cdylib\"]",
            ));
        }
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::new(format!(
                "{} builds several components: {}",
                manifest.display(),
                names.join(", ")
            ))
            .hint("a plugin is one; make the others packages of their own"));
        }
    };
    put(component, &folder.join("plugin.wasm"))
}

/// The components of this package that a build has made.
fn components(output: &[u8], manifest: &Path) -> Vec<PathBuf> {
    let manifest = manifest.canonicalize().unwrap_or_else(|_| manifest.to_owned());
    let messages = output.split(|byte| *byte == b'\n').filter_map(|line| {
        let message: Message = serde_json::from_slice(line).ok()?;
        (message.reason == "compiler-artifact" && message.manifest_path.as_ref() == Some(&manifest))
            .then_some(message.filenames)
    });
    messages.flatten().filter(|file| file.extension().is_some_and(|end| end == "wasm")).collect()
}

/// A server that looks at the folder sees the old component or the new one, never a part.
fn put(component: &Path, place: &Path) -> Result<(), Failure> {
    let fresh = place.with_extension(format!("wasm.{}", std::process::id()));
    fs::copy(component, &fresh)
        .and_then(|_| fs::rename(&fresh, place))
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", place.display())))
}

/// The cache may have been cleared since the plugin was made, or be that of another machine.
fn sdk_is_there(manifest: &Path, settings: &Settings) -> Result<(), Failure> {
    let text = fs::read_to_string(manifest)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", manifest.display())))?;
    // What is wrong with it, cargo says better.
    let Ok(table) = text.parse::<toml::Table>() else { return Ok(()) };
    let path =
        table.get("dependencies").and_then(|all| all.get("inferno-sdk")).and_then(|sdk| sdk.get("path"));
    let Some(path) = path.and_then(toml::Value::as_str) else { return Ok(()) };
    let folder = manifest.parent().unwrap_or(manifest).join(path);
    if folder.is_dir() {
        return Ok(());
    }
    let ours = sdk::folder(Language::Rust, None, &settings.cache_dir)?;
    Err(Failure::new(format!("{}: the SDK is not at {}", manifest.display(), folder.display())).hint(
        format!("write `inferno-sdk = {{ path = {} }}`", toml::Value::from(ours.display().to_string())),
    ))
}

fn target_is_installed() -> bool {
    Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}
