//! `inferno convert model` and `quantize`.

use std::path::Path;

use inferno_sdk::converter::Route;
use inferno_sdk::{Error, plugins};
use serde_json::json;

use super::others;
use crate::args::{Formats, How, Model, Quantize};
use crate::conversion::{Conversion, Report};
use crate::converter::lock;
use crate::engine::{Hands, Manner, Target, Task};
use crate::fault::invalid;
use crate::given::Given;
use crate::options::{Choices, Options};
use crate::progress::{Progress, bytes};
use crate::routes::{self, Way};

/// The name of this plugin, which puts itself to work.
pub(super) const SELF: &str = "convert";
/// What errors of it begin with.
const OURS: &str = "plugin \"convert\": ";

/// Instances of this plugin, each in a sandbox of its own.
struct Instances {
    route: Route,
    many: usize,
}

impl Hands for Instances {
    async fn perform(&self, task: Task, input: &Path, output: &Path) -> Result<(), Error> {
        let options = Options { task: Some(task), ..Options::default() };
        let done = plugins::convert(SELF, &self.route, &options, input, output).await;
        done.map(drop).map_err(|error| {
            // That it was this plugin need not be said to whoever runs it.
            let message = error.message.strip_prefix(OURS).unwrap_or(&error.message).to_owned();
            Error { message, ..error }
        })
    }

    fn many(&self) -> usize {
        self.many
    }
}

pub(super) async fn model(model: &Model) -> Result<bool, Error> {
    convert(&model.input, &model.output, &model.formats, &model.how).await
}

pub(super) async fn quantize(quantize: &Quantize) -> Result<bool, Error> {
    let formats = Formats { format: "gguf".to_owned(), from: None, options: None };
    let how = How { quantize: Some(quantize.file_type.clone()), ..quantize.how.clone() };
    convert(&quantize.input, &quantize.output, &formats, &how).await
}

async fn convert(input: &Path, output: &Path, formats: &Formats, how: &How) -> Result<bool, Error> {
    let (given, output) = (given(input, formats)?, super::here(output)?);
    let report = one(&given, &output, formats, how).await?;
    tell(&report, how)?;
    Ok(true)
}

/// What is to be converted.
pub(super) fn given(input: &Path, formats: &Formats) -> Result<Given, Error> {
    let input = super::here(input)?;
    match &formats.from {
        Some(format) => Given::said(&input, format),
        None => Given::at(&input),
    }
}

/// Converts one model, by this plugin or by another one that can.
pub(super) async fn one(given: &Given, output: &Path, formats: &Formats, how: &How) -> Result<Report, Error> {
    match routes::way(&given.format, &formats.format) {
        Some(_) if formats.options.is_some() => Err(invalid(
            "--options is for converters of other plugins, and this plugin converts these formats itself",
        )),
        Some(way) => through(given, way, output, how).await,
        None => others::convert(given, output, formats, how).await,
    }
}

/// The conversion by a way of this plugin.
pub(super) fn conversion<'a>(
    given: &'a Given,
    way: &'a Way,
    choices: &'a Choices,
    output: &Path,
    how: &How,
) -> Conversion<'a> {
    Conversion {
        given,
        way,
        choices,
        target: Target { path: output.to_owned(), folder: way.folder },
        manner: Manner { force: how.force, restart: how.restart },
    }
}

async fn through(given: &Given, way: &Way, output: &Path, how: &How) -> Result<Report, Error> {
    let choices = how.choices();
    let hands = Instances { route: Route::new(way.source, way.target), many: how.jobs.get() };
    let mut progress = Progress::shown(output.display().to_string());
    let conversion = conversion(given, way, &choices, output, how);
    let report = conversion.run(&hands, lock, &mut progress, super::say).await;
    progress.clear();
    report
}

fn tell(report: &Report, how: &How) -> Result<(), Error> {
    if how.json {
        return super::print_json(&json!({ "resumed": report.resumed, "recipe": report.recipe }));
    }
    let files = report.recipe["outputs"].as_array().into_iter().flatten();
    let lines = files.map(|file| {
        let size = bytes(file["bytes"].as_u64().unwrap_or(0));
        format!(
            "{}  {size}  sha256:{}\n",
            file["file"].as_str().unwrap_or_default(),
            file["sha256"].as_str().unwrap_or_default()
        )
    });
    super::print(&lines.collect::<String>())
}
