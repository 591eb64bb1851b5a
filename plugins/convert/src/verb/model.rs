//! `inferno convert model` and `quantize`.

use std::path::Path;

use inferno_sdk::converter::Route;
use inferno_sdk::{Error, plugins};
use serde_json::json;

use crate::args::{Formats, How, Model, Quantize};
use crate::conversion::{Conversion, Report};
use crate::converter::lock;
use crate::engine::{Hands, Manner, Target, Task};
use crate::given::Given;
use crate::options::Options;
use crate::progress::{Progress, bytes};
use crate::routes::{self, Way};

/// The name of this plugin, which puts itself to work.
pub(super) const SELF: &str = "convert";

/// Instances of this plugin, each in a sandbox of its own.
struct Instances {
    route: Route,
    many: usize,
}

impl Hands for Instances {
    async fn perform(&self, task: Task, input: &Path, output: &Path) -> Result<(), Error> {
        let options = Options { task: Some(task), ..Options::default() };
        plugins::convert(SELF, &self.route, &options, input, output).await.map(drop)
    }

    fn many(&self) -> usize {
        self.many
    }
}

pub(super) async fn model(model: &Model) -> Result<bool, Error> {
    convert(&model.input, &model.output, &model.formats, &model.how).await
}

pub(super) async fn quantize(quantize: &Quantize) -> Result<bool, Error> {
    let formats = Formats { format: "gguf".to_owned(), from: None };
    let how = How { quantize: Some(quantize.file_type.clone()), ..quantize.how.clone() };
    convert(&quantize.input, &quantize.output, &formats, &how).await
}

async fn convert(input: &Path, output: &Path, formats: &Formats, how: &How) -> Result<bool, Error> {
    let (input, output) = (super::here(input)?, super::here(output)?);
    let given = Given::at(&input)?;
    let way = way(&given, formats)?;
    let report = through(&given, way, &output, how).await?;
    tell(&report, how)?;
    Ok(true)
}

/// The way of this plugin.
fn way(given: &Given, formats: &Formats) -> Result<&'static Way, Error> {
    let source = formats.from.as_deref().unwrap_or(&given.format);
    routes::way(source, &formats.format).ok_or_else(|| routes::none(source, &formats.format, &[]))
}

async fn through(given: &Given, way: &Way, output: &Path, how: &How) -> Result<Report, Error> {
    let choices = how.choices();
    let conversion = Conversion {
        given,
        way,
        choices: &choices,
        target: Target { path: output.to_owned(), folder: way.folder },
        manner: Manner { force: how.force, restart: how.restart },
    };
    let hands = Instances { route: Route::new(way.source, way.target), many: how.jobs.get() };
    let mut progress = Progress::shown(output.display().to_string());
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
