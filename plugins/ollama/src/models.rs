//! `/api/tags`, `/api/show` and `/api/ps`

use std::time::{Duration, UNIX_EPOCH};

use inferno_sdk::http::Response;
use inferno_sdk::json::Fields;
use inferno_sdk::models::{self, Model, Residency};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ask;
use crate::error::ApiError;

#[derive(Serialize)]
struct List<T> {
    models: Vec<T>,
}

#[derive(Serialize)]
struct Tag<'a> {
    name: &'a str,
    model: &'a str,
    modified_at: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Running<'a> {
    name: &'a str,
    model: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    /// Of the memory, what is the graphics card's.
    size_vram: u64,
    details: Details<'a>,
    expires_at: String,
    context_length: u32,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    details: Details<'a>,
    model_info: Map<String, Value>,
    capabilities: Vec<&'static str>,
    modified_at: String,
}

#[derive(Default, Serialize)]
struct Details<'a> {
    parent_model: &'static str,
    format: &'a str,
    family: &'a str,
    families: Vec<&'a str>,
    parameter_size: String,
    quantization_level: &'a str,
}

pub(crate) fn tags() -> Result<Response, ApiError> {
    let models = models::all()?;
    Ok(Response::json(200, &List { models: models.iter().map(Tag::from).collect() }))
}

pub(crate) fn ps() -> Result<Response, ApiError> {
    let (models, loaded) = (models::all()?, models::loaded()?);
    Ok(Response::json(200, &List { models: running(&models, &loaded) }))
}

pub(crate) fn show(body: &mut Fields) -> Result<Response, ApiError> {
    Ok(Response::json(200, &shown(&find(&ask::model(body)?)?)))
}

/// The model of this name.
pub(crate) fn find(name: &str) -> Result<Model, ApiError> {
    Ok(models::get(name)?)
}

fn running<'a>(models: &'a [Model], loaded: &'a [Residency]) -> Vec<Running<'a>> {
    let described = |resident: &'a Residency| {
        let model = models.iter().find(|model| model.name == resident.name);
        Running {
            name: &resident.name,
            model: &resident.name,
            size: resident.memory_bytes,
            digest: model.and_then(digest),
            size_vram: 0,
            details: model.map(Details::from).unwrap_or_default(),
            expires_at: resident.expires.map_or_else(never, time),
            context_length: resident.context_length,
        }
    };
    loaded.iter().map(described).collect()
}

fn shown(model: &Model) -> Shown<'_> {
    let architecture = detail(model, "architecture").unwrap_or_default();
    let number = |name: &str| detail(model, name).and_then(|text| text.parse::<u64>().ok());
    let facts = [
        ("general.architecture".to_owned(), (!architecture.is_empty()).then(|| architecture.into())),
        ("general.parameter_count".to_owned(), number("parameters").map(Value::from)),
        (format!("{architecture}.context_length"), model.context_length.map(Value::from)),
        (format!("{architecture}.embedding_length"), number("embedding-length").map(Value::from)),
    ];
    let mut capabilities = vec!["completion"];
    if detail(model, "tools").is_some() {
        capabilities.push("tools");
    }
    if detail(model, "vision").is_some() {
        capabilities.push("vision");
    }
    Shown {
        license: detail(model, "license"),
        digest: digest(model),
        details: model.into(),
        model_info: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        capabilities,
        modified_at: time(model.modified),
    }
}

fn detail<'a>(model: &'a Model, name: &str) -> Option<&'a str> {
    model.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The hexadecimal digits of the file's SHA-256, where the host has computed it before: that takes as long as to read
/// the file, which a list of models is not worth.
fn digest(model: &Model) -> Option<&str> {
    detail(model, "digest")?.strip_prefix("sha256:")
}

/// Seconds since 1970 as Ollama writes times.
fn time(seconds: u64) -> String {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds.min(LAST)))
        .map_or_else(never, |time| humantime::format_rfc3339_seconds(time).to_string())
}

/// The last second that can be written with four digits for the year.
const LAST: u64 = 253_402_300_799;

/// When a model goes that stays.
fn never() -> String {
    "9999-12-31T23:59:59Z".to_owned()
}

