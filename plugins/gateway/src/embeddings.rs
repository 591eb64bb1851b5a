//! `/v1/embeddings`

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inferno_sdk::http::Response;
use inferno_sdk::inference::{self, Embeddings};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::answer;
use crate::error::ApiError;
use crate::fields::{Fields, describe};

const PARAM: &str = "input";
/// The most texts that one request may have.
const MAX_INPUTS: usize = 2048;

pub(crate) fn answer(mut fields: Fields) -> Result<Response, ApiError> {
    let ask = parse(&mut fields)?;
    let embeddings =
        inference::embed(&ask.model, &ask.inputs).map_err(|error| ApiError::host(error, PARAM))?;
    respond(&ask, &embeddings)
}

#[derive(Debug, PartialEq)]
struct Ask {
    model: String,
    inputs: Vec<String>,
    base64: bool,
    dimensions: Option<i64>,
}

fn parse(fields: &mut Fields) -> Result<Ask, ApiError> {
    let inputs = inputs(fields)?;
    let base64 = match fields.string("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            let why = format!("'{other}' is no format. Supported values are: 'float' and 'base64'.");
            return Err(ApiError::value("encoding_format", why));
        }
    };
    let dimensions = fields.integer("dimensions", 1, i64::MAX)?;
    Ok(Ask { model: crate::model(fields)?, inputs, base64, dimensions })
}

fn inputs(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let items = match fields.take(PARAM) {
        None => return Err(ApiError::missing(PARAM)),
        Some(text @ Value::String(_)) => vec![text],
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(ApiError::wrong_type(PARAM, "a string or an array of strings", describe(&other)));
        }
    };
    if items.is_empty() {
        return Err(ApiError::value(PARAM, "expected at least one text, but got an empty array instead."));
    }
    if items.iter().any(|item| item.is_number() || item.is_array()) {
        return Err(ApiError::value(PARAM, "texts as token numbers are not supported yet. Send text."));
    }
    if items.len() > MAX_INPUTS {
        let why = format!("expected at most {MAX_INPUTS} texts, but got {} instead.", items.len());
        return Err(ApiError::value(PARAM, why));
    }
    let text = |item| match item {
        Value::String(text) if text.is_empty() => Err(ApiError::value(PARAM, "a text must not be empty.")),
        Value::String(text) => Ok(text),
        other => Err(ApiError::wrong_type(PARAM, "an array of strings", describe(&other))),
    };
    items.into_iter().map(text).collect()
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: Tokens,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
struct Tokens {
    prompt_tokens: u32,
    total_tokens: u32,
}

enum Vector<'a> {
    Float(&'a [f32]),
    /// The floats' bytes, little-endian.
    Base64(&'a [f32]),
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Float(values) => values.serialize(serializer),
            Self::Base64(values) => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

fn respond(ask: &Ask, embeddings: &Embeddings) -> Result<Response, ApiError> {
    let length = embeddings.vectors.first().map_or(0, Vec::len);
    if let Some(wanted) = ask.dimensions
        && usize::try_from(wanted) != Ok(length)
    {
        let instead = format!("'{}' makes vectors of {length} dimensions, and only that many.", ask.model);
        return Err(ApiError::unsupported("dimensions", &instead));
    }
    let shape = if ask.base64 { Vector::Base64 } else { Vector::Float };
    let data = embeddings.vectors.iter().enumerate();
    Ok(answer::respond(&List {
        object: "list",
        data: data.map(|(index, v)| Embedding { object: "embedding", index, embedding: shape(v) }).collect(),
        model: &ask.model,
        usage: Tokens {
            prompt_tokens: embeddings.usage.prompt_tokens,
            total_tokens: embeddings.usage.prompt_tokens,
        },
    }))
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::Usage;
    use serde_json::json;

    use super::*;
    use crate::testing::{fields, now, refused};

    fn parsed(json: &str) -> Result<Ask, ApiError> {
        parse(&mut fields(json))
    }

    fn embeddings() -> Embeddings {
        Embeddings {
            vectors: vec![vec![0.5, -0.25], vec![1.0, 0.0]],
            usage: Usage { prompt_tokens: 4, output_tokens: 0, cached_tokens: 0 },
        }
    }

    fn answered(json: &str) -> Result<Value, ApiError> {
        let response = respond(&parsed(json)?, &embeddings())?;
        Ok(serde_json::from_slice(&now(response.into_bytes()).unwrap()).unwrap())
    }

    #[test]
    fn floats_are_a_list() {
        assert_eq!(
            answered(r#"{"model":"m","input":["a","b"],"dimensions":2,"user":"u"}"#).unwrap(),
            json!({
                "object": "list", "model": "m",
                "data": [
                    {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]},
                    {"object": "embedding", "index": 1, "embedding": [1.0, 0.0]},
                ],
                "usage": {"prompt_tokens": 4, "total_tokens": 4},
            })
        );
    }

    #[test]
    fn base64_is_little_endian() {
        let answer = answered(r#"{"model":"m","input":"a","encoding_format":"base64"}"#).unwrap();
        let bytes = STANDARD.decode(answer["data"][0]["embedding"].as_str().unwrap()).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0x3f, 0, 0, 0x80, 0xbe]);
    }

    #[test]
    fn dimensions_cannot_be_changed() {
        let result = answered(r#"{"model":"m","input":"a","dimensions":1}"#);
        refused(result, 400, "dimensions", "unsupported_parameter", "vectors of 2 dimensions");
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |more: &str, param, code, says| {
            refused(parsed(&format!("{{\"model\":\"m\",{more}}}")), 400, param, code, says);
        };
        check(r#""user":"u""#, "input", "missing_required_parameter", "input");
        check(r#""input":[]"#, "input", "invalid_value", "at least one text");
        check(r#""input":"""#, "input", "invalid_value", "must not be empty");
        check(r#""input":["a",""]"#, "input", "invalid_value", "must not be empty");
        check(r#""input":[1,2]"#, "input", "invalid_value", "token numbers");
        check(r#""input":[[1],[2]]"#, "input", "invalid_value", "token numbers");
        check(r#""input":{"a":1}"#, "input", "invalid_type", "an object");
        check(r#""input":["a",null]"#, "input", "invalid_type", "null");
        check(
            &format!("\"input\":[{}\"a\"]", "\"a\",".repeat(2048)),
            "input",
            "invalid_value",
            "at most 2048",
        );
        check(
            r#""input":"a","encoding_format":"hex""#,
            "encoding_format",
            "invalid_value",
            "'float' and 'base64'",
        );
        check(r#""input":"a","dimensions":0"#, "dimensions", "invalid_value", "from 1");
    }
}
