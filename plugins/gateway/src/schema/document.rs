//! The OpenAPI document, from the descriptions and the table of endpoints.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Field, Kind, Object, Tagged};
use crate::route::{Endpoint, Output, Verb};

/// What may go wrong at any endpoint, by status.
const REFUSALS: [(&str, &str); 15] = [
    ("400", "The request is malformed, or asks for what the model cannot do. `param` names the field."),
    ("401", "A key is needed, and none or an unknown one was sent."),
    ("403", "The user did not grant this; the message has the line that would."),
    ("404", "There is no such model, response, file, batch or path."),
    ("405", "Another method; `allow` says which."),
    ("408", "The request did not arrive in time."),
    ("413", "The body is too large."),
    ("426", "The path is for WebSockets."),
    ("429", "Too many requests wait, or a budget is spent; `retry-after` says when to try again."),
    ("431", "The headers are too large."),
    ("500", "The server failed."),
    ("503", "Not now: the model loads, or its worker just died; `retry-after` says when to try again."),
    ("504", "The deadline passed."),
    ("507", "The disk is full."),
    ("default", "Any other refusal."),
];

/// The document: these endpoints, and what every refusal looks like.
pub(crate) fn document(endpoints: &'static [Endpoint], error: &'static Object) -> Value {
    let mut schemas = Schemas::default();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let operation = schemas.operation(endpoint, links(endpoint, endpoints));
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.verb.as_str().to_ascii_lowercase()] = operation;
    }
    let refusal = json!({
        "description": "A refusal",
        "content": {"application/json": {"schema": schemas.object(error)}},
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Inferno",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "responses": {"Refusal": refusal},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    })
}

/// What can be done with what an endpoint makes, by the id that it answers.
fn links(maker: &Endpoint, endpoints: &'static [Endpoint]) -> Map<String, Value> {
    let about = endpoints.iter().filter(|endpoint| {
        let below = endpoint.path.strip_prefix(maker.path);
        maker.verb == Verb::Post && below.is_some_and(|rest| rest.starts_with("/{"))
    });
    let link = |endpoint: &Endpoint| {
        let parameters = endpoint.parameter().map(|name| (name.to_owned(), "$response.body#/id".into()));
        let parameters: Map<String, Value> = parameters.into_iter().collect();
        (endpoint.id.to_owned(), json!({"operationId": endpoint.id, "parameters": parameters}))
    };
    about.map(link).collect()
}

/// The objects that have a name, as they are met.
#[derive(Default)]
struct Schemas(BTreeMap<&'static str, Value>);

impl Schemas {
    fn operation(&mut self, endpoint: &'static Endpoint, links: Map<String, Value>) -> Value {
        let mut parameters: Vec<Value> = Vec::new();
        if let Some(name) = endpoint.parameter() {
            let schema = json!({"type": "string", "minLength": 1});
            parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
        }
        for field in endpoint.query {
            parameters.push(json!({
                "name": field.name, "in": "query", "required": field.required,
                "description": field.about, "schema": self.kind(&field.kind),
            }));
        }
        let mut responses = Map::new();
        let done = if matches!(endpoint.output, Output::Socket) { "101" } else { "200" };
        let mut output = self.output(&endpoint.output);
        if !links.is_empty() {
            output["links"] = links.into();
        }
        responses.insert(done.to_owned(), output);
        for (status, about) in REFUSALS {
            let refusal = json!({"$ref": "#/components/responses/Refusal", "description": about});
            responses.insert(status.to_owned(), refusal);
        }
        let mut operation = json!({
            "operationId": endpoint.id, "summary": endpoint.about, "parameters": parameters, "responses": responses,
        });
        if let Some(body) = endpoint.body {
            let form = if body.is_form() { "multipart/form-data" } else { "application/json" };
            operation["requestBody"] = json!({
                "required": true, "content": {form: {"schema": self.object(body)}},
            });
        }
        operation
    }

    fn output(&mut self, output: &'static Output) -> Value {
        let json = |schema: Value| json!({"schema": schema});
        match output {
            Output::Json(object) => {
                json!({"description": "Done", "content": {"application/json": json(self.object(object))}})
            }
            Output::JsonOrEvents(object, event) => {
                let event = self.kind(event);
                // A schema of this media type would be one of the whole stream.
                let events = json!({"x-event": event});
                json!({
                    "description": "The answer: whole, or as server-sent events where `stream` is true",
                    "content": {
                        "application/json": json(self.object(object)),
                        "text/event-stream": events,
                    },
                })
            }
            Output::Content => json!({
                "description": "The content",
                "content": {"application/octet-stream": json(json!({"type": "string", "format": "binary"}))},
            }),
            Output::Socket => json!({"description": "A WebSocket, on which each message is one JSON object"}),
            Output::Document => json!({
                "description": "This document", "content": {"application/json": {"schema": {"type": "object"}}},
            }),
        }
    }

    /// A reference to an object, which is described with the others.
    fn object(&mut self, object: &'static Object) -> Value {
        if !self.0.contains_key(object.name) {
            // Before its fields, which may lead back to it.
            self.0.insert(object.name, Value::Null);
            let described = self.fields(object);
            self.0.insert(object.name, described);
        }
        json!({"$ref": format!("#/components/schemas/{}", object.name)})
    }

    fn fields(&mut self, object: &'static Object) -> Value {
        let properties: Map<String, Value> =
            object.all().map(|field| (field.name.to_owned(), self.field(field))).collect();
        let required: Vec<&str> =
            object.all().filter(|field| field.required).map(|field| field.name).collect();
        let mut described = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            described["required"] = json!(required);
        }
        described
    }

    fn field(&mut self, field: &'static Field) -> Value {
        let mut described = self.kind(&field.kind);
        if !field.required && !matches!(field.kind, Kind::Any) {
            described = or_null(described);
        }
        if !field.about.is_empty() {
            described["description"] = field.about.into();
        }
        described
    }

    fn kind(&mut self, kind: &'static Kind) -> Value {
        match kind {
            Kind::Any => json!({}),
            Kind::Null => json!({"type": "null"}),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::File => json!({"type": "string", "format": "binary"}),
            Kind::Text => json!({"type": "string"}),
            Kind::Filled => json!({"type": "string", "minLength": 1}),
            Kind::Identifier => json!({"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}),
            Kind::Word(words) => json!({"type": "string", "enum": words}),
            Kind::Integer(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
            Kind::Number(low, high) => json!({"type": "number", "minimum": low, "maximum": high}),
            Kind::List(kind, low, high) => {
                let mut described = json!({"type": "array", "items": self.kind(kind)});
                if *low > 0 {
                    described["minItems"] = json!(low);
                }
                if *high < usize::MAX {
                    described["maxItems"] = json!(high);
                }
                described
            }
            Kind::Map(kind) => json!({"type": "object", "additionalProperties": self.kind(kind)}),
            Kind::Tokens(kind) => json!({
                "type": "object", "propertyNames": {"pattern": "^[0-9]{1,9}$"},
                "additionalProperties": self.kind(kind),
            }),
            Kind::Object(object) => self.object(object),
            Kind::Tagged(tagged) => self.tagged(tagged),
            Kind::OneOf(kinds) => {
                let kinds: Vec<Value> = kinds.iter().map(|kind| self.kind(kind)).collect();
                json!({"anyOf": kinds})
            }
            Kind::Only(values, _) => {
                let values = values.iter().map(|text| serde_json::from_str(text).unwrap_or_default());
                json!({"enum": values.collect::<Vec<Value>>()})
            }
        }
    }

    fn tagged(&mut self, tagged: &'static Tagged) -> Value {
        let cases: Vec<Value> = tagged.cases.iter().map(|object| self.object(object)).collect();
        match &*cases {
            [only] => only.clone(),
            _ => json!({"oneOf": cases}),
        }
    }
}

/// The same, or `null`.
fn or_null(mut described: Value) -> Value {
    if let Some(kind) = described.get("type").filter(|kind| kind.is_string()).cloned() {
        described["type"] = json!([kind, "null"]);
    } else if let Some(kinds) = described.get_mut("anyOf").and_then(Value::as_array_mut) {
        kinds.push(json!({"type": "null"}));
    } else if described.get("enum").is_none() {
        return json!({"anyOf": [described, {"type": "null"}]});
    }
    if let Some(words) = described.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    described
}
