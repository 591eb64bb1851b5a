//! `inferno reference`: the command reference of the book.

use crate::cli;
use crate::failure::Outcome;
use crate::printer::Printer;

pub(crate) fn reference(printer: Printer) -> Outcome {
    printer.line(cli::reference()?)?;
    Ok(0)
}
