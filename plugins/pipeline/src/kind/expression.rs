//! Expressions and templates: the language of Jinja, as `minijinja` has it, over the fields of a record.
//!
//! A name is a field. `record` is the whole record and `record_id` its id, unless it has fields of these names.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::Value as Json;
use toml::Spanned;

use crate::error::Error;
use crate::record::Record;

/// How many instructions one evaluation may take.
const FUEL: u64 = 1_000_000;

/// What all expressions are compiled and evaluated in.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_debug(true);
    environment
}

/// An expression such as `price * 2` or `text | length > 100`.
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    names: Names,
    /// It is only the name of a field.
    field: Option<String>,
}

impl Expression {
    /// Compiles it. An error says where it is in the file.
    pub(super) fn parse(text: &Spanned<String>) -> Result<Self, Error> {
        let source = text.get_ref();
        let compiled = ENVIRONMENT.compile_expression_owned(source.clone());
        let compiled = compiled.map_err(|error| misspelt("expression", text, &error))?;
        let names = Names::of(source, compiled.undeclared_variables(false));
        let is_field =
            matches!(names.fields.as_slice(), [name] if name == source && !SPECIAL.contains(&name.as_str()));
        Ok(Self { compiled, names, field: is_field.then(|| source.clone()) })
    }

    /// Its value for a record. That it has none, since there is no such field, is an error too.
    pub(super) fn eval(&self, record: &mut Record) -> Result<Json, String> {
        if let Some(field) = &self.field {
            let value = record.value()?.get(field);
            return value.cloned().ok_or_else(|| format!("there is no field `{field}`"));
        }
        let value = self.value(record)?;
        if value.is_undefined() {
            return Err(self.names.missing(record.value()?).unwrap_or_else(|| "it has no value".to_owned()));
        }
        serde_json::to_value(&value).map_err(|error| format!("its value is no JSON: {error}"))
    }

    /// Its value for a record, null if there is none.
    pub(super) fn eval_or_null(&self, record: &mut Record) -> Result<Json, String> {
        if let Some(field) = &self.field {
            return Ok(record.value()?.get(field).cloned().unwrap_or_default());
        }
        serde_json::to_value(self.value(record)?).map_err(|error| format!("its value is no JSON: {error}"))
    }

    /// Whether it holds for a record: false, 0, nothing and what is empty do not.
    pub(super) fn holds(&self, record: &mut Record) -> Result<bool, String> {
        self.value(record).map(|value| value.is_true())
    }

    fn value(&self, record: &mut Record) -> Result<Value, String> {
        let context = self.names.context(record)?;
        match self.compiled.eval(context) {
            Ok(value) => Ok(value),
            Err(error) => Err(self.names.words(record.value()?, &error)),
        }
    }
}

/// A text with expressions in it, such as `Sum up: {{ text }}`.
pub(super) struct Template {
    environment: Environment<'static>,
    names: Names,
}

const NAME: &str = "template";

impl Template {
    /// Compiles it. An error says where it is in the file.
    pub(super) fn parse(text: &Spanned<String>) -> Result<Self, Error> {
        let mut environment = environment();
        let source = text.get_ref().clone();
        environment.add_template_owned(NAME, source).map_err(|error| misspelt("template", text, &error))?;
        let template = environment.get_template(NAME).map_err(|error| misspelt("template", text, &error))?;
        let names = Names::of(text.get_ref(), template.undeclared_variables(false));
        Ok(Self { environment, names })
    }

    /// The text for a record. A field that is not there is an error.
    pub(super) fn render(&self, record: &mut Record) -> Result<String, String> {
        let context = self.names.context(record)?;
        let rendered = self.environment.get_template(NAME).and_then(|template| template.render(context));
        match rendered {
            Ok(text) => Ok(text),
            Err(error) => Err(self.names.words(record.value()?, &error)),
        }
    }
}

/// Names that are not only fields.
const SPECIAL: [&str; 2] = ["record", "record_id"];

/// The names that something refers to; nothing else of a record is looked at.
struct Names {
    fields: Vec<String>,
    /// All words: `minijinja` overlooks names of which a slice is taken.
    words: BTreeSet<String>,
}

impl Names {
    fn of(source: &str, fields: HashSet<String>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_unstable();
        let words = source.split(|c: char| !c.is_alphanumeric() && c != '_');
        let words = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { fields, words }
    }

    fn context(&self, record: &mut Record) -> Result<Value, String> {
        record.value()?;
        let id = record.id.clone();
        let data = record.value()?;
        let value = |name: &String| match (data.get(name), name.as_str()) {
            (Some(value), _) => Some((name.clone(), Value::from(Serde(value)))),
            (None, "record") => Some((name.clone(), Value::from(Serde(data)))),
            (None, "record_id") => Some((name.clone(), Value::from(id.as_str()))),
            (None, _) => None,
        };
        Ok(Value::from_pairs(self.words.iter().filter_map(value)))
    }

    /// What to say about fields that are not there.
    fn missing(&self, data: &Json) -> Option<String> {
        let known = |name: &str| {
            data.get(name).is_some()
                || SPECIAL.contains(&name)
                || ENVIRONMENT.globals().any(|(n, _)| n == name)
        };
        let missing = self.fields.iter().filter(|name| !known(name));
        let missing: Vec<_> = missing.map(|name| format!("`{name}`")).collect();
        match missing.len() {
            0 => None,
            1 => Some(format!("there is no field {}", missing[0])),
            _ => Some(format!("there are no fields {}", missing.join(", "))),
        }
    }

