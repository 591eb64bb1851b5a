//! `inferno models info MODEL`.

use inferno_inference::models::Header;
use serde::Serialize;

use super::models_list::Listed;
use crate::args::Json;
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::{Printer, bytes, count, visible};
use crate::progress;
use crate::settings::Settings;

#[derive(Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    digest: &'a str,
    header: &'a Header,
    /// What it looks at images with.
    projector: Option<String>,
}

pub(crate) fn info(settings: &Settings, name: &str, json: Json, printer: Printer) -> Outcome {
    let model = host::find_model(&host::models(settings)?, settings, Some(name))?;
    let hashed = model.clone();
    let digest = host::runtime()?
        .block_on(progress::during(printer, &format!("hashing {}", model.name), |share| {
            tokio::task::spawn_blocking(move || {
                hashed.digest_with(&mut |done, all| share.set(done as f32 / all.max(1) as f32))
            })
        }))
        .map_err(|error| Failure::new(format!("hashing {} failed: {error}", model.name)))?
        .map_err(Failure::new)?;
    if json.json {
        printer.json(&Info {
            listed: Listed::new(&model),
            digest: &digest,
            header: &model.header,
            projector: model.projector.as_ref().map(|projector| projector.path.display().to_string()),
        })?;
        return Ok(0);
    }
    let header = &model.header;
    let number =
        |value: Option<u32>| value.map_or_else(|| "not stated".to_owned(), |value| value.to_string());
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "not stated".to_owned(), visible);
    // A format that only its backend can read states nothing.
    let stated = |value: &str| match value {
        "" | "0" => "not stated".to_owned(),
        value => visible(value),
    };
    let vision = model.projector.as_ref().map_or_else(
        || "no".to_owned(),
        |projector| format!("yes, with {}", visible(&projector.path.display().to_string())),
    );
    printer.facts(&[
        ("name", visible(&model.name)),
        ("also called", visible(&model.aliases.join(", "))),
        ("file", visible(&model.path.display().to_string())),
        ("size", bytes(model.size)),
        ("digest", digest),
        ("format", model.format.as_str().to_owned()),
        ("architecture", stated(&header.architecture)),
        ("title", text(&header.name)),
        ("licence", text(&header.license)),
        ("parameters", stated(&count(header.parameters))),
        ("quantization", stated(&header.quantization)),
        ("context", number(header.context_length)),
        ("embedding", number(header.embedding_length)),
        ("layers", number(header.layers)),
        ("vocabulary", number(header.vocab_size)),
        ("tensors", stated(&header.tensors.to_string())),
        ("vision", vision),
        ("chat template", header.chat_template.as_deref().map_or_else(|| "none".to_owned(), visible)),
    ])?;
    Ok(0)
}
