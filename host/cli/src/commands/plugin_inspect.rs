//! `inferno plugin inspect FILE`: what a plugin could do, in words. Nothing is run.

use std::path::Path;

use inferno_plugins::{Incoming, Inspection, Interface};

use crate::args::Json;
use crate::failure::Outcome;
use crate::printer::{Printer, bytes};

pub(crate) fn inspect(source: &Path, json: Json, printer: Printer) -> Outcome {
    let incoming = if source.is_dir() { Incoming::folder(source)? } else { Incoming::file(source)? };
    let inspection = incoming.inspect()?;
    if json.json {
        printer.json(&inspection)?;
        return Ok(0);
    }
    printer.facts(&facts(&inspection))?;
    for warning in &inspection.warnings {
        printer.warning(&warning.text);
    }
    Ok(0)
}

fn facts(inspection: &Inspection) -> Vec<(&'static str, String)> {
    let interfaces = |list: &[Interface]| {
        let name = |one: &Interface| match &one.version {
            Some(version) => format!("{}@{version}", one.name),
            None => one.name.clone(),
        };
        or_nothing(list.iter().map(name).collect::<Vec<_>>().join("\n"))
    };
    let words = inspection.asks.iter().map(|ask| ask.word.clone()).collect::<Vec<_>>();
    vec![
        ("name", inspection.name.clone()),
        ("version", inspection.version.clone()),
        ("description", inspection.description.clone()),
        ("licence", inspection.license.clone()),
        ("roles", inspection.roles.join(", ")),
        ("signed by", inspection.signer.map_or_else(|| "nobody".to_owned(), |key| key.to_string())),
        ("digest", inspection.digest.clone()),
        ("size", bytes(inspection.size)),
        (
            "built from",
            inspection
                .built_from
                .map_or_else(|| "it does not say".to_owned(), |count| format!("{count} packages")),
        ),
        ("asks for", or_nothing(words.join("\n"))),
        ("it may", or_nothing(inspection.may.join("\n"))),
        ("never", inspection.never.clone()),
        ("imports", interfaces(&inspection.imports)),
        ("exports", interfaces(&inspection.exports)),
    ]
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text }
}
