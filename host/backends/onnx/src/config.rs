//! What the files beside a graph say: `config.json`, `generation_config.json`, `tokenizer_config.json`, a chat template, and
//! how vectors are pooled. They come from untrusted folders, and each may be absent.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use inferno_backend::{Error, LoadOptions};
use serde_json::Value;

/// More than any honest configuration; tokenizers are longer.
const MOST_BYTES: u64 = 16 << 20;
const MOST_TOKENIZER_BYTES: u64 = 256 << 20;
/// More labels than any classifier has.
const MOST_LABELS: usize = 100_000;

/// The files beside a graph.
pub(crate) struct Beside<'a> {
    options: &'a LoadOptions,
}

impl<'a> Beside<'a> {
    pub(crate) fn new(options: &'a LoadOptions) -> Self {
        Self { options }
    }

    /// The file of this name: among those that came with the options, or where none came, in the graph's folder.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let files = &self.options.files;
        if !files.is_empty() {
            return files.iter().find(|path| path.ends_with(name)).cloned();
        }
        let path = self.options.path.parent().unwrap_or(Path::new("")).join(name);
        path.is_file().then_some(path)
    }

    fn text(&self, name: &str, most: u64) -> Result<Option<String>, Error> {
        let Some(path) = self.find(name) else { return Ok(None) };
        let unreadable = |why: String| Error::invalid(format!("cannot use {}: {why}", path.display()));
        let mut text = String::new();
        let file = File::open(&path).map_err(|error| unreadable(error.to_string()))?;
        file.take(most + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
        if text.len() as u64 > most {
            return Err(unreadable(format!("it has more than {most} bytes")));
        }
        Ok(Some(text))
    }

    fn json(&self, name: &str) -> Result<Value, Error> {
        let Some(text) = self.text(name, MOST_BYTES)? else { return Ok(Value::Null) };
        serde_json::from_str(&text)
            .map_err(|error| Error::invalid(format!("{name} beside the model is no JSON: {error}")))
    }

    /// `tokenizer.json`.
    pub(crate) fn tokenizer(&self) -> Result<Option<String>, Error> {
        self.text("tokenizer.json", MOST_TOKENIZER_BYTES)
    }
}

/// How vectors of tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pooling {
    #[default]
    Mean,
    First,
    Last,
}

/// What they say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) context: Option<u32>,
    pub(crate) heads: Option<u32>,
    pub(crate) head_size: Option<u32>,
    pub(crate) vocabulary: Option<u32>,
    /// Tokens that end an answer.
    pub(crate) ends: BTreeSet<u32>,
    pub(crate) pad: Option<u32>,
    /// What a classifier's outputs mean, in order.
    pub(crate) labels: Vec<String>,
    /// Several labels may be right at once.
    pub(crate) several: bool,
    pub(crate) pooling: Pooling,
    pub(crate) template: Option<String>,
    /// The texts of the tokens that begin and end a text.
    pub(crate) begin: String,
    pub(crate) end: String,
}

impl Config {
    /// Reads what there is.
    pub(crate) fn read(beside: &Beside<'_>) -> Result<Self, Error> {
        let model = beside.json("config.json")?;
        let generation = beside.json("generation_config.json")?;
        let tokenizer = beside.json("tokenizer_config.json")?;
        let number = |keys: &[&str]| {
            let inner = model.get("text_config").unwrap_or(&Value::Null);
            let found = keys.iter().find_map(|key| {
                let value = model.get(*key).or_else(|| inner.get(*key))?;
                u32::try_from(value.as_u64()?).ok()
            });
            found.filter(|&number| number > 0)
        };
        let heads = number(&["num_attention_heads", "n_head"]);
        let hidden = number(&["hidden_size", "n_embd"]);
        let ends = tokens(model.get("eos_token_id")).chain(tokens(generation.get("eos_token_id"))).collect();
        Ok(Self {
            context: number(&["max_position_embeddings", "n_positions", "n_ctx"]),
            heads: number(&["num_key_value_heads"]).or(heads),
            head_size: number(&["head_dim"]).or_else(|| Some(hidden? / heads?)),
            vocabulary: number(&["vocab_size"]),
            ends,
            pad: tokens(model.get("pad_token_id")).next(),
            labels: labels(&model)?,
            several: model.get("problem_type").and_then(Value::as_str) == Some("multi_label_classification"),
            pooling: pooling(beside)?,
            template: match template(&tokenizer) {
                Some(template) => Some(template),
                None => beside.text("chat_template.jinja", MOST_BYTES)?,
            },
            begin: token_text(tokenizer.get("bos_token")),
            end: token_text(tokenizer.get("eos_token")),
        })
    }
}

/// One token or several.
fn tokens(value: Option<&Value>) -> impl Iterator<Item = u32> {
    let listed = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    listed.iter().filter_map(|value| u32::try_from(value.as_u64()?).ok())
}

/// `"text"` or `{"content": "text"}`.
fn token_text(value: Option<&Value>) -> String {
    let text = value.and_then(|value| value.as_str().or_else(|| value.get("content")?.as_str()));
    text.unwrap_or_default().to_owned()
}

/// One template, or several with names.
fn template(tokenizer: &Value) -> Option<String> {
    match tokenizer.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(several) => {
            let usual = several.iter().find(|one| one.get("name").and_then(Value::as_str) == Some("default"));
            Some(usual.or(several.first())?.get("template")?.as_str()?.to_owned())
        }
        _ => None,
    }
}

