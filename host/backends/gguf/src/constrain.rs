//! Grammars that answers keep to: the caller's own, those of JSON schemas, and those of calls of tools.

use inferno_backend::{Constraint, Error, Generate, Tool, ToolChoice, ToolFormat};
use llama_cpp_2::json_schema_to_grammar;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use serde_json::{Value, json};

use crate::{calls, gbnf, native, schema};

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
            calls::grammar(&request.tools, &ToolChoice::Auto, format, Some(wanted)).map(Some)
        }
        (Some(Constraint::Json(wanted)), _) => of_schema(wanted).map(Some),
        (None, Some(format)) if forced => {
            calls::grammar(&request.tools, &request.tool_choice, format, None).map(Some)
        }
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
pub(crate) fn checked(wanted: &Value) -> Result<(), Error> {
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

pub(crate) fn convert(schema: &Value, what: &str) -> Result<String, Error> {
    json_schema_to_grammar(&schema.to_string()).map_err(|_| {
        Error::invalid(format!("{what} cannot be made into a grammar"))
            .hint("references must point into the schema itself, and types and patterns must be known ones")
    })
}

/// The schema of a tool's arguments, which are an object.
pub(crate) fn parameters(tool: &Tool) -> Result<Value, Error> {
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

#[cfg(test)]
mod tests {
    use inferno_backend::Input;

    use super::*;

    fn request(tools: &[Value], choice: ToolChoice, constraint: Option<Constraint>) -> Generate {
        let tools = tools.iter().map(|tool| serde_json::from_value(tool.clone()).unwrap()).collect();
        Generate { tools, tool_choice: choice, constraint, ..Generate::new(Input::Chat(Vec::new())) }
    }

    /// One for each format.
    fn templates() -> impl Iterator<Item = &'static str> {
        [
            "{{ tools }}<tool_call>{\"name\"",
            "{{ tools }}[TOOL_CALLS]",
            "{{ tools }}[TOOL_CALLS][ARGS]",
            "{{ tools }}<|python_tag|>",
            "{{ tools }}<｜tool▁calls▁begin｜>",
            "{{ tools }}<tool_call><arg_key>k</arg_key><arg_value>",
            "{{ tools }}<tool_call><function=f><parameter=p>",
            "{{ tools }}[func_name1(a=b)]",
            "<|start|><|channel|><|message|>",
        ]
        .into_iter()
    }

    #[test]
    fn every_format_has_a_grammar_that_can_be_read() {
        let tools = [
            json!({"name": "get", "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}},
                   "required": ["a"], "$defs": {"x": {"type": "string", "enum": ["b", "\"c\\"]}}}}),
            json!({"name": "put"}),
            json!({"name": "any", "parameters": {}}),
        ];
        for format in templates().map(|template| ToolFormat::of_template(template).unwrap()) {
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
        let many = [
            json!({"name": "get", "parameters": {"type": "object", "required": ["b"], "properties": {
            "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"enum": ["x", "y"]}, "d": {"$ref": "#/$defs/t"},
        }, "$defs": {"t": {"type": "array", "items": {"type": "boolean"}}}}}),
        ];
        let coder = ToolFormat::of_template("{{ tools }}<tool_call><function=f><parameter=p>");
        let text = grammar(&request(&many, ToolChoice::Required, None), coder).unwrap().unwrap();
        assert_eq!(gbnf::check(&text), Ok(()), "{text}");
        assert!(text.contains(r#"("<parameter=a>\n" plain "\n</parameter>\n")?"#), "{text}");
        assert!(text.contains(r#" "<parameter=b>\n" integer "\n</parameter>\n" "#), "{text}");
        assert!(text.contains(r#"("<parameter=c>\n" ("x" | "y") "\n</parameter>\n")?"#), "{text}");
        assert!(text.contains("boolean"), "{text}");
        let python = ToolFormat::of_template("{{ tools }}[func_name1(a=b)]");
        let text = grammar(&request(&many, ToolChoice::Required, None), python).unwrap().unwrap();
        assert!(text.contains(r#""b=" integer "" (", " "a=" string "")?"#), "{text}");
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
