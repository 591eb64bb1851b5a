//! What a field has to be.

use regex_lite::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use crate::error::Error;
use crate::kind::columns::kind_of;
use crate::kind::order;

/// What a field has to be, as the file says it.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct Rule {
    r#type: Option<Type>,
    required: bool,
    unique: bool,
    min: Option<f64>,
    max: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    #[schemars(with = "Option<String>")]
    pattern: Option<Spanned<String>>,
    one_of: Option<Vec<Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Type {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

impl Type {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => match value.as_number() {
                // As JSON Schema has it, 1.0 is an integer.
                Some(number) => !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0),
                None => false,
            },
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "truth value",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// A rule, ready to be checked.
pub(super) struct Check {
    rule: Rule,
    pattern: Option<Regex>,
}

impl Check {
    pub(super) fn new(rule: Rule) -> Result<Self, Error> {
        let compile = |pattern: &Spanned<String>| {
            let wrong = |error| {
                Error::new(format!("{:?} is no regular expression: {error}", pattern.get_ref()))
                    .at(pattern.span())
            };
            Regex::new(pattern.get_ref()).map_err(wrong)
        };
        let pattern = rule.pattern.as_ref().map(compile).transpose()?;
        Ok(Self { rule, pattern })
    }

    pub(super) fn is_unique(&self) -> bool {
        self.rule.unique
    }

    /// All that is wrong with a value: what follows the name of the field.
    pub(super) fn wrong(&self, value: &Value) -> Vec<String> {
        let rule = &self.rule;
        if value.is_null() {
            return if rule.required { vec!["is missing".to_owned()] } else { Vec::new() };
        }
        if let Some(wanted) = rule.r#type.filter(|wanted| !wanted.fits(value)) {
            return vec![match (wanted, value) {
                (Type::Integer, Value::Number(_)) => format!("is no integer: {value}"),
                _ => format!("is {} and no {}", kind_of(value), wanted.word()),
            }];
        }
        let mut wrong = Vec::new();
        if let (Some(pattern), Some(text)) = (&self.pattern, value.as_str())
            && !pattern.is_match(text)
        {
            wrong.push(format!("{text:?} does not match {pattern}"));
        }
        if let Some(number) = value.as_f64() {
            let below = rule.min.filter(|min| number < *min);
            let above = rule.max.filter(|max| number > *max);
            wrong.extend(below.map(|min| format!("is below {min}: {value}")));
            wrong.extend(above.map(|max| format!("is above {max}: {value}")));
        }
        if let Some(length) = length(value) {
            let short = rule.min_length.filter(|min| length < *min);
            let long = rule.max_length.filter(|max| length > *max);
            wrong.extend(short.map(|min| format!("is shorter than {min}: {length}")));
            wrong.extend(long.map(|max| format!("is longer than {max}: {length}")));
        }
        if let Some(values) = &rule.one_of
            && !values.iter().any(|one| order::bytes(one) == order::bytes(value))
        {
            let values: Vec<_> = values.iter().map(Value::to_string).collect();
            wrong.push(format!("is not one of {}: {value}", values.join(", ")));
        }
        wrong
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        _ => None,
    }
}
