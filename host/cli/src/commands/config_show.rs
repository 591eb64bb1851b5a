//! `inferno config show`.

use serde::Serialize;

use crate::args::Json;
use crate::failure::Outcome;
use crate::printer::{Printer, visible};
use crate::settings::{Entry, Origin, Settings};

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    value: &'a serde_json::Value,
    origin: ShownOrigin,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ShownOrigin {
    CommandLine { option: &'static str },
    Variable { name: String },
    File { path: String, line: usize },
    Default,
}

pub(crate) fn show(settings: &Settings, json: Json, printer: Printer) -> Outcome {
    if json.json {
        printer.json(&settings.entries.iter().map(shown).collect::<Vec<_>>())?;
    } else {
        let rows: Vec<Vec<String>> = settings
            .entries
            .iter()
            .map(|entry| vec![entry.key.clone(), text(&entry.value), entry.origin.to_string()])
            .collect();
        printer.table(&["KEY", "VALUE", "FROM"], &rows)?;
    }
    Ok(0)
}

fn shown(entry: &Entry) -> Shown<'_> {
    let origin = match &entry.origin {
        Origin::CommandLine { option } => ShownOrigin::CommandLine { option },
        Origin::Variable { name } => ShownOrigin::Variable { name: name.clone() },
        Origin::File { path, line } => ShownOrigin::File { path: path.display().to_string(), line: *line },
        Origin::Default => ShownOrigin::Default,
    };
    Shown { key: &entry.key, value: &entry.value, origin }
}

fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "(none)".to_owned(),
        serde_json::Value::String(text) => visible(text),
        other => other.to_string(),
    }
}
