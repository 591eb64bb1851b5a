//! The verbs, one file each.

use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use inferno_sdk::Error;
use serde_json::Value;

use crate::args::Verb;
use crate::fault::{internal, invalid};

mod batch;
mod inspect;
mod model;
mod others;
mod plan;
mod routes;
mod verify;

/// Does what was typed. The result is whether all is well: where it is not, that was said.
pub(crate) async fn perform(verb: &Verb) -> Result<bool, Error> {
    match verb {
        Verb::Model(model) => model::model(model).await,
        Verb::Quantize(quantize) => model::quantize(quantize).await,
        Verb::Inspect(inspect) => inspect::inspect(inspect),
        Verb::Plan(model) => plan::plan(model),
        Verb::Verify(verify) => verify::verify(verify),
        Verb::Batch(batch) => batch::batch(batch).await,
        Verb::Routes { json } => routes::routes(*json),
    }
}

/// The product.
fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| internal(format!("cannot write to standard output: {error}")))
}

fn print_json(value: &Value) -> Result<(), Error> {
    print(&format!("{value:#}\n"))
}

/// A word to the user, beside the product.
fn say(text: &str) {
    // If standard error is closed, nobody wants to hear it.
    let _unheard = writeln!(std::io::stderr(), "{text}");
}

/// Text in columns.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A path in the folder in which this is run; no other can be reached.
fn here(path: &Path) -> Result<PathBuf, Error> {
    let folder = std::env::current_dir()
        .map_err(|error| internal(format!("cannot tell the working directory: {error}")))?;
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    if !whole.starts_with(&folder) {
        return Err(invalid(format!(
            "{} is outside of the folder in which this is run, {}",
            path.display(),
            folder.display()
        ))
        .with_hint("run it in a folder that holds both the model and the place of the result"));
    }
    // Nothing else of what is above is seen, so that the shorter name is the one that works everywhere.
    let inside = whole.strip_prefix(&folder).map(Path::to_owned).unwrap_or(whole);
    Ok(if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside })
}
