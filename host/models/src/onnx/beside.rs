//! The files beside a graph, as Hugging Face's tools lay them out.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Files that say how texts become tokens, and what comes of them.
const FILES: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "modules.json",
    "1_Pooling/config.json",
];
/// A folder that only graphs lie in; the rest is above it.
const GRAPHS: &str = "onnx";
/// The name of the only graph of a model.
const GRAPH: &str = "model.onnx";
/// More than any honest configuration.
const MOST_BYTES: u64 = 16 << 20;

/// The graph in a model's folder.
pub(crate) fn folder_graph(folder: &Path) -> Option<PathBuf> {
    [folder.join(GRAPH), folder.join(GRAPHS).join(GRAPH)].into_iter().find(|path| path.is_file())
}

/// The folder that a graph is the only one of, which is what its model is called after.
pub(crate) fn folder_name(graph: &Path) -> Option<PathBuf> {
    let folder = graph.parent().filter(|_| graph.ends_with(GRAPH))?.canonicalize().ok()?;
    let above = folder.parent().filter(|_| folder.ends_with(GRAPHS)).map(Path::to_owned);
    Some(above.unwrap_or(folder))
}

/// Those that are there, in the order above.
pub(super) fn files(graph: &Path) -> Vec<PathBuf> {
    FILES.iter().filter_map(|name| find(graph, name)).collect()
}

/// In the graph's folder, or above a folder of graphs.
fn find(graph: &Path, name: &str) -> Option<PathBuf> {
    let folder = graph.parent().unwrap_or(Path::new(""));
    let above = folder.parent().filter(|_| folder.ends_with(GRAPHS));
    [Some(folder), above].into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What they say.
pub(super) struct Texts {
    config: Value,
    pub(super) has_tokenizer: bool,
    pub(super) template: Option<String>,
    pub(super) pooling: Option<&'static str>,
}

impl Texts {
    pub(super) fn read(graph: &Path) -> Result<Self, String> {
        let config = json(graph, "config.json")?;
        let tokenizer = json(graph, "tokenizer_config.json")?;
        let template = match template(&tokenizer) {
            Some(template) => Some(template),
            None => text(graph, "chat_template.jinja")?,
        };
        let pooling = json(graph, "1_Pooling/config.json")?;
        let on = |key: &str| pooling.get(key) == Some(&Value::Bool(true));
        let pooling = match () {
            () if on("pooling_mode_cls_token") => Some("cls"),
            () if on("pooling_mode_lasttoken") => Some("last"),
            () if on("pooling_mode_mean_tokens") => Some("mean"),
            () => None,
        };
        Ok(Self { config, has_tokenizer: find(graph, "tokenizer.json").is_some(), template, pooling })
    }

    pub(super) fn architecture(&self) -> Option<String> {
        self.config.get("model_type")?.as_str().map(str::to_owned)
    }

    /// The first of these that the configuration has.
    pub(super) fn number(&self, keys: &[&str]) -> Option<u32> {
        let found = keys.iter().find_map(|key| self.config.get(*key)?.as_u64());
        found.and_then(|number| u32::try_from(number).ok()).filter(|&number| number > 0)
    }
}

/// One template, or several with names.
fn template(tokenizer: &Value) -> Option<String> {
    let template = tokenizer.get("chat_template")?;
    if let Some(template) = template.as_str() {
        return Some(template.to_owned());
    }
    let several = template.as_array()?;
    let usual = several.iter().find(|one| one.get("name").and_then(Value::as_str) == Some("default"));
    Some(usual.or(several.first())?.get("template")?.as_str()?.to_owned())
}

fn json(graph: &Path, name: &str) -> Result<Value, String> {
    let Some(text) = text(graph, name)? else { return Ok(Value::Null) };
    serde_json::from_str(&text).map_err(|error| format!("{name} beside it is no JSON: {error}"))
}

fn text(graph: &Path, name: &str) -> Result<Option<String>, String> {
    let Some(path) = find(graph, name) else { return Ok(None) };
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| format!("{name} beside it cannot be read: {error}"))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("{name} beside it has more than {MOST_BYTES} bytes"));
    }
    Ok(Some(text))
}
