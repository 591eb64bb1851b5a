//! `inferno backend list`.

use crate::args::Json;
use crate::failure::Outcome;
use crate::host;
use crate::printer::{Printer, bytes, visible};
use crate::settings::Settings;

pub(crate) fn list(settings: &Settings, json: Json, printer: Printer) -> Outcome {
    let backends = host::backends(&settings.backends_dir, host::onnx(settings)).list();
    if json.json {
        printer.json(&backends)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = backends
        .iter()
        .map(|backend| {
            let devices: Vec<String> = backend
                .devices
                .iter()
                .map(|device| match device.memory {
                    0 => visible(&device.name),
                    memory => format!("{} ({})", visible(&device.name), bytes(memory)),
                })
                .collect();
            let origin = backend
                .path
                .as_ref()
                .map_or_else(|| "built in".to_owned(), |path| path.display().to_string());
            vec![
                visible(&backend.name),
                visible(&backend.version),
                visible(&backend.formats.join(", ")),
                devices.join(", "),
                origin,
            ]
        })
        .collect();
    printer.table(&["NAME", "VERSION", "FORMATS", "DEVICES", "FROM"], &rows)?;
    for backend in &backends {
        if let Some(error) = &backend.error {
            printer.warning(format_args!(
                "backend {} cannot be used: {}",
                visible(&backend.name),
                visible(error)
            ));
        }
    }
    Ok(0)
}
