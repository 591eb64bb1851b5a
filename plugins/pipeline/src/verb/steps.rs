//! `inferno pipeline steps`: what there is to build pipelines of.

use schemars::Schema;
use serde_json::{Value, json};

use super::{print, print_json, say, table};
use crate::args::Steps;
use crate::error::Error;
use crate::file::{Part, near};
use crate::kind::{SINKS, SOURCES, STEPS};
use crate::session::Tools;

/// A kind, without its way to make nodes.
struct Listed {
    part: Part,
    name: &'static str,
    about: &'static str,
    schema: fn() -> Schema,
}

pub(super) fn steps(steps: &Steps, tools: &Tools) -> Result<(), Error> {
    let kinds = all();
    let plugins = tools.host.playing("step").unwrap_or_else(|error| {
        say(&format!("note: plugins are not listed: {error}"));
        Vec::new()
    });
    let Some(name) = &steps.kind else {
        return if steps.json { overview_json(&kinds, &plugins) } else { overview(&kinds, &plugins) };
    };
    let fitting: Vec<_> = kinds.iter().filter(|kind| kind.name == name).collect();
    if fitting.is_empty() {
        let hint = match plugins.contains(name) {
            true => format!("it is a plugin: write `use = \"plugin\"` and `plugin = {name:?}`"),
            false => near::hint(name, kinds.iter().map(|kind| kind.name)),
        };
        return Err(Error::new(format!("there is no kind called `{name}`")).hint(hint));
    }
    match steps.json {
        true => print_json(&json!(fitting.into_iter().map(as_json).collect::<Vec<_>>())),
        false => print(&fitting.into_iter().map(detailed).collect::<Vec<_>>().join("\n")),
    }
}

fn all() -> Vec<Listed> {
    let sources = SOURCES.iter().map(|kind| (Part::Source, kind.name, kind.about, kind.schema));
    let steps = STEPS.iter().map(|kind| (Part::Step, kind.name, kind.about, kind.schema));
    let sinks = SINKS.iter().map(|kind| (Part::Sink, kind.name, kind.about, kind.schema));
    let all = sources.chain(steps).chain(sinks);
    all.map(|(part, name, about, schema)| Listed { part, name, about, schema }).collect()
}

fn overview(kinds: &[Listed], plugins: &[String]) -> Result<(), Error> {
    let row = |kind: &Listed| {
        let (required, optional): (Vec<_>, Vec<_>) =
            fields(kind).into_iter().partition(|field| field.required);
        let optional = optional.into_iter().map(|field| format!("[{}]", field.name));
        let names: Vec<_> = required.into_iter().map(|field| field.name).chain(optional).collect();
        vec![kind.part.word().to_owned(), kind.name.to_owned(), kind.about.to_owned(), names.join(" ")]
    };
    let plugins = plugins.iter().map(|name| {
        vec!["step".to_owned(), name.clone(), format!("a plugin: use = \"plugin\", plugin = {name:?}")]
    });
    print(&table(&kinds.iter().map(row).chain(plugins).collect::<Vec<_>>()))
}

fn overview_json(kinds: &[Listed], plugins: &[String]) -> Result<(), Error> {
    let kinds: Vec<_> = kinds.iter().map(as_json).collect();
    print_json(&json!({ "kinds": kinds, "plugins": plugins }))
}

fn as_json(kind: &Listed) -> Value {
    json!({ "part": kind.part.word(), "name": kind.name, "about": kind.about, "schema": (kind.schema)() })
}

/// A field of a kind.
struct Field {
    name: String,
    about: String,
    kind: String,
    default: Option<Value>,
    required: bool,
}

fn fields(kind: &Listed) -> Vec<Field> {
    let schema = (kind.schema)();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let field = |(name, property): (&String, &Value)| Field {
        name: name.clone(),
        about: property["description"].as_str().unwrap_or_default().replace('\n', " "),
        kind: type_of(property, &schema),
        default: property.get("default").filter(|value| !value.is_null()).cloned(),
        required: required.contains(&json!(name)),
    };
    properties.iter().map(field).collect()
}

/// The type of a field, in a word.
fn type_of(property: &Value, schema: &Schema) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        let target = schema.as_value().pointer(reference.trim_start_matches('#'));
        return target.map_or_else(String::new, |target| type_of(target, schema));
    }
    if let Some(values) = property["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = property[choice].as_array() {
            let words = choices.iter().map(|choice| type_of(choice, schema)).filter(|word| word != "null");
            return words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" | ");
        }
    }
    match &property["type"] {
        Value::String(_) if !property["const"].is_null() => property["const"].to_string(),
        Value::String(word) => word.clone(),
        Value::Array(words) => {
            let words = words.iter().filter_map(Value::as_str).filter(|word| *word != "null");
            words.collect::<Vec<_>>().join(" | ")
        }
        _ if !property["const"].is_null() => property["const"].to_string(),
        _ => "any".to_owned(),
    }
}

fn detailed(kind: &Listed) -> String {
    let row = |field: Field| {
        let default = match (field.required, field.default) {
            (true, _) => "required".to_owned(),
            (false, Some(value)) => format!("default {value}"),
            (false, None) => String::new(),
        };
        vec![format!("  {}", field.name), field.kind, default, field.about]
    };
    let rows: Vec<_> = fields(kind).into_iter().map(row).collect();
    format!("{} {}: {}\n{}", kind.part.word(), kind.name, kind.about, table(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_says_what_it_and_its_fields_are_for() {
        for kind in all() {
            assert!(!kind.about.is_empty() && !kind.about.ends_with('.'), "{}", kind.name);
            for field in fields(&kind) {
                assert!(!field.about.is_empty(), "{} {}", kind.name, field.name);
                assert!(!field.kind.is_empty(), "{} {}", kind.name, field.name);
            }
        }
    }

    #[test]
    fn a_kind_is_shown_with_types_and_defaults() {
        let kinds = all();
        let jsonl = kinds.iter().find(|kind| kind.part == Part::Source && kind.name == "jsonl").unwrap();
        let text = detailed(jsonl);
        assert!(text.starts_with("source jsonl: lines of JSON from a file"), "{text}");
        assert!(text.contains("  path      string   required"), "{text}");
        assert!(text.contains("  max_line  integer  default 16777216"), "{text}");
    }
}
