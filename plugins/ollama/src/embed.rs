//! `/api/embed`, and `/api/embeddings`, which came before it.

use std::time::Instant;

use inferno_sdk::http::Response;
use inferno_sdk::inference::{self, Embeddings};
use inferno_sdk::json::{FieldError, Fields};
use inferno_sdk::models;
use serde::Serialize;

use crate::error::ApiError;
use crate::{ask, keep_alive};

/// The most texts that one request may have.
const MAX_INPUTS: usize = 2048;

#[derive(Debug, PartialEq)]
struct Ask {
    model: String,
    inputs: Vec<String>,
    /// Cut the vectors to this many numbers.
    dimensions: Option<usize>,
}

#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    embeddings: Vec<Vec<f32>>,
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u32,
}

#[derive(Serialize)]
struct One {
    embedding: Vec<f32>,
}

pub(crate) fn several(body: &mut Fields) -> Result<Response, ApiError> {
    let asked = Instant::now();
    let ask = parse(body)?;
    let embeddings = embed(body, &ask)?;
    let prompt_eval_count = embeddings.usage.prompt_tokens;
    let vectors = embeddings.vectors.into_iter();
    Ok(Response::json(
        200,
        &Answer {
            model: &ask.model,
            embeddings: vectors.map(|vector| shortened(vector, ask.dimensions)).collect(),
            total_duration: u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX),
            load_duration: 0,
            prompt_eval_count,
        },
    ))
}

pub(crate) fn one(body: &mut Fields) -> Result<Response, ApiError> {
    let model = ask::model(body)?;
    let inputs: Vec<String> = body.string("prompt")?.filter(|text| !text.is_empty()).into_iter().collect();
    let mut embeddings = embed(body, &Ask { model, inputs, dimensions: None })?;
    Ok(Response::json(200, &One { embedding: embeddings.vectors.pop().unwrap_or_default() }))
}

/// A text that does not fit is refused, with `truncate` too: nothing is ever cut here.
fn parse(body: &mut Fields) -> Result<Ask, ApiError> {
    let model = ask::model(body)?;
    let inputs = body.strings("input")?.unwrap_or_default();
    if inputs.len() > MAX_INPUTS {
        let why = format!("there may be {MAX_INPUTS} texts at most, but there are {}", inputs.len());
        return Err(FieldError::value("input", why).into());
    }
    let dimensions = body.integer("dimensions", 0, i64::MAX)?.and_then(|number| usize::try_from(number).ok());
    Ok(Ask { model, inputs, dimensions: dimensions.filter(|number| *number > 0) })
}

fn embed(body: &mut Fields, ask: &Ask) -> Result<Embeddings, ApiError> {
    let keep_alive = keep_alive::take(body)?;
    let unload = keep_alive.is_some_and(|time| time.is_zero());
    if ask.inputs.is_empty() || (keep_alive.is_some() && !unload) {
        models::load(&ask.model, keep_alive.filter(|time| !time.is_zero()))?;
    }
    let embeddings = if ask.inputs.is_empty() {
        Ok(Embeddings { vectors: Vec::new(), usage: inference::Usage::default() })
    } else {
        inference::embed(&ask.model, &ask.inputs)
    };
    if unload {
        models::unload(&ask.model)?;
    }
    Ok(embeddings?)
}

/// The first numbers of a vector, again of unit length.
fn shortened(mut vector: Vec<f32>, dimensions: Option<usize>) -> Vec<f32> {
    let Some(dimensions) = dimensions.filter(|wanted| *wanted < vector.len()) else { return vector };
    vector.truncate(dimensions);
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, says};

    fn parsed(json: &str) -> Result<Ask, ApiError> {
        parse(&mut fields(json))
    }

    #[test]
    fn one_text_or_several() {
        let ask = |inputs: &[&str], dimensions| Ask {
            model: "m".into(),
            inputs: inputs.iter().map(|&text| text.into()).collect(),
            dimensions,
        };
        assert_eq!(
            parsed(r#"{"model":"m","input":"a","truncate":true,"options":{}}"#).unwrap(),
            ask(&["a"], None)
        );
        let several = parsed(r#"{"model":"m:latest","input":["a","b"],"dimensions":2}"#);
        assert_eq!(several.unwrap(), ask(&["a", "b"], Some(2)));
        assert_eq!(parsed(r#"{"model":"m"}"#).unwrap(), ask(&[], None));
    }

    #[test]
    fn a_shortened_vector_has_unit_length() {
        let vector = || vec![0.0, 0.5, 0.8];
        assert_eq!(shortened(vector(), Some(2)), [0.0, 1.0]);
        assert_eq!(shortened(vector(), Some(3)), vector());
        assert_eq!(shortened(vector(), Some(9)), vector());
        assert_eq!(shortened(vec![0.0, 1.0], Some(1)), [0.0]);
        assert_eq!(shortened(vector(), None), vector());
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        says(parsed(r#"{"input":"a"}"#), "`model` is missing");
        says(parsed(r#"{"model":"m","input":[1]}"#), "`input[0]` must be a string");
        says(parsed(r#"{"model":"m","input":"a","dimensions":-1}"#), "`dimensions`: it must be from 0");
        let many = format!("{{\"model\":\"m\",\"input\":[{}\"a\"]}}", "\"a\",".repeat(2048));
        says(parsed(&many), "2048 texts at most");
    }
}
