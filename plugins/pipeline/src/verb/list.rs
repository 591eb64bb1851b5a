//! `inferno pipeline list`: the pipelines in a folder.

use std::path::Path;

use serde_json::{Value, json};

use super::status::{when, word};
use super::{print, print_json, say, table};
use crate::args::List;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::file::{self, Form};
use crate::session::Script;

pub(super) fn list(list: &List) -> Result<(), Error> {
    let failed = |error| Error::file("read", &list.folder, &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&list.folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    let ending = |path: &Path| path.extension().and_then(|ending| ending.to_str()).map(str::to_owned);
    found.retain(|path| matches!(ending(path).as_deref(), Some("toml" | "yaml" | "yml")));
    found.sort();
    let pipelines: Vec<Value> = found.iter().filter_map(|path| described(path)).collect();
    if list.json {
        return print_json(&json!(pipelines));
    }
    if pipelines.is_empty() {
        say("There is no pipeline here. `inferno pipeline new NAME` writes one.");
    }
    let rows: Vec<_> = pipelines.iter().map(row).collect();
    print(&table(&rows))
}

/// A file that looks like a pipeline, which others of TOML or YAML do not.
fn described(path: &Path) -> Option<Value> {
    let script = Script::read(path).ok()?;
    if !file::is_pipeline(&script.text, Form::of(path)) {
        return None;
    }
    let path = path.strip_prefix(".").unwrap_or(path);
    let Ok(file) = script.parse() else {
        return Some(json!({ "file": path, "state": "broken" }));
    };
    let checkpoint = Checkpoint::read(&script.run_state(&file)).ok().flatten();
    let state = checkpoint.as_ref().map_or("new", |checkpoint| word(checkpoint.phase));
    Some(json!({
        "file": path,
        "name": file.settings.name(),
        "state": state,
        "written": checkpoint.map(|checkpoint| checkpoint.written),
        "description": file.settings.description,
    }))
}

fn row(pipeline: &Value) -> Vec<String> {
    let text = |key: &str| pipeline[key].as_str().unwrap_or_default().to_owned();
    let since = pipeline["written"].as_u64().map(when).unwrap_or_default();
    vec![text("file"), text("state"), since, text("description")]
}
