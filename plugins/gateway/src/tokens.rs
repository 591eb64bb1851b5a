//! `/tokenize` and `/detokenize`, as llama-server has them.

use std::collections::BTreeMap;

use inferno_sdk::Error;
use inferno_sdk::http::Response;
use inferno_sdk::inference;
use serde::Serialize;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Kind, Object, may, must};
use crate::{answer, sampling};

const TOKEN: Kind = Kind::Integer(0, u32::MAX as i64);
/// The most tokens whose text is asked for.
const MAX_TOKENS: usize = 1_000_000;

/// What is asked of `/tokenize`.
pub(crate) static TOKENIZE: Object = Object {
    name: "TokenizeRequest",
    fields: &[&[
        must("content", Kind::Text, "The text."),
        may(
            "add_special",
            Kind::Boolean,
            "Control tokens in the text are meant, and the token that begins every text is added. Default: false.",
        ),
        may("with_pieces", Kind::Boolean, "Tells the text of each token too. Default: false."),
        sampling::MODEL,
    ]],
};

/// What `/tokenize` answers.
pub(crate) static TOKENS: Object = Object {
    name: "TokenizeAnswer",
    fields: &[&[must("tokens", Kind::List(&Kind::OneOf(&[TOKEN, Kind::Object(&PIECE)]), 0, usize::MAX), "")]],
};

static PIECE: Object = Object {
    name: "TokenPiece",
    fields: &[&[
        must("id", TOKEN, ""),
        must("piece", Kind::Text, "Its text; a part of a character is shown as U+FFFD."),
    ]],
};

/// What is asked of `/detokenize`.
pub(crate) static DETOKENIZE: Object = Object {
    name: "DetokenizeRequest",
    fields: &[&[must("tokens", Kind::List(&TOKEN, 0, MAX_TOKENS), "The tokens."), sampling::MODEL]],
};

/// What `/detokenize` answers.
pub(crate) static TEXT: Object =
    Object { name: "DetokenizeAnswer", fields: &[&[must("content", Kind::Text, "Their text.")]] };

#[derive(Serialize)]
struct Tokens<T> {
    tokens: Vec<T>,
}

#[derive(Serialize)]
struct Piece<'a> {
    id: u32,
    piece: &'a str,
}

#[derive(Serialize)]
struct Text {
    content: String,
}

pub(crate) fn tokenize(mut fields: Fields) -> Result<Response, ApiError> {
    let host = |error: Error| ApiError::host(error, "content");
    let text = fields.text("content").unwrap_or_default();
    let special = fields.flag("add_special").unwrap_or(false);
    let with_pieces = fields.flag("with_pieces").unwrap_or(false);
    let model = sampling::model(&mut fields)?;
    let tokens = inference::tokenize(&model, &text, special).map_err(host)?;
    if !with_pieces {
        return Ok(answer::respond(&Tokens { tokens }));
    }
    let mut texts: BTreeMap<u32, String> = BTreeMap::new();
    for token in &tokens {
        if !texts.contains_key(token) {
            texts.insert(*token, inference::detokenize(&model, &[*token]).map_err(host)?);
        }
    }
    Ok(with_texts(&tokens, &texts))
}

fn with_texts(tokens: &[u32], texts: &BTreeMap<u32, String>) -> Response {
    let piece = |id: &u32| Piece { id: *id, piece: texts.get(id).map_or("", |text| text) };
    answer::respond(&Tokens { tokens: tokens.iter().map(piece).collect() })
}

pub(crate) fn detokenize(mut fields: Fields) -> Result<Response, ApiError> {
    let tokens = fields.list("tokens").unwrap_or_default();
    let tokens: Vec<u32> =
        tokens.iter().filter_map(|token| token.as_u64().and_then(|id| u32::try_from(id).ok())).collect();
    let model = sampling::model(&mut fields)?;
    let content = inference::detokenize(&model, &tokens).map_err(|error| ApiError::host(error, "tokens"))?;
    Ok(answer::respond(&Text { content }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{described, fields, refused};

    #[test]
    fn answers_have_llama_servers_form() {
        let bare = answer::respond(&Tokens { tokens: vec![7, 8] });
        assert_eq!(described(Ok(bare), &TOKENS), json!({"tokens": [7, 8]}));
        let texts = BTreeMap::from([(7, "a".to_owned()), (8, "\u{fffd}".to_owned())]);
        let pieces =
            json!([{"id": 8, "piece": "\u{fffd}"}, {"id": 7, "piece": "a"}, {"id": 8, "piece": "\u{fffd}"}]);
        assert_eq!(described(Ok(with_texts(&[8, 7, 8], &texts)), &TOKENS), json!({"tokens": pieces}));
        let text = answer::respond(&Text { content: "ab".into() });
        assert_eq!(described(Ok(text), &TEXT), json!({"content": "ab"}));
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        refused(fields("{}", &TOKENIZE), 400, "content", "missing_required_parameter", "content");
        refused(fields("{}", &DETOKENIZE), 400, "tokens", "missing_required_parameter", "tokens");
        let odd = fields(r#"{"tokens":[1,-1]}"#, &DETOKENIZE);
        refused(odd, 400, "tokens[1]", "invalid_value", "from 0 to 4294967295");
    }
}
