//! `inferno pipeline status`: how far a pipeline is.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::{print, print_json, table};
use crate::checkpoint::{Checkpoint, Phase};
use crate::error::Error;
use crate::progress::thousands;
use crate::session::Script;

pub(super) fn status(script: &Script, as_json: bool) -> Result<(), Error> {
    let file = script.parse()?;
    let checkpoint = Checkpoint::read(&script.run_state(&file))?;
    if as_json {
        let state = checkpoint.as_ref().map_or("new", |checkpoint| word(checkpoint.phase));
        return print_json(
            &json!({ "name": file.settings.name(), "state": state, "checkpoint": checkpoint }),
        );
    }
    let Some(checkpoint) = checkpoint else {
        return print(&format!("{} has not run yet\n", file.settings.name()));
    };
    let mut text = format!(
        "{} {}: began {}, last checkpoint {}\n\n",
        file.settings.name(),
        match checkpoint.phase {
            Phase::Done => "is finished",
            _ => "stopped before its end or is running",
        },
        when(checkpoint.began),
        when(checkpoint.written)
    );
    let head = ["node", "taken", "passed", "dropped", "dead", "retries"].map(str::to_owned).to_vec();
    let rows = file.nodes.iter().map(|node| {
        let counts = checkpoint.counts.get(&node.name).copied().unwrap_or_default();
        let numbers = [counts.taken, counts.passed, counts.dropped, counts.dead, counts.retries];
        [node.name.clone()].into_iter().chain(numbers.map(thousands)).collect()
    });
    text.push_str(&table(&[head].into_iter().chain(rows).collect::<Vec<_>>()));
    print(&text)
}

/// What a pipeline is at, in one word.
pub(super) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Done => "finished",
        Phase::Running | Phase::Written => "stopped",
    }
}

pub(super) fn when(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
