//! `inferno convert batch`

use std::fs;
use std::path::{Path, PathBuf};

use inferno_sdk::Error;
use serde_json::{Value, json};

use super::model;
use crate::args::Batch;
use crate::fault::{invalid, io};
use crate::shards::Shard;

/// Converts what fits the pattern, one model after the other. One that fails is told, and the others go on.
pub(super) async fn batch(batch: &Batch) -> Result<bool, Error> {
    let models = found(&batch.pattern)?;
    let out = super::here(&batch.out)?;
    fs::create_dir_all(&out).map_err(|error| io("make", &out, &error))?;
    let (mut told, mut well) = (Vec::new(), true);
    for path in &models {
        let output = out.join(name(path, &batch.formats.format));
        let done = match model::given(path, &batch.formats) {
            Ok(given) => model::one(&given, &output, &batch.formats, &batch.how).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(report) => {
                if !batch.how.json {
                    super::print(&format!("{} -> {}\n", path.display(), output.display()))?;
                }
                told.push(json!({ "model": path, "result": output, "recipe": report.recipe }));
            }
            Err(error) => {
                well = false;
                super::say(&format!("error: {}: {error}", path.display()));
                told.push(json!({ "model": path, "error": error.to_string() }));
            }
        }
    }
    if batch.how.json {
        super::print_json(&Value::Array(told))?;
    }
    Ok(well)
}

/// The models that fit; of those in several files the first file stands for all.
fn found(pattern: &str) -> Result<Vec<PathBuf>, Error> {
    super::here(Path::new(pattern))?;
    let paths =
        glob::glob(pattern).map_err(|error| invalid(format!("{pattern:?} is no pattern: {error}")))?;
    let one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && Shard::of(name).is_none_or(|shard| shard.number == 1)
    };
    let models: Vec<_> = paths.flatten().filter(one).collect();
    if models.is_empty() {
        return Err(invalid(format!("nothing fits {pattern:?}"))
            .with_hint("put the pattern into quotes, so that the shell leaves it alone"));
    }
    Ok(models)
}

/// What a result is called.
fn name(path: &Path, format: &str) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("model");
    let stem = match Shard::of(name) {
        Some(shard) => shard.stem().to_owned(),
        None => ["gguf", "safetensors", "onnx"]
            .iter()
            .find_map(|end| name.strip_suffix(&format!(".{end}")))
            .unwrap_or(name)
            .to_owned(),
    };
    if format == "gguf" { format!("{stem}.gguf") } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_called_after_models() {
        for (model, format, result) in [
            ("a/story.gguf", "gguf", "story.gguf"),
            ("a/story-00001-of-00002.gguf", "gguf", "story.gguf"),
            ("models/story", "gguf", "story.gguf"),
            ("story.v1.gguf", "onnx", "story.v1"),
        ] {
            assert_eq!(name(Path::new(model), format), result);
        }
    }
}
