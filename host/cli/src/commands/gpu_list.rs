//! `inferno gpu list`.

use inferno_backend::gpu::{self, Gpu, Probe};

use crate::args::Json;
use crate::failure::Outcome;
use crate::printer::{Printer, bytes, visible};

pub(crate) fn list(json: Json, printer: Printer) -> Outcome {
    let probes = gpu::probe();
    if json.json {
        printer.json(&probes)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        probes.iter().flat_map(|probe| probe.gpus.iter().map(|gpu| row(probe.interface, gpu))).collect();
    if !rows.is_empty() {
        printer.table(&["NAME", "MEMORY", "DRIVER", "THROUGH"], &rows)?;
        return Ok(0);
    }
    printer.line("No graphics processor was found.")?;
    for Probe { interface, libraries, problem, .. } in &probes {
        let why = problem.as_deref().unwrap_or("it knows of none");
        printer.note(format_args!("{interface}: looked for {}: {}", libraries.join(", "), visible(why)));
    }
    Ok(0)
}

fn row(interface: &str, gpu: &Gpu) -> Vec<String> {
    vec![
        visible(&gpu.name),
        gpu.memory.map(bytes).unwrap_or_default(),
        gpu.driver.as_deref().map(visible).unwrap_or_default(),
        interface.to_owned(),
    ]
}
