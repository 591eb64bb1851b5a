//! `/v1/models`

use inferno_sdk::http::Response;
use inferno_sdk::models::{self, Model};
use serde::Serialize;

use crate::answer;
use crate::error::ApiError;
use crate::schema::{Kind, Object, may, must};

/// All of them.
pub(crate) static LIST: Object = Object {
    name: "ModelList",
    fields: &[&[
        must("object", Kind::Word(&["list"]), ""),
        must("data", Kind::List(&Kind::Object(&MODEL), 0, usize::MAX), ""),
    ]],
};

/// One of them.
pub(crate) static MODEL: Object = Object {
    name: "Model",
    fields: &[&[
        must("id", Kind::Text, "Its name."),
        must("object", Kind::Word(&["model"]), ""),
        must(
            "created",
            Kind::Integer(0, i64::MAX),
            "When its file was changed, in seconds since 1970 (UTC).",
        ),
        must("owned_by", Kind::Text, ""),
        may(
            "context_length",
            Kind::Integer(0, u32::MAX as i64),
            "In tokens, where it is known. Not OpenAI's.",
        ),
    ]],
};

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    /// Not OpenAI's; clients that know it need not be told by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u32>,
}

impl<'a> From<&'a Model> for Entry<'a> {
    fn from(model: &'a Model) -> Self {
        Self {
            id: &model.name,
            object: "model",
            created: model.modified,
            owned_by: "inferno",
            context_length: model.context_length,
        }
    }
}

pub(crate) fn list() -> Result<Response, ApiError> {
    let models = models::all().map_err(|error| ApiError::host(error, "model"))?;
    Ok(render(&models))
}

pub(crate) fn one(name: &str) -> Result<Response, ApiError> {
    let model = models::get(name).map_err(|error| ApiError::host(error, "model"))?;
    Ok(answer::respond(&Entry::from(&model)))
}

fn render(models: &[Model]) -> Response {
    answer::respond(&List { object: "list", data: models.iter().map(Entry::from).collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::described;

    fn model(name: &str, context_length: Option<u32>) -> Model {
        Model {
            name: name.into(),
            format: "gguf".into(),
            size_bytes: 1,
            modified: 17,
            context_length,
            chats: true,
            details: Vec::new(),
        }
    }

    #[test]
    fn the_list_has_openais_form() {
        let body = described(Ok(render(&[model("a", Some(2048)), model("b/c", None)])), &LIST);
        assert_eq!(
            body,
            json!({"object": "list", "data": [
                {"id": "a", "object": "model", "created": 17, "owned_by": "inferno", "context_length": 2048},
                {"id": "b/c", "object": "model", "created": 17, "owned_by": "inferno"},
            ]})
        );
    }
}
