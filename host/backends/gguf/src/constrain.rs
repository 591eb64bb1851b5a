//! Grammars that answers keep to: the caller's own, those of JSON schemas, and those of calls of tools.

use inferno_backend::{Constraint, Error, Generate, Tool, ToolChoice, ToolFormat};
use llama_cpp_2::json_schema_to_grammar;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use serde_json::{Map, Value, json};

use crate::{gbnf, native, schema};

/// The grammar for a request, if its answer is constrained.
pub(crate) fn grammar(request: &Generate, format: Option<ToolFormat>) -> Result<Option<String>, Error> {
    let forced = match &request.tool_choice {
        _ if request.tools.is_empty() => false,
        ToolChoice::Required | ToolChoice::Named(_) => true,
        ToolChoice::Auto | ToolChoice::None => false,
    };
    let callable = !request.tools.is_empty() && request.tool_choice != ToolChoice::None;
    match (&request.constraint, format) {
        (Some(_), _) if forced => {
            Err(Error::invalid("the answer cannot have a constraint and be a call of a tool at once")
                .hint("leave the constraint out, or let the model choose whether it calls tools"))
        }
        (Some(Constraint::Grammar(_)), _) if callable => {
            Err(Error::invalid("tools cannot be called where the answer keeps to a grammar")
                .hint("leave the tools out, or say that none is to be called"))
        }
        (Some(Constraint::Grammar(text)), _) => Ok(Some(text.clone())),
        (Some(Constraint::Json(wanted)), Some(format)) if callable => {
            calls(&request.tools, &ToolChoice::Auto, format, Some(wanted)).map(Some)
        }
        (Some(Constraint::Json(wanted)), _) => of_schema(wanted).map(Some),
        (None, Some(format)) if forced => calls(&request.tools, &request.tool_choice, format, None).map(Some),
        (None, _) => Ok(None),
    }
}

/// llama.cpp's sampler for a grammar.
pub(crate) fn sampler(model: &LlamaModel, grammar: &str) -> Result<LlamaSampler, Error> {
    let refused = |why: &str| {
        Error::invalid(format!("the grammar of the answer cannot be used: {why}"))
            .hint("see llama.cpp's grammars/README.md for what grammars look like")
    };
    gbnf::check(grammar).map_err(|why| refused(&why))?;
    let (sampler, log) = native::collect_errors(|| LlamaSampler::grammar(model, grammar, "root"));
    sampler.map_err(|_| refused(log.lines().next().unwrap_or("llama.cpp does not say why")))
}

/// The grammar of JSON that fits a schema; `null`: any object.
fn of_schema(wanted: &Value) -> Result<String, Error> {
    if wanted.is_null() {
        return convert(&json!({"type": "object"}), "the JSON schema of the answer");
    }
    checked(wanted)?;
    convert(wanted, "the JSON schema of the answer")
}

/// Refuses a schema of which llama.cpp would leave out a part.
fn checked(wanted: &Value) -> Result<(), Error> {
    let refused =
        |why: String| Error::invalid(format!("the JSON schema of the answer cannot be used: {why}"));
    schema::check(wanted, schema::Strictness::Whole).map_err(refused)?;
    for pattern in schema::patterns(wanted) {
        let alone = json!({"type": "string", "pattern": pattern});
        let grammar = convert(&alone, "a pattern of the JSON schema of the answer")?;
        if grammar.lines().any(|line| line == "root ::= string") {
            return Err(refused(format!("the pattern {pattern} cannot be enforced"))
                .hint("patterns must begin with ^, end with $, and do without looking around"));
        }
    }
    Ok(())
}

fn convert(schema: &Value, what: &str) -> Result<String, Error> {
    json_schema_to_grammar(&schema.to_string()).map_err(|_| {
        Error::invalid(format!("{what} cannot be made into a grammar"))
            .hint("references must point into the schema itself, and types and patterns must be known ones")
    })
}

/// The grammar of answers that are nothing but calls of these tools, or also JSON of this schema.
fn calls(
    tools: &[Tool],
    choice: &ToolChoice,
    format: ToolFormat,
    or_json: Option<&Value>,
) -> Result<String, Error> {
    let chosen: Vec<&Tool> = match choice {
        ToolChoice::Named(name) => tools.iter().filter(|tool| tool.name == *name).collect(),
        _ => tools.iter().collect(),
    };
    let mut schemas = Vec::with_capacity(chosen.len() + 1);
    for tool in &chosen {
        schemas.push(parameters(tool)?);
    }
    if let Some(wanted) = or_json {
        let wanted = if wanted.is_null() { json!({"type": "object"}) } else { wanted.clone() };
        checked(&wanted)?;
        schemas.push(wanted);
    }
    let alternatives: Vec<Value> = schemas
        .iter()
        .enumerate()
        .map(|(index, schema)| moved(schema, &format!("#/oneOf/{index}")))
        .collect();
    let together = convert(&json!({"oneOf": alternatives}), "a JSON schema of the request")?;

    let root = together.lines().find_map(|line| line.strip_prefix("root ::= ")).unwrap_or_default();
    let rules: Vec<&str> = root.split(" | ").collect();
    if rules.len() != alternatives.len() {
        return Err(Error::internal("llama.cpp made a grammar of another form than expected"));
    }
    let texts: Vec<_> = chosen.iter().map(|tool| format.text(&tool.name)).collect();
    let call: Vec<String> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| format!("{} alternative-{index} {}", quoted(&text.before), quoted(&text.after)))
        .collect();
    let first = texts.first().ok_or_else(|| Error::invalid("there is no tool that could be called"))?;
    let more = match (&first.between, choice) {
        (Some(between), ToolChoice::Auto | ToolChoice::Required) => {
            format!("({} tool-call)*", quoted(between))
        }
        _ => String::new(),
    };
    let json = rules.get(chosen.len()).map(|rule| format!(" | {rule}")).unwrap_or_default();
    let mut grammar = format!(
        "root ::= {} tool-call {more} {}{json}\ntool-call ::= {}\n",
        quoted(&first.open),
        quoted(&first.close),
        call.join(" | ")
    );
    for line in together.lines().filter(|line| !line.starts_with("root ::=")) {
        grammar.push_str(line);
        grammar.push('\n');
    }
    Ok(grammar)
}

