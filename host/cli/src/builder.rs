//! Makes the component of a plugin's folder, with the tools of its language.

mod python;
mod rust;
mod script;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inferno_plugins::Incoming;
use inferno_store::Store;

use crate::failure::Failure;
use crate::sdk::Language;
use crate::settings::Settings;
use crate::{host, plugins};

/// What a plugin's folder is written in.
pub(crate) fn language(folder: &Path) -> Result<Language, Failure> {
    let has = |name: &str| folder.join(name).is_file();
    if !has("plugin.toml") {
        return Err(Failure::usage(format!(
            "{} is no plugin's folder: it has no plugin.toml",
            folder.display()
        ))
        .hint("`inferno plugin new` makes one"));
    }
    match () {
        () if has("Cargo.toml") => Ok(Language::Rust),
        () if has("plugin.js") || has("plugin.ts") => Ok(Language::Js),
        () if has("plugin.py") => Ok(Language::Python),
        () => Err(Failure::usage(format!("there is nothing to build in {}", folder.display()))
            .hint("it needs a Cargo.toml, a plugin.js or plugin.ts, or a plugin.py")),
    }
}

/// Builds `plugin.wasm` beside `plugin.toml`, and checks both. What the tools say goes to standard error.
pub(crate) fn build(folder: &Path, sdk: Option<&Path>, settings: &Settings) -> Result<Incoming, Failure> {
    // A mistake in the manifest is known in an instant, and the build may take minutes.
    let language = language(folder)?;
    let manifest = folder.join("plugin.toml");
    let text = std::fs::read_to_string(&manifest)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", manifest.display())))?;
    inferno_sandbox::Manifest::parse(&manifest.display().to_string(), &text)?;
    match language {
        Language::Rust => rust::build(folder, sdk, settings)?,
        Language::Js => script::build(folder, sdk, settings)?,
        Language::Python => python::build(folder, sdk, settings)?,
    }
    checked(Incoming::folder(folder)?, settings)
}

/// Fails where this version of Inferno could not run it. It is compiled for that, and kept in the cache.
pub(crate) fn checked(incoming: Incoming, settings: &Settings) -> Result<Incoming, Failure> {
    let runtime = host::runtime()?;
    let _inside = runtime.enter();
    let inference = host::inference(settings, host::models(settings)?, 1)?;
    let store = Store::in_memory().map_err(Failure::new)?;
    let sandbox = plugins::sandbox(settings, inference, store)?;
    sandbox.load(incoming.package().clone(), &inferno_sandbox::Grants::default(), serde_json::Map::new())?;
    Ok(incoming)
}

/// Where the tools for a language are put; a folder of its own for each SDK.
fn tools(language: Language, sdk: &Path, settings: &Settings) -> PathBuf {
    let name = short_digest(sdk);
    crate::sdk::place(&settings.cache_dir).join(format!("{}-tools-{name}", language.word()))
}

fn short_digest(path: &Path) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(path.as_os_str().as_encoded_bytes())[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Runs a tool to its end. What it has to say to people it says on standard error.
fn run(command: &mut Command, missing: &str, failed: &str) -> Result<(), Failure> {
    let status =
        command.stdout(Stdio::null()).status().map_err(|error| not_started(command, &error, missing))?;
    if status.success() { Ok(()) } else { Err(Failure::new(failed)) }
}

fn not_started(command: &Command, error: &io::Error, missing: &str) -> Failure {
    let program = command.get_program().to_string_lossy();
    if error.kind() == io::ErrorKind::NotFound {
        Failure::new(format!("`{program}` is needed, and it is not installed")).hint(missing)
    } else {
        Failure::new(format!("cannot start `{program}`: {error}"))
    }
}
