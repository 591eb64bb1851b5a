//! The verbs, one file each.

use std::path::{Component, Path, PathBuf};

use inferno_sdk::Error;
use inferno_sdk::command::{self, say, table};
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
    command::print(text).map_err(|error| internal(format!("cannot write to standard output: {error}")))
}

fn print_json(value: &Value) -> Result<(), Error> {
    print(&format!("{value:#}\n"))
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