/// The schema of a tool's arguments, which are an object.
fn parameters(tool: &Tool) -> Result<Value, Error> {
    let mut schema = match &tool.parameters {
        Value::Null => return Ok(json!({"type": "object", "properties": {}})),
        Value::Object(schema) => schema.clone(),
        _ => {
            return Err(Error::invalid(format!(
                "the parameters of the tool {} are no JSON schema",
                tool.name
            )));
        }
    };
    if !["type", "$ref", "anyOf", "oneOf", "allOf"].iter().any(|key| schema.contains_key(*key)) {
        schema.insert("type".into(), "object".into());
    }
    let schema = Value::Object(schema);
    schema::check(&schema, schema::Strictness::Shape).map_err(|why| {
        Error::invalid(format!("the parameters of the tool {} cannot be used: {why}", tool.name))
    })?;
    convert(&schema, &format!("the JSON schema of the tool {}", tool.name))?;
    Ok(schema)
}

/// A schema whose references to itself are right where it is a part of another.
fn moved(schema: &Value, to: &str) -> Value {
    match schema {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| match value {
                    Value::String(target) if key == "$ref" && target.starts_with('#') => {
                        (key.clone(), format!("{to}{}", target.trim_start_matches('#')).into())
                    }
                    _ => (key.clone(), moved(value, to)),
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().map(|item| moved(item, to)).collect(),
        other => other.clone(),
    }
}

/// A text as a grammar spells it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use inferno_backend::Input;

    use super::*;

    fn request(tools: &[Value], choice: ToolChoice, constraint: Option<Constraint>) -> Generate {
        let tools = tools.iter().map(|tool| serde_json::from_value(tool.clone()).unwrap()).collect();
        Generate { tools, tool_choice: choice, constraint, ..Generate::new(Input::Chat(Vec::new())) }
    }

    #[test]
    fn every_format_has_a_grammar_that_can_be_read() {
        let tools = [
            json!({"name": "get", "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}},
                   "required": ["a"], "$defs": {"x": {"type": "string", "enum": ["b", "\"c\\"]}}}}),
            json!({"name": "put"}),
            json!({"name": "any", "parameters": {}}),
        ];
        let formats =
            [ToolFormat::Tagged, ToolFormat::Listed("[TOOL_CALLS]"), ToolFormat::Spelled, ToolFormat::Bare];
        for format in formats {
            for choice in [ToolChoice::Required, ToolChoice::Named("put".into())] {
                let grammar = grammar(&request(&tools, choice.clone(), None), Some(format)).unwrap().unwrap();
                assert_eq!(gbnf::check(&grammar), Ok(()), "{grammar}");
                assert_eq!(grammar.contains("get"), choice == ToolChoice::Required, "{grammar}");
            }
            let either = Some(Constraint::Json(json!({"type": "integer"})));
            let grammar = grammar(&request(&tools, ToolChoice::Auto, either), Some(format)).unwrap().unwrap();
            assert_eq!(gbnf::check(&grammar), Ok(()), "{grammar}");
            assert!(grammar.contains("| integer\n"), "{grammar}");
        }
        let free = request(&tools, ToolChoice::Auto, None);
        assert_eq!(grammar(&free, Some(ToolFormat::Tagged)).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_had_together_is_refused() {
        let tools = [json!({"name": "put"})];
        let own = Some(Constraint::Grammar("root ::= \"a\"".into()));
        for (choice, constraint, named) in [
            (ToolChoice::Required, Some(Constraint::Json(Value::Null)), "at once"),
            (ToolChoice::Auto, own.clone(), "keeps to a grammar"),
        ] {
            let error = grammar(&request(&tools, choice, constraint), Some(ToolFormat::Tagged)).unwrap_err();
            assert!(error.message.contains(named), "{error}");
        }
        let shown = grammar(&request(&tools, ToolChoice::None, own), Some(ToolFormat::Tagged)).unwrap();
        assert_eq!(shown.unwrap(), "root ::= \"a\"");
    }

    #[test]
    fn bad_schemas_are_refused() {
        for (schema, named) in [
            (json!({"$ref": "#/nowhere"}), "cannot be made"),
            (json!({"type": "thing"}), "cannot be made"),
            (json!({"type": "string", "pattern": "^(a$"}), "cannot be made"),
            (json!({"items": {"type": "string", "pattern": "a+"}}), "pattern a+ cannot be enforced"),
            (json!({"type": "string", "contentMediaType": "x", "not": {}}), "not"),
            (json!([1]), "no object"),
        ] {
            let error = of_schema(&schema).unwrap_err();
            assert!(error.message.contains(named), "{schema}: {error}");
        }
        let tool = [json!({"name": "put", "parameters": [1]})];
        let error = grammar(&request(&tool, ToolChoice::Required, None), Some(ToolFormat::Bare)).unwrap_err();
        assert!(error.message.contains("tool put"), "{error}");
    }
}
