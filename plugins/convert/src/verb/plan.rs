//! `inferno convert plan`

use inferno_sdk::Error;
use serde_json::{Value, json};

use super::model;
use crate::args::Model;
use crate::conversion;
use crate::plan::{Plan, Source, Target};
use crate::progress::bytes;
use crate::routes;

/// What an instance takes at work, about: its code's own memory, and what it reads, works on and writes.
const INSTANCE: u64 = 6 << 20;

pub(super) fn plan(model: &Model) -> Result<bool, Error> {
    let (given, output) = (model::given(&model.input, &model.formats)?, super::here(&model.output)?);
    let way = routes::way(&given.format, &model.formats.format)
        .ok_or_else(|| routes::none(&given.format, &model.formats.format, &[]))?;
    let choices = model.how.choices();
    let plan = model::conversion(&given, way, &choices, &output, &model.how).plan()?;
    let (read, written) = conversion::traffic(&plan);
    let memory = INSTANCE * model.how.jobs.get() as u64;
    if model.how.json {
        let told = json!({
            "from": given.format,
            "to": way.target,
            "inputs": plan.inputs.iter().map(|input| json!({ "file": input.path, "bytes": input.bytes })).collect::<Vec<_>>(),
            "outputs": plan.outputs.iter().map(|output| {
                let tensors: Vec<_> = output.tensors.iter().map(|tensor| told(&plan, tensor)).collect();
                json!({ "file": output.path, "bytes": output.bytes, "tensors": tensors })
            }).collect::<Vec<_>>(),
            "bytes_read": read,
            "bytes_written": written,
            "sandboxes": model.how.jobs,
            "sandbox_memory": memory,
        });
        super::print_json(&told)?;
        return Ok(true);
    }
    let mut text = String::new();
    for output in &plan.outputs {
        text.push_str(&format!("{}  {}\n", output.path, bytes(output.bytes)));
        let row = |tensor: &Target| {
            let shape = format!("{} x {}", tensor.rows, tensor.columns);
            let size = bytes(tensor.bytes().unwrap_or(0));
            let from = sources(tensor).join(", ");
            vec![
                format!("  {}", tensor.name),
                shape,
                from,
                "->".to_owned(),
                tensor.encoding.name().to_owned(),
                size,
            ]
        };
        text.push_str(&super::table(&output.tensors.iter().map(row).collect::<Vec<_>>()));
    }
    let (read, written, memory) = (bytes(read), bytes(written), bytes(memory));
    text.push_str(&format!(
        "reads {read}, writes {written}, in {} sandboxes of together about {memory}\n",
        model.how.jobs
    ));
    super::print(&text)?;
    Ok(true)
}

/// How the numbers of a tensor are packed where they come from.
fn sources(tensor: &Target) -> Vec<&'static str> {
    let mut names: Vec<_> = match &tensor.source {
        Source::Parts { parts } => parts.iter().map(|part| part.encoding.name()).collect(),
        Source::Numbers { .. } => vec!["(computed)"],
    };
    names.dedup();
    names
}

fn told(plan: &Plan, tensor: &Target) -> Value {
    let mut files: Vec<_> = match &tensor.source {
        Source::Parts { parts } => {
            parts.iter().filter_map(|part| plan.inputs.get(part.input)).map(|input| &input.path).collect()
        }
        Source::Numbers { .. } => Vec::new(),
    };
    files.dedup();
    json!({
        "name": tensor.name,
        "rows": tensor.rows,
        "columns": tensor.columns,
        "from": sources(tensor),
        "to": tensor.encoding.name(),
        "bytes": tensor.bytes(),
        "files": files,
    })
}
