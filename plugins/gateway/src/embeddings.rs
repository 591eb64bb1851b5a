//! `/v1/embeddings`

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inferno_sdk::http::Response;
use inferno_sdk::inference::{self, Embeddings, Usage};
use serde::{Serialize, Serializer};

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Kind, Object, may, must};
use crate::{answer, sampling};

const PARAM: &str = "input";
/// The most texts that one request may have.
const MAX_INPUTS: usize = 2048;

/// What is asked.
pub(crate) static REQUEST: Object = Object {
    name: "EmbeddingRequest",
    fields: &[&[
        must(
            PARAM,
            Kind::OneOf(&[Kind::Filled, Kind::List(&Kind::Filled, 1, MAX_INPUTS)]),
            "A text, or several; no token numbers.",
        ),
        sampling::MODEL,
        may("encoding_format", Kind::Word(&["float", "base64"]), "Default: `float`."),
        may("dimensions", Kind::Integer(1, i64::MAX), "Only the number that the model has."),
    ]],
};

/// What is answered.
pub(crate) static ANSWER: Object = Object {
    name: "EmbeddingAnswer",
    fields: &[&[
        must("object", Kind::Word(&["list"]), ""),
        must("data", Kind::List(&Kind::Object(&EMBEDDING), 1, usize::MAX), "In the order of the texts."),
        must("model", Kind::Text, ""),
        must("usage", Kind::Object(&USAGE), ""),
    ]],
};

static EMBEDDING: Object = Object {
    name: "Embedding",
    fields: &[&[
        must("object", Kind::Word(&["embedding"]), ""),
        answer::INDEX,
        must(
            "embedding",
            Kind::OneOf(&[Kind::List(&Kind::Number(-1.001, 1.001), 1, usize::MAX), Kind::Text]),
            "Of unit length; or in base64 the floats' bytes, little-endian.",
        ),
    ]],
};

/// Tokens counted, where none are written.
pub(crate) static USAGE: Object = Object {
    name: "PromptUsage",
    fields: &[&[must("prompt_tokens", answer::COUNT, ""), must("total_tokens", answer::COUNT, "")]],
};

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
    let inputs = fields.texts(PARAM);
    let base64 = fields.text("encoding_format").as_deref() == Some("base64");
    let dimensions = fields.integer("dimensions");
    Ok(Ask { model: sampling::model(fields)?, inputs, base64, dimensions })
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

/// Tokens counted, where none are written.
#[derive(Serialize)]
pub(crate) struct Tokens {
    prompt_tokens: u32,
    total_tokens: u32,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self { prompt_tokens: usage.prompt_tokens, total_tokens: usage.prompt_tokens }
    }
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
        usage: embeddings.usage.into(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{described, fields, refused};

    fn parsed(json: &str) -> Result<Ask, ApiError> {
        parse(&mut fields(json, &REQUEST)?)
    }

    fn embeddings() -> Embeddings {
        Embeddings {
            vectors: vec![vec![0.5, -0.25], vec![1.0, 0.0]],
            usage: Usage { prompt_tokens: 4, output_tokens: 0, cached_tokens: 0 },
        }
    }

    fn answered(json: &str) -> Result<Value, ApiError> {
        let response = respond(&parsed(json)?, &embeddings())?;
        Ok(described(Ok(response), &ANSWER))
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
        check(r#""input":[]"#, "input", "invalid_value", "at least one item");
        check(r#""input":"""#, "input", "invalid_value", "must not be empty");
        check(r#""input":["a",""]"#, "input[1]", "invalid_value", "must not be empty");
        check(r#""input":[1,2]"#, "input[0]", "invalid_type", "a string, but got a number");
        check(r#""input":[[1],[2]]"#, "input[0]", "invalid_type", "a string, but got an array");
        check(r#""input":{"a":1}"#, "input", "invalid_type", "an object");
        check(r#""input":["a",null]"#, "input[1]", "invalid_type", "null");
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