/// `{"0": "NEGATIVE", "1": "POSITIVE"}`, in the order of the numbers.
fn labels(model: &Value) -> Result<Vec<String>, Error> {
    let Some(named) = model.get("id2label").and_then(Value::as_object) else { return Ok(Vec::new()) };
    if named.len() > MOST_LABELS {
        return Err(Error::invalid(format!("config.json has more than {MOST_LABELS} labels")));
    }
    let wrong = || Error::invalid("the labels in config.json (id2label) are not numbered from 0");
    let mut labels = vec![None; named.len()];
    for (number, label) in named {
        let place =
            number.parse::<usize>().ok().and_then(|number| labels.get_mut(number)).ok_or_else(wrong)?;
        *place = label.as_str().map(str::to_owned);
    }
    labels.into_iter().collect::<Option<Vec<String>>>().ok_or_else(wrong)
}

/// As sentence-transformers write it down.
fn pooling(beside: &Beside<'_>) -> Result<Pooling, Error> {
    let modules = beside.json("modules.json")?;
    let mut folder = "1_Pooling".to_owned();
    for module in modules.as_array().into_iter().flatten() {
        let text = |key: &str| module.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("type").rsplit('.').next().unwrap_or_default() {
            "Pooling" => folder = text("path").to_owned(),
            "Transformer" | "Normalize" => {}
            other => {
                return Err(Error::invalid(format!(
                    "modules.json beside the model wants the module {other}, which is not run here"
                )));
            }
        }
    }
    let config = beside.json(&format!("{folder}/config.json"))?;
    let mode = config.get("pooling_mode").and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str| config.get(format!("pooling_mode_{key}")) == Some(&Value::Bool(true));
    let on: Vec<String> = [
        "cls_token",
        "mean_tokens",
        "lasttoken",
        "max_tokens",
        "mean_sqrt_len_tokens",
        "weightedmean_tokens",
    ]
    .into_iter()
    .filter(|key| flag(key))
    .map(str::to_owned)
    .chain(mode)
    .collect();
    match on.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["mean_tokens" | "mean"] => Ok(Pooling::Mean),
        ["cls_token" | "cls"] => Ok(Pooling::First),
        ["lasttoken"] => Ok(Pooling::Last),
        other => Err(Error::invalid(format!(
            "{folder}/config.json beside the model wants the pooling {}, which is not done here",
            other.join(" and ")
        ))
        .hint("mean_tokens, cls_token and lasttoken are")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Config, Error> {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let options = LoadOptions::new(dir.path().join("model.onnx"));
        Config::read(&Beside::new(&options))
    }

    #[test]
    fn a_folder_of_hugging_faces_is_understood() {
        let config = read(&[
            (
                "config.json",
                r#"{"max_position_embeddings": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32,
                    "vocab_size": 10, "eos_token_id": 3, "pad_token_id": 0, "id2label": {"1": "b", "0": "a"},
                    "problem_type": "multi_label_classification"}"#,
            ),
            ("generation_config.json", r#"{"eos_token_id": [3, 5]}"#),
            (
                "tokenizer_config.json",
                r#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>",
                    "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#,
            ),
        ])
        .unwrap();
        let expect = Config {
            context: Some(64),
            heads: Some(2),
            head_size: Some(8),
            vocabulary: Some(10),
            ends: [3, 5].into(),
            pad: Some(0),
            labels: vec!["a".into(), "b".into()],
            several: true,
            pooling: Pooling::Mean,
            template: Some("d".into()),
            begin: "<s>".into(),
            end: "</s>".into(),
        };
        assert_eq!(config, expect);
        assert_eq!(read(&[]).unwrap(), Config::default());
        assert_eq!(read(&[("chat_template.jinja", "j")]).unwrap().template.as_deref(), Some("j"));
    }

    #[test]
    fn pooling_is_what_the_folder_says() {
        let pool = |text: &str| read(&[("1_Pooling/config.json", text)]).map(|config| config.pooling);
        let flags = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        assert_eq!(pool(flags).unwrap(), Pooling::First);
        assert_eq!(pool(r#"{"pooling_mode": "lasttoken"}"#).unwrap(), Pooling::Last);
        assert_eq!(pool(r#"{"pooling_mode_mean_tokens": true}"#).unwrap(), Pooling::Mean);
        let error =
            pool(r#"{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}"#).unwrap_err();
        assert!(error.message.contains("mean_tokens and max_tokens"), "{error}");
        let elsewhere = read(&[
            ("modules.json", r#"[{"type": "sentence_transformers.models.Pooling", "path": "2_Pool"}]"#),
            ("2_Pool/config.json", flags),
        ]);
        assert_eq!(elsewhere.unwrap().pooling, Pooling::First);
        let dense = read(&[(
            "modules.json",
            r#"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#,
        )]);
        assert!(dense.unwrap_err().message.contains("Dense"));
    }

    #[test]
    fn nonsense_is_told() {
        assert!(read(&[("config.json", "{")]).unwrap_err().message.contains("config.json"));
        for labels in [r#"{"0": "a", "2": "b"}"#, r#"{"x": "a"}"#, r#"{"0": 1}"#] {
            let config = format!(r#"{{"id2label": {labels}}}"#);
            assert!(read(&[("config.json", &config)]).unwrap_err().message.contains("id2label"), "{labels}");
        }
    }
}
