//! `/v1/rerank`, in the form that Jina and Cohere share.

use inferno_sdk::http::Response;
use inferno_sdk::inference::{self, Ranking};
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Kind, Object, may, must};
use crate::{answer, embeddings, sampling};

const PARAM: &str = "documents";
/// The most documents that one request may have.
const MAX_DOCUMENTS: usize = 1024;

/// What is asked.
pub(crate) static REQUEST: Object = Object {
    name: "RerankRequest",
    fields: &[&[
        must("query", Kind::Filled, "What the documents are to answer."),
        must(
            PARAM,
            Kind::List(&Kind::OneOf(&[Kind::Text, Kind::Object(&DOCUMENT)]), 1, MAX_DOCUMENTS),
            "What is to be ordered.",
        ),
        sampling::MODEL,
        may("top_n", Kind::Integer(1, u32::MAX as i64), "Only so many of the best. Default: all."),
        may("return_documents", Kind::Boolean, "Whether the results have their documents. Default: false."),
    ]],
};

/// What is answered.
pub(crate) static ANSWER: Object = Object {
    name: "RerankAnswer",
    fields: &[&[
        must("object", Kind::Word(&["list"]), ""),
        must("model", Kind::Text, ""),
        must("results", Kind::List(&Kind::Object(&RESULT), 0, usize::MAX), "The best first."),
        must("usage", Kind::Object(&embeddings::USAGE), ""),
    ]],
};

static RESULT: Object = Object {
    name: "RerankResult",
    fields: &[&[
        must("index", answer::COUNT, "Which of the documents."),
        must(
            "relevance_score",
            Kind::Number(f32::MIN as f64, f32::MAX as f64),
            "Greater is better. Only scores of one model can be compared.",
        ),
        may("document", Kind::Object(&DOCUMENT), "Where they were asked for."),
    ]],
};

static DOCUMENT: Object = Object { name: "Document", fields: &[&[must("text", Kind::Text, "")]] };

#[derive(Debug)]
struct Ask {
    model: String,
    query: String,
    documents: Vec<String>,
    top: usize,
    with_documents: bool,
}

pub(crate) fn answer(fields: Fields) -> Result<Response, ApiError> {
    let ask = parse(fields)?;
    let ranking = inference::rank(&ask.model, &ask.query, &ask.documents)
        .map_err(|error| ApiError::host(error, PARAM))?;
    Ok(respond(&ask, &ranking))
}

fn parse(mut fields: Fields) -> Result<Ask, ApiError> {
    let text = |document: Value| match document {
        Value::String(text) => text,
        other => Fields::of(other).text("text").unwrap_or_default(),
    };
    let documents: Vec<String> = fields.list(PARAM).unwrap_or_default().into_iter().map(text).collect();
    Ok(Ask {
        model: sampling::model(&mut fields)?,
        query: fields.text("query").unwrap_or_default(),
        top: fields.integer("top_n").unwrap_or(documents.len()),
        with_documents: fields.flag("return_documents").unwrap_or(false),
        documents,
    })
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    model: &'a str,
    results: Vec<Ranked<'a>>,
    usage: embeddings::Tokens,
}

#[derive(Serialize)]
struct Ranked<'a> {
    index: usize,
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    text: &'a str,
}

fn respond(ask: &Ask, ranking: &Ranking) -> Response {
    let each = ask.documents.iter().zip(&ranking.scores).enumerate();
    let mut results: Vec<Ranked<'_>> = each
        .map(|(index, (text, score))| Ranked {
            index,
            relevance_score: *score,
            document: ask.with_documents.then_some(Document { text }),
        })
        .collect();
    results.sort_by(|a, b| b.relevance_score.total_cmp(&a.relevance_score));
    results.truncate(ask.top);
    answer::respond(&List { object: "list", model: &ask.model, results, usage: ranking.usage.into() })
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::Usage;
    use serde_json::json;

    use super::*;
    use crate::testing::{described, fields, refused};

    fn parsed(json: &str) -> Result<Ask, ApiError> {
        parse(fields(json, &REQUEST)?)
    }

    fn answered(json: &str) -> Value {
        let usage = Usage { prompt_tokens: 9, output_tokens: 0, cached_tokens: 0 };
        let ranking = Ranking { scores: vec![-1.5, 2.0, 0.5], usage };
        described(Ok(respond(&parsed(json).unwrap(), &ranking)), &ANSWER)
    }

    #[test]
    fn the_best_come_first() {
        let answer = answered(r#"{"model":"m","query":"q","documents":["a",{"text":"b"},"c"]}"#);
        let result = |index: usize, score: f32| json!({"index": index, "relevance_score": score});
        let results = [result(1, 2.0), result(2, 0.5), result(0, -1.5)];
        let usage = json!({"prompt_tokens": 9, "total_tokens": 9});
        assert_eq!(answer, json!({"object": "list", "model": "m", "results": results, "usage": usage}));
        let top = r#"{"model":"m","query":"q","documents":["a",{"text":"b"},"c"],"top_n":1,"return_documents":true}"#;
        let best = json!([{"index": 1, "relevance_score": 2.0, "document": {"text": "b"}}]);
        assert_eq!(answered(top)["results"], best);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |json, param, code, says| refused(parsed(json), 400, param, code, says);
        check(r#"{"query":"q"}"#, "documents", "missing_required_parameter", "documents");
        check(r#"{"documents":["a"]}"#, "query", "missing_required_parameter", "query");
        check(r#"{"query":"q","documents":[]}"#, "documents", "invalid_value", "at least one");
        check(r#"{"query":"q","documents":[7]}"#, "documents[0]", "invalid_type", "a string or an object");
        check(r#"{"query":"q","documents":[{}]}"#, "documents[0].text", "missing_required_parameter", "text");
        check(r#"{"query":"q","documents":["a"],"top_n":0}"#, "top_n", "invalid_value", "from 1");
    }
}
