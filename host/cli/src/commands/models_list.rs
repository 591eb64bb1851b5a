//! `inferno models list`.

use std::time::UNIX_EPOCH;

use inferno_inference::models::{Header, Model};
use serde::Serialize;

use crate::args::Json;
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::{Printer, bytes, count, visible};
use crate::settings::Settings;

/// A model as programs see it; `models info` adds to this.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    name: &'a str,
    aliases: &'a [String],
    path: String,
    format: &'a str,
    size: u64,
    /// Seconds since 1970.
    modified: u64,
    architecture: &'a str,
    parameters: u64,
    quantization: &'a str,
    context_length: Option<u32>,
    chats: bool,
    /// It can look at images.
    vision: bool,
}

impl<'a> Listed<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let Header { architecture, parameters, quantization, context_length, chat_template, .. } =
            &model.header;
        Self {
            name: &model.name,
            aliases: &model.aliases,
            path: model.path.display().to_string(),
            format: model.format.as_str(),
            size: model.size,
            modified: model.modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            architecture,
            parameters: *parameters,
            quantization,
            context_length: *context_length,
            chats: chat_template.is_some(),
            vision: model.projector.is_some(),
        }
    }
}

pub(crate) fn list(settings: &Settings, json: Json, printer: Printer) -> Outcome {
    let listing = host::models(settings)?.list().map_err(Failure::new)?;
    for (path, problem) in &listing.problems {
        printer.warning(format_args!(
            "{} is not listed: {}",
            visible(&path.display().to_string()),
            visible(problem)
        ));
    }
    if json.json {
        printer.json(&listing.models.iter().map(Listed::new).collect::<Vec<_>>())?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = listing
        .models
        .iter()
        .map(|model| {
            let header = &model.header;
            vec![
                visible(&model.name),
                model.format.as_str().to_owned(),
                visible(&header.architecture),
                count(header.parameters),
                visible(&header.quantization),
                header.context_length.map(|tokens| tokens.to_string()).unwrap_or_default(),
                bytes(model.size),
            ]
        })
        .collect();
    printer
        .table(&["NAME", "FORMAT", "ARCHITECTURE", "PARAMETERS", "QUANTIZATION", "CONTEXT", "SIZE"], &rows)?;
    if printer.interactive {
        printer.note(format_args!("Your own models belong in {}", settings.models_dir.display()));
    }
    Ok(0)
}
