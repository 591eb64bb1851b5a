//! `inferno batch list|show|cancel`: the batches that were ordered over HTTP, for this machine's own user.

use inferno_sdk::command::Failure;
use serde::Serialize;

use super::{print, words};
use crate::batches::{self, Lent, View};
use crate::disk::Folder;

/// How many are listed.
const MOST: usize = 1000;

pub(super) fn list(json: bool) -> Result<(), Failure> {
    let folder = Folder::lent().map_err(words)?;
    let page = batches::page(&folder, &Lent, MOST, None).map_err(words)?;
    if json {
        return print_json(&page.data);
    }
    let mut text = String::new();
    for view in &page.data {
        text += &line(view);
    }
    print(&text)
}

pub(super) fn show(id: &str, json: bool) -> Result<(), Failure> {
    let folder = Folder::lent().map_err(words)?;
    let view = batches::view(&folder, &Lent, id).map_err(words)?;
    if json { print_json(&view) } else { print(&described(&view)) }
}

pub(super) fn cancel(id: &str) -> Result<(), Failure> {
    let folder = Folder::lent().map_err(words)?;
    batches::cancel(&folder, &Lent, id).map_err(words)?;
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

fn line(view: &View) -> String {
    let counts = view.request_counts;
    let failed = if counts.failed > 0 { format!(", {} failed", counts.failed) } else { String::new() };
    format!("{}  {:<11}  {} of {} requests{failed}\n", view.id, view.status, counts.done(), counts.total)
}

/// All about a batch, for people.
fn described(view: &View) -> String {
    let mut text = line(view);
    for problem in view.problems() {
        let place = problem.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        text += &format!("  {place}{}\n", problem.message);
    }
    for (what, id) in [("output", &view.output_file_id), ("errors", &view.error_file_id)] {
        if let Some(id) = id {
            text += &format!("  {what}: {id}\n");
        }
    }
    text
}
