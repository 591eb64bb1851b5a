//! `inferno plugin build DIR`.

use inferno_plugins::{Inspection, Warning};
use serde::Serialize;

use crate::args::plugin::Build;
use crate::builder;
use crate::failure::{Failure, Outcome};
use crate::printer::{Printer, bytes};
use crate::settings::Settings;

#[derive(Serialize)]
struct Built<'a> {
    path: String,
    name: &'a str,
    version: &'a str,
    roles: &'a [String],
    digest: &'a str,
    size: u64,
    warnings: &'a [Warning],
}

pub(crate) fn build(settings: &Settings, build: &Build, printer: Printer) -> Outcome {
    let folder = build.dir.canonicalize().map_err(|error| {
        Failure::usage(format!("cannot find the folder {}: {error}", build.dir.display()))
    })?;
    let inspection = builder::build(&folder, build.sdk.as_deref(), settings)?.inspect()?;
    let path = build.dir.join("plugin.wasm").display().to_string();
    if build.json.json {
        let Inspection { name, version, roles, digest, size, warnings, .. } = &inspection;
        printer.json(&Built { path, name, version, roles, digest, size: *size, warnings })?;
        return Ok(0);
    }
    printer.line(&path)?;
    printer.note(format_args!(
        "{} {}: {}; {}",
        inspection.name,
        inspection.version,
        inspection.roles.join(", "),
        bytes(inspection.size)
    ));
    for warning in &inspection.warnings {
        printer.warning(&warning.text);
    }
    Ok(0)
}
