//! `inferno completions SHELL`.

use clap_complete::Shell;

use crate::cli;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;

pub(crate) fn completions(shell: Shell, printer: Printer) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "inferno", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Failure::new(format!("the script for {shell} is not text: {error}")))?;
    printer.text(&script)?;
    Ok(0)
}
