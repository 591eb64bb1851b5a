//! `inferno plugin replay TAPE`: runs a plugin against a tape, with nothing of the host behind it.

use std::path::Path;

use inferno_inference::models::{Config as ModelsConfig, Models};
use inferno_plugins::Incoming;
use inferno_sandbox::{Package, Recording, Tape, TapeHead};
use inferno_store::Store;
use serde::Serialize;

use super::plugin_record::{outcome, run};
use crate::args::plugin::Replay;
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::plugins::{self, Installation};
use crate::printer::Printer;
use crate::settings::Settings;

#[derive(Serialize)]
struct Report {
    plugin: String,
    /// Of the plugin that was run.
    digest: String,
    /// It is the one that the tape was made with.
    same_plugin: bool,
    role: String,
    calls: u64,
    /// Its files are not on the tape.
    folders: Vec<String>,
    same: bool,
    /// The first thing that differs.
    difference: Option<String>,
}

pub(crate) fn replay(settings: &Settings, replay: &Replay, printer: Printer) -> Outcome {
    let recording = Recording::open(&replay.tape)?;
    let head = recording.head().clone();
    let installation = Installation::read(settings)?;
    let package = match &replay.source {
        Some(source) => open(source)?,
        None => installation.find(&head.plugin)?.package.clone(),
    };
    let same_plugin = check(&package, &head, replay.allow_changed)?;
    let runtime = host::server_runtime()?;
    let played = runtime.block_on(async {
        // There is no model to be found, and nothing that was stored.
        let none = ModelsConfig { dirs: Vec::new(), hf_cache: None, foreign: Vec::new(), builtin: None };
        let inference = host::inference(settings, Models::new(none), settings.inference_sequences)?;
        let store = Store::in_memory().map_err(Failure::new)?;
        let sandbox = plugins::sandbox(settings, inference, store)?;
        let plugin = installation.load_package(&sandbox, settings, &package)?;
        let tape = Tape::replay(recording);
        let ran = run(&plugin.taped(&tape), &head).await;
        Ok::<_, Failure>(tape.finish(outcome(&ran)))
    });
    runtime.shutdown_background();
    let played = played?;
    if replay.json.json {
        let report = Report {
            plugin: head.plugin,
            digest: package.digest().to_owned(),
            same_plugin,
            role: head.role,
            calls: *played.as_ref().unwrap_or(&0),
            folders: head.folders,
            same: played.is_ok(),
            difference: played.as_ref().err().map(ToString::to_string),
        };
        printer.json(&report)?;
        return Ok(u8::from(played.is_err()));
    }
    let calls = played?;
    for folder in &head.folders {
        printer.note(format_args!("files under {folder} were read as they are now"));
    }
    printer.line(format_args!("{}: {calls} calls, as on the tape", head.plugin))?;
    Ok(0)
}

fn open(source: &Path) -> Result<Package, Failure> {
    let incoming = if source.is_dir() { Incoming::folder(source)? } else { Incoming::file(source)? };
    Ok(incoming.package().clone())
}

/// Whether it is the plugin that the tape was made with; another one only where that is meant.
fn check(package: &Package, head: &TapeHead, allow_changed: bool) -> Result<bool, Failure> {
    let name = &package.manifest().plugin.name;
    if *name != head.plugin {
        return Err(Failure::new(format!(
            "the tape is of the plugin `{}`, and this is `{name}`",
            head.plugin
        )));
    }
    let same = package.digest() == head.digest;
    if same || allow_changed {
        return Ok(same);
    }
    Err(Failure::new(format!(
        "the tape was made with `{name}` {} ({}), and this is {} ({})",
        head.version,
        head.digest,
        package.manifest().plugin.version,
        package.digest()
    ))
    .hint("--allow-changed replays it all the same, which tells where the two differ"))
}
