//! What is right and what is wrong with one file, check by check.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    Foreign, Format, Header, ModelsError, echo,
    gguf::{self, Part},
    inspect::{self, Files},
    onnx,
    summary::summary,
};

/// What was found out about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file (of a split model, the first part).
    pub path: PathBuf,
    /// Bytes of all parts.
    pub size: u64,
    /// Absent where the content is no known format.
    pub format: Option<Format>,
    /// Absent where it could not be read.
    pub header: Option<Header>,
    /// In the order in which they were made; those after one that ends it all are not there.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, in a word or two.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// What was found, and, where it failed, what to do.
    pub detail: String,
}

impl Report {
    /// Whether every check passed.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    fn add(&mut self, name: &'static str, result: Result<String, String>) -> bool {
        let ok = result.is_ok();
        let detail = result.unwrap_or_else(|why| why);
        self.checks.push(Check { name, ok, detail });
        ok
    }
}

/// Checks the file at `path`. An error means that there is no such file to check; what is wrong inside it is in the
/// report. `foreign` are the formats that are not read here.
pub fn validate(path: &Path, foreign: &[Foreign]) -> Result<Report, ModelsError> {
    let files = Files::find(path).map_err(|why| ModelsError::unusable(path, why))?;
    let mut report = Report {
        path: files.path.clone(),
        size: files.size(),
        format: None,
        header: None,
        checks: Vec::new(),
    };
    let format = inspect::detect(&files.path, foreign);
    report.format = format.as_ref().ok().cloned();
    report.add("format", format.map(|format| format.to_string()));
    match &report.format {
        Some(Format::Gguf) => check_gguf(&mut report, &files),
        Some(Format::Onnx) => check_onnx(&mut report, &files),
        Some(Format::Echo) => match echo::read(&files.path) {
            Ok(header) => {
                report.add("settings", Ok("they are right".to_owned()));
                report.header = Some(header);
            }
            Err(why) => {
                report.add("settings", Err(why));
            }
        },
        Some(Format::Foreign(_)) => {
            report.add("content", Ok("not looked at: only the format's backend can read it".to_owned()));
        }
        None => {}
    }
    Ok(report)
}

fn check_onnx(report: &mut Report, files: &Files) {
    let header = match onnx::header(&files.path) {
        Ok(header) => header,
        Err(why) => {
            report.add("graph", Err(why));
            return;
        }
    };
    report.add("graph", Ok(format!("{} tensors, {} parameters", header.tensors, header.parameters)));
    // The weights were looked for with the files.
    report.add("files", Ok(format!("all {} are there", files.parts.len())));
    report.add(
        "tokenizer",
        Ok(header.tokenizer.clone().unwrap_or_else(|| "none: it takes tensors only".to_owned())),
    );
    report.header = Some(header);
}

fn check_gguf(report: &mut Report, files: &Files) {
    let mut parts = Vec::new();
    for path in &files.parts {
        match gguf::contents_of(path) {
            Ok(contents) => parts.push(contents),
            Err(error) => {
                let place = match files.parts.len() {
                    1 => String::new(),
                    count => format!("part {} of {count}: ", parts.len() + 1),
                };
                return add_structure(report, Err((error.part, format!("{place}{error}"))));
            }
        }
    }
    let header = match summary(&parts) {
        Ok(header) => header,
        Err(error) => return add_structure(report, Err((error.part, error.to_string()))),
    };
    add_structure(report, Ok(&header));
    report.add(
        "parts",
        inspect::check_split(parts.first(), files.parts.len()).map(|()| match files.parts.len() {
            1 => "the model is whole in one file".to_owned(),
            count => format!("all {count} parts are there"),
        }),
    );
    add_content(report, &header);
    report.header = Some(header);
}

/// One check for each part of the file's structure, up to the one that failed.
fn add_structure(report: &mut Report, result: Result<&Header, (Part, String)>) {
    const PARTS: [(Part, &str); 4] = [
        (Part::Start, "start"),
        (Part::Metadata, "metadata"),
        (Part::Tensors, "tensors"),
        (Part::Data, "tensor data"),
    ];
    for (part, name) in PARTS {
        let result = match &result {
            Err((failed, why)) if *failed == part => Err(why.clone()),
            Err(_) => Ok("it is right".to_owned()),
            Ok(header) => Ok(match part {
                Part::Start => "a little-endian GGUF file of a version that is read".to_owned(),
                Part::Metadata => format!("{} entries", header.metadata_count),
                Part::Tensors => format!("{} tensors, {} parameters", header.tensors, header.parameters),
                Part::Data => "every tensor lies inside the file and on no other".to_owned(),
            }),
        };
        if !report.add(name, result) {
            return;
        }
    }
}

/// What a model needs to be run, beyond being a well-formed file.
fn add_content(report: &mut Report, header: &Header) {
    report.add(
        "architecture",
        match header.architecture.as_str() {
            "unknown" => {
                Err("the metadata has no `general.architecture`: convert the model again".to_owned())
            }
            architecture => Ok(architecture.to_owned()),
        },
    );
    report.add(
        "weights",
        match header.parameters {
            0 => Err("there are none, only metadata: use the whole model file".to_owned()),
            _ => Ok(header.quantization.clone()),
        },
    );
    report.add(
        "context length",
        header
            .context_length
            .filter(|&length| length > 0)
            .map(|length| format!("{length} tokens"))
            .ok_or_else(|| {
                format!(
                    "the metadata has no `{}.context_length`: convert the model again",
                    header.architecture
                )
            }),
    );
    let tokenizer = match (&header.tokenizer, header.vocab_size) {
        (Some(kind), Some(size)) if size > 0 => Ok(format!("{kind}, {size} tokens")),
        (Some(kind), _) => Err(format!("{kind}, but without tokens: convert the model again")),
        (None, _) => Err("there is none: convert the model again with its tokenizer".to_owned()),
    };
    report.add("tokenizer", tokenizer);
}
