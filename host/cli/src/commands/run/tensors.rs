//! `inferno run --input`: a model that takes tensors.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use inferno_inference::Tensors;

use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::Printer;
use crate::session::Session;
use crate::settings::Settings;

/// What goes to a worker at once.
const LIMIT: u64 = 60 << 20;

pub(super) fn run(settings: &Settings, model: Option<&str>, input: &Path, printer: Printer) -> Outcome {
    let tensors = read(input)?;
    let runtime = host::runtime()?;
    let session = runtime.block_on(Session::open(settings, model, None, printer))?;
    let outputs = runtime.block_on(session.tensors(tensors));
    runtime.block_on(session.close());
    printer.text(&outputs?)?;
    Ok(0)
}

fn read(input: &Path) -> Result<Tensors, Failure> {
    let place = input.display();
    let unreadable = |error: io::Error| Failure::new(format!("cannot read the tensors in {place}: {error}"));
    let file: Box<dyn Read> = if input == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(input).map_err(unreadable)?)
    };
    let mut text = String::new();
    file.take(LIMIT + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LIMIT {
        return Err(Failure::new(format!("the tensors in {place} take more than {LIMIT} bytes")));
    }
    let inputs = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("the tensors in {place} are no JSON object: {error}"))
            .hint(r#"for example {"x": {"dtype": "f32", "shape": [2], "data": [0.5, 1.5]}}"#)
    })?;
    Ok(Tensors { inputs })
}
