//! Grammars of answers that are calls of tools, in the way in which the model was trained to write them.

use inferno_backend::{ArgumentText, CallText, Error, Tool, ToolChoice, ToolFormat};
use serde_json::{Map, Value, json};

use crate::constrain::{checked, convert, parameters};

/// The grammar of answers that are nothing but calls of these tools, or also JSON of this schema.
pub(crate) fn grammar(
    tools: &[Tool],
    choice: &ToolChoice,
    format: ToolFormat,
    or_json: Option<&Value>,
) -> Result<String, Error> {
    let chosen = tools.iter().filter(|tool| match choice {
        ToolChoice::Named(name) => tool.name == *name,
        _ => true,
    });
    let mut values = Values::default();
    let mut calls = Vec::new();
    let mut around = None;
    for tool in chosen {
        let text = format.text(&tool.name);
        let arguments = match &text.arguments {
            ArgumentText::Object => values.rule(parameters(tool)?),
            each @ ArgumentText::Each { .. } => one_by_one(tool, each, &mut values)?,
        };
        calls.push(format!("{} {arguments} {}", quoted(&text.before), quoted(&text.after)));
        around = around.or(Some(text));
    }
    let CallText { open, between, close, .. } =
        around.ok_or_else(|| Error::invalid("there is no tool that could be called"))?;
    let json = match or_json {
        None => String::new(),
        Some(wanted) => {
            let wanted = if wanted.is_null() { json!({"type": "object"}) } else { wanted.clone() };
            checked(&wanted)?;
            format!(" | {}", values.rule(wanted))
        }
    };
    let more = match (&between, choice) {
        (Some(between), ToolChoice::Auto | ToolChoice::Required) => {
            format!("({} tool-call)*", quoted(between))
        }
        _ => String::new(),
    };
    let grammar = format!(
        "root ::= {} tool-call {more} {}{json}\ntool-call ::= {}\n",
        quoted(&open),
        quoted(&close),
        calls.join(" | ")
    );
    values.into_rules(grammar)
}

/// The rules of all values in a grammar, which llama.cpp makes of schemas together.
#[derive(Default)]
struct Values {
    schemas: Vec<Value>,
    /// What ends a text that is written as it is.
    ends: Option<String>,
}

impl Values {
    /// Stands for the rule of a schema until all of them are known.
    fn rule(&mut self, schema: Value) -> String {
        self.schemas.push(schema);
        placeholder(self.schemas.len() - 1)
    }

    /// Names the rule of texts up to this.
    fn plain(&mut self, ends: &str) -> &'static str {
        self.ends = Some(ends.to_owned());
        "plain"
    }

    /// The grammar with the rules of the values.
    fn into_rules(self, mut grammar: String) -> Result<String, Error> {
        if let Some(ends) = &self.ends {
            grammar.push_str(&without(ends));
        }
        if self.schemas.is_empty() {
            return Ok(grammar);
        }
        let alternatives: Vec<Value> = self
            .schemas
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
        for (index, rule) in rules.iter().enumerate() {
            grammar = grammar.replace(&placeholder(index), rule);
        }
        for line in together.lines().filter(|line| !line.starts_with("root ::=")) {
            grammar.push_str(line);
            grammar.push('\n');
        }
        Ok(grammar)
    }
}

/// No name of a rule and no text of a format has such characters.
fn placeholder(index: usize) -> String {
    format!("\u{e000}{index}\u{e001}")
}

/// Arguments one by one. Those that must be there come first where something is between two of them; a tool that
/// names no arguments has none.
fn one_by_one(tool: &Tool, text: &ArgumentText, values: &mut Values) -> Result<String, Error> {
    let ArgumentText::Each { key, value, after, between, ends } = text else { return Ok(String::new()) };
    let schema = parameters(tool)?;
    let named = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut required, mut optional, mut in_order) = (Vec::new(), Vec::new(), Vec::new());
    for (name, part) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let written = match ends {
            Some(ends) if text.is_plain(tool, name) => match choices(part) {
                Some(choices) => choices,
                None => values.plain(ends).to_owned(),
            },
            _ => values.rule(with_definitions(part, &schema)),
        };
        let argument = format!("{} {written} {}", quoted(&format!("{key}{name}{value}")), quoted(after));
        if named.iter().any(|required| required == name) {
            in_order.push(argument.clone());
            required.push(argument);
        } else {
            in_order.push(format!("({argument})?"));
            optional.push(argument);
        }
    }
    if between.is_empty() {
        return Ok(in_order.join(" "));
    }
    let between = format!(" {} ", quoted(between));
    let behind = |arguments: &[String]| -> String {
        arguments.iter().map(|argument| format!(" ({}{argument})?", between.trim_start())).collect()
    };
    if !required.is_empty() {
        return Ok(required.join(&between) + &behind(&optional));
    }
    let first = |(at, argument): (usize, &String)| {
        format!("{argument}{}", behind(optional.get(at + 1..).unwrap_or_default()))
    };
    let any: Vec<String> = optional.iter().enumerate().map(first).collect();
    Ok(if any.is_empty() { String::new() } else { format!("({})?", any.join(" | ")) })
}

/// The texts that a schema lists, if it does.
fn choices(schema: &Value) -> Option<String> {
    let listed = match (schema.get("const"), schema.get("enum")) {
        (Some(only), _) => std::slice::from_ref(only),
        (None, Some(listed)) => listed.as_array()?.as_slice(),
        (None, None) => return None,
    };
    let written = listed.iter().map(|value| match value {
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    });
    Some(format!("({})", written.collect::<Vec<_>>().join(" | ")))
}

/// A part of a schema with what it may refer to.
fn with_definitions(part: &Value, whole: &Value) -> Value {
    let Value::Object(part) = part else { return json!({"type": "string"}) };
    let mut part = part.clone();
    for key in ["$defs", "definitions"] {
        if let Some(definitions) = whole.get(key) {
            part.insert(key.into(), definitions.clone());
        }
    }
    Value::Object(part)
}

/// The rules of a text in which this one does not come up. Its first character must come up in it but once.
fn without(text: &str) -> String {
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let first = letters.first().map(String::as_str).unwrap_or_default();
    let mut rules = format!("plain ::= ([^{first}] plain | \"{first}\" plain-1)?\n");
    for (at, letter) in letters.iter().enumerate().skip(1) {
        let again = format!("\"{first}\" plain-1 | [^{first}{letter}] plain");
        let on = match at + 1 {
            next if next < letters.len() => format!(" | \"{letter}\" plain-{next}"),
            _ => String::new(),
        };
        rules.push_str(&format!("plain-{at} ::= ({again}{on})?\n"));
    }
    rules
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
    use super::*;

    #[test]
    fn what_is_listed_is_a_choice() {
        assert_eq!(choices(&json!({"enum": ["a\n", 1, null]})).unwrap(), r#"("a\n" | "1" | "null")"#);
        assert_eq!(choices(&json!({"const": "a"})).unwrap(), r#"("a")"#);
        assert_eq!(choices(&json!({"type": "string"})), None);
    }

    #[test]
    fn a_text_without_another_is_a_chain_of_rules() {
        let expect = "plain ::= ([^<] plain | \"<\" plain-1)?\n\
                      plain-1 ::= (\"<\" plain-1 | [^</] plain | \"/\" plain-2)?\n\
                      plain-2 ::= (\"<\" plain-1 | [^<>] plain)?\n";
        assert_eq!(without("</>"), expect);
    }
}