    fn words(&self, data: &Json, error: &minijinja::Error) -> String {
        let is_it = error.kind() == ErrorKind::UndefinedError
            || error.detail().is_some_and(|detail| detail.contains("undefined"));
        let missing = is_it.then(|| self.missing(data)).flatten();
        missing.unwrap_or_else(|| words(error))
    }
}

/// An error in words for people.
fn words(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many instructions".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// An error in the file, at the very place in the text if that is written without escapes.
fn misspelt(what: &str, text: &Spanned<String>, error: &minijinja::Error) -> Error {
    let (span, source) = (text.span(), text.get_ref());
    let place = error.range().filter(|range| range.end <= source.len() && span.len() == source.len() + 2);
    let place =
        place.map_or_else(|| span.clone(), |range| span.start + 1 + range.start..span.start + 1 + range.end);
    Error::new(format!("this {what} is wrong: {}", words(error)))
        .hint("they are written as in Jinja: `price * 2`, `text | length > 100`, `lang in [\"de\", \"fr\"]`")
        .at(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spanned(text: &str) -> Spanned<String> {
        Spanned::new(10..12 + text.len(), text.to_owned())
    }

    fn eval(text: &str) -> Result<Json, String> {
        let data =
            json!({ "n": 3, "text": "a b", "odd name": 1, "deep": { "x": [1, { "y": 2.5 }] }, "z": null });
        Expression::parse(&spanned(text)).unwrap().eval(&mut Record::from_value("in:7", data))
    }

    #[test]
    fn values_come_from_fields_operators_and_filters() {
        assert_eq!(eval("n"), Ok(json!(3)));
        assert_eq!(eval("n * 2 + 0.5"), Ok(json!(6.5)));
        assert_eq!(eval("text | upper ~ '!'"), Ok(json!("A B!")));
        assert_eq!(eval("deep.x[1].y"), Ok(json!(2.5)));
        assert_eq!(eval("record['odd name']"), Ok(json!(1)));
        assert_eq!(eval("record_id"), Ok(json!("in:7")));
        assert_eq!(eval("{'b': n, 'a': [text]}"), Ok(json!({ "b": 3, "a": ["a b"] })));
        assert_eq!(eval("z"), Ok(json!(null)));
        assert_eq!(eval("text[:1]"), Ok(json!("a")));
        assert_eq!(eval("(text ~ n)[1:] | length"), Ok(json!(3)));
        assert_eq!(eval("nope | default(1)"), Ok(json!(1)));
    }

    #[test]
    fn what_has_no_value_says_why() {
        assert_eq!(eval("nope"), Err("there is no field `nope`".to_owned()));
        assert_eq!(eval("nope + other"), Err("there are no fields `nope`, `other`".to_owned()));
        assert_eq!(eval("nope.x"), Err("there is no field `nope`".to_owned()));
        assert_eq!(eval("deep.nope"), Err("it has no value".to_owned()));
        assert!(eval("text * text").unwrap_err().starts_with("invalid operation: "));
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        let endless =
            Template::parse(&spanned(endless)).unwrap().render(&mut Record::from_value("1", json!({})));
        assert_eq!(endless, Err("it takes too many instructions".to_owned()));
    }

    #[test]
    fn a_slip_is_shown_at_its_place() {
        let error = Expression::parse(&spanned("n + | 2")).err().unwrap();
        assert!(error.message.starts_with("this expression is wrong: syntax error: unexpected"), "{error}");
        assert_eq!(error.span, Some(15..16));
        let error = Template::parse(&spanned("{{ n }")).err().unwrap();
        assert!(error.message.starts_with("this template is wrong: syntax error"), "{error}");
        assert!(Expression::parse(&spanned("1 }} {{ 2")).is_err());
    }

    #[test]
    fn a_template_refuses_to_leave_a_gap() {
        let template = Template::parse(&spanned("{{ n }}: {% for c in text %}{{ c }}.{% endfor %}")).unwrap();
        let mut record = Record::from_value("1", json!({ "n": 1, "text": "<b" }));
        assert_eq!(template.render(&mut record).unwrap(), "1: <.b.");
        let mut record = Record::from_value("1", json!({ "n": 1 }));
        assert_eq!(template.render(&mut record), Err("there is no field `text`".to_owned()));
    }

    #[test]
    fn a_condition_holds_as_in_python() {
        let holds = |text: &str| {
            let mut record = Record::from_text("1", r#"{"n":3,"empty":""}"#.to_owned());
            Expression::parse(&spanned(text)).unwrap().holds(&mut record)
        };
        for yes in ["n > 2 and 'x' not in empty", "nope is undefined", "nope | default(3) == 3"] {
            assert_eq!(holds(yes), Ok(true), "{yes}");
        }
        for no in ["n > 3", "empty", "nope", "nope is defined and nope == 3"] {
            assert_eq!(holds(no), Ok(false), "{no}");
        }
        assert_eq!(holds("nope == 3"), Err("there is no field `nope`".to_owned()));
    }
}
