//! What an answer must look like: `response_format`, and `text.format` of responses.

use inferno_sdk::inference::{Format, Request};
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Field, Kind, Object, Tagged, may, must};

/// `response_format` of chats.
pub(crate) static CHAT: Tagged =
    Tagged { tag: "type", cases: &[&TEXT, &JSON, &CHAT_SCHEMA], default: None, refused: &[] };

/// `text.format` of responses.
pub(crate) static FLAT: Tagged =
    Tagged { tag: "type", cases: &[&TEXT, &JSON, &FLAT_SCHEMA], default: None, refused: &[] };

static TEXT: Object =
    Object { name: "TextFormat", fields: &[&[must("type", Kind::Word(&["text"]), "As the model likes.")]] };

static JSON: Object = Object {
    name: "JsonObjectFormat",
    fields: &[&[must("type", Kind::Word(&["json_object"]), "Any JSON object.")]],
};

static CHAT_SCHEMA: Object = Object {
    name: "JsonSchemaFormat",
    fields: &[&[
        must("type", Kind::Word(&["json_schema"]), "JSON that fits a schema."),
        must("json_schema", Kind::Object(&SCHEMA), ""),
    ]],
};

static SCHEMA: Object = Object { name: "JsonSchema", fields: &[SCHEMA_FIELDS] };

static FLAT_SCHEMA: Object = Object {
    name: "JsonSchemaTextFormat",
    fields: &[&[must("type", Kind::Word(&["json_schema"]), "JSON that fits a schema.")], SCHEMA_FIELDS],
};

const SCHEMA_FIELDS: &[Field] = &[
    must("name", Kind::Identifier, "What it is called; without effect."),
    may("description", Kind::Text, "Without effect."),
    may("schema", Kind::Map(&Kind::Any), "The JSON schema. Absent: any JSON object."),
    may("strict", Kind::Boolean, "Without effect: what does not fit is never written."),
];

/// Takes over the format of a chat.
pub(crate) fn chat(fields: &mut Fields, request: &mut Request) -> Result<(), ApiError> {
    let given = fields.take("response_format");
    let schema = given.as_ref().and_then(|given| given.get("json_schema"));
    set(request, format(given.as_ref(), schema), "response_format")
}

/// Takes over the format of a response.
pub(crate) fn flat(fields: &Fields, request: &mut Request) -> Result<(), ApiError> {
    let given = fields.peek("text").and_then(|text| text.get("format"));
    set(request, format(given, given), "text.format")
}

/// What is asked for; `of` has the schema. Its properties keep their order, in which the model writes them.
fn format(given: Option<&Value>, of: Option<&Value>) -> Option<Format> {
    match given?.get("type")?.as_str()? {
        "json_object" => Some(Format::Json(None)),
        "json_schema" => {
            let schema = of.and_then(|of| of.get("schema")).filter(|schema| !schema.is_null());
            Some(Format::Json(schema.map(Value::to_string)))
        }
        _ => None,
    }
}

fn set(request: &mut Request, format: Option<Format>, param: &str) -> Result<(), ApiError> {
    if format.is_some() && request.format.is_some() {
        return Err(ApiError::value(param, "a 'grammar' is given too; give one of them."));
    }
    request.format = request.format.take().or(format);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    static BOTH: Object = Object {
        name: "Both",
        fields: &[&[
            may("response_format", Kind::Tagged(&CHAT), ""),
            may(
                "text",
                Kind::Object(&Object { name: "Text", fields: &[&[may("format", Kind::Tagged(&FLAT), "")]] }),
                "",
            ),
        ]],
    };

    fn parsed(json: &str) -> Result<Option<Format>, ApiError> {
        let mut request = Request::prompt("m", "p");
        let mut fields = fields(json, &BOTH)?;
        flat(&fields, &mut request)?;
        chat(&mut fields, &mut request)?;
        Ok(request.format)
    }

    #[test]
    fn each_format_arrives_with_its_schema_in_order() {
        let json = |schema: &str| Some(Format::Json(Some(schema.to_owned())));
        assert_eq!(parsed(r#"{"response_format":{"type":"text"}}"#).unwrap(), None);
        assert_eq!(
            parsed(r#"{"response_format":{"type":"json_object"}}"#).unwrap(),
            Some(Format::Json(None))
        );
        let schema = r#"{"type":"object","properties":{"z":{},"a":{}}}"#;
        let chat = format!(
            r#"{{"response_format":{{"type":"json_schema","json_schema":{{"name":"n","strict":true,"schema":{schema}}}}}}}"#
        );
        assert_eq!(parsed(&chat).unwrap(), json(schema));
        let flat =
            format!(r#"{{"text":{{"format":{{"type":"json_schema","name":"n","schema":{schema}}}}}}}"#);
        assert_eq!(parsed(&flat).unwrap(), json(schema));
        let bare = r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}"#;
        assert_eq!(parsed(bare).unwrap(), Some(Format::Json(None)));
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |json, param, code, says| refused(parsed(json), 400, param, code, says);
        check(r#"{"response_format":"json"}"#, "response_format", "invalid_type", "an object");
        check(r#"{"response_format":{}}"#, "response_format.type", "missing_required_parameter", "type");
        check(
            r#"{"response_format":{"type":"xml"}}"#,
            "response_format.type",
            "invalid_value",
            "'json_schema'",
        );
        let nameless = r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{}}}}"#;
        check(nameless, "response_format.json_schema.name", "missing_required_parameter", "name");
        let odd = r#"{"text":{"format":{"type":"json_schema","name":"n","schema":[]}}}"#;
        check(odd, "text.format.schema", "invalid_type", "an object");
        let both = r#"{"text":{"format":{"type":"json_object"}},"response_format":{"type":"json_object"}}"#;
        check(both, "response_format", "invalid_value", "give one");
    }
}