/// A number of parameters in few characters, such as `2.03M` and `7.6B`.
fn parameter_size(count: u64) -> String {
    let scaled = |unit: u64, digits: usize, letter: char| {
        #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
        let text = format!("{:.digits$}", count as f64 / unit as f64);
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        format!("{text}{letter}")
    };
    match count {
        1_000_000_000.. => scaled(1_000_000_000, 1, 'B'),
        1_000_000.. => scaled(1_000_000, 2, 'M'),
        1_000.. => scaled(1_000, 0, 'K'),
        _ => count.to_string(),
    }
}

impl<'a> From<&'a Model> for Details<'a> {
    fn from(model: &'a Model) -> Self {
        let family = detail(model, "architecture").unwrap_or_default();
        let count = detail(model, "parameters").and_then(|text| text.parse().ok());
        Self {
            parent_model: "",
            format: &model.format,
            family,
            families: vec![family],
            parameter_size: count.map(parameter_size).unwrap_or_default(),
            quantization_level: detail(model, "quantization").unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a Model> for Tag<'a> {
    fn from(model: &'a Model) -> Self {
        Self {
            name: &model.name,
            model: &model.name,
            modified_at: time(model.modified),
            size: model.size_bytes,
            digest: digest(model),
            details: model.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model() -> Model {
        let details = [
            ("architecture", "llama"),
            ("quantization", "Q4_0"),
            ("parameters", "2031872"),
            ("embedding-length", "256"),
            ("license", "MIT"),
            ("tools", "yes"),
            ("vision", "yes"),
            ("digest", "sha256:00ff"),
        ];
        Model {
            name: "a".into(),
            format: "gguf".into(),
            size_bytes: 7,
            modified: 1_700_000_000,
            context_length: Some(512),
            chats: true,
            details: details.map(|(name, value)| (name.into(), value.into())).into(),
        }
    }

    fn details() -> Value {
        json!({"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
               "parameter_size": "2.03M", "quantization_level": "Q4_0"})
    }

    #[test]
    fn a_tag_has_ollamas_form() {
        assert_eq!(
            serde_json::to_value(Tag::from(&model())).unwrap(),
            json!({"name": "a", "model": "a", "modified_at": "2023-11-14T22:13:20Z", "size": 7,
                   "digest": "00ff", "details": details()})
        );
    }

    #[test]
    fn a_model_is_shown_with_its_facts() {
        assert_eq!(
            serde_json::to_value(shown(&model())).unwrap(),
            json!({
                "license": "MIT", "digest": "00ff", "details": details(), "modified_at": "2023-11-14T22:13:20Z",
                "capabilities": ["completion", "tools", "vision"],
                "model_info": {"general.architecture": "llama", "general.parameter_count": 2031872,
                               "llama.context_length": 512, "llama.embedding_length": 256},
            })
        );
        let bare = Model { context_length: None, details: Vec::new(), ..model() };
        let bare = serde_json::to_value(shown(&bare)).unwrap();
        assert_eq!(bare["digest"], Value::Null, "what is not known is left out");
        assert_eq!((&bare["model_info"], &bare["capabilities"]), (&json!({}), &json!(["completion"])));
    }

    #[test]
    fn what_runs_says_until_when() {
        let resident = |name: &str, expires| Residency {
            name: name.into(),
            since: 1,
            expires,
            memory_bytes: 9,
            context_length: 512,
        };
        let loaded = [resident("a", Some(1_700_000_000)), resident("gone", None)];
        let models = [model()];
        let seen = serde_json::to_value(running(&models, &loaded)).unwrap();
        assert_eq!(
            seen[0],
            json!({"name": "a", "model": "a", "size": 9, "digest": "00ff", "size_vram": 0, "details": details(),
                   "expires_at": "2023-11-14T22:13:20Z", "context_length": 512})
        );
        assert_eq!(
            (&seen[1]["expires_at"], &seen[1]["details"]["format"]),
            (&json!("9999-12-31T23:59:59Z"), &json!(""))
        );
    }

    #[test]
    fn numbers_of_parameters_are_short() {
        let shown = [999, 1_500, 2_031_872, 494_000_000, 7_600_000_000, 70_000_000_000].map(parameter_size);
        assert_eq!(shown, ["999", "2K", "2.03M", "494M", "7.6B", "70B"]);
        assert_eq!(time(u64::MAX), never());
    }
}
