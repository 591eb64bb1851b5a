//! What the arguments of a tool may be, by its schema.

use serde_json::Value;

use crate::Tool;

/// References that are followed at most.
const DEEPEST: u8 = 8;

/// Kinds of JSON values, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    const NULL: Self = Self(1);
    const BOOL: Self = Self(2);
    const NUMBER: Self = Self(4);
    const TEXT: Self = Self(8);
    const ARRAY: Self = Self(16);
    const OBJECT: Self = Self(32);
    const ALL: Self = Self(63);

    /// What an argument may be; anything where the schema does not say it.
    pub(super) fn of_argument(tool: Option<&Tool>, name: &str) -> Self {
        tool.and_then(|tool| {
            let properties = resolved(&tool.parameters, &tool.parameters, DEEPEST)?.get("properties")?;
            Some(Self::of_schema(properties.get(name)?, &tool.parameters, DEEPEST))
        })
        .unwrap_or(Self::ALL)
    }

    /// Nothing but a text.
    pub(super) fn only_text(self) -> bool {
        self == Self::TEXT
    }

    /// Also a text.
    pub(super) fn has_text(self) -> bool {
        self.has(Self::TEXT)
    }

    /// What the model wrote, as JSON: as JSON or Python where that may be meant, else as a text.
    pub(super) fn json(self, written: &str) -> String {
        let trimmed = written.trim();
        if !self.only_text() {
            if let Ok(value) = serde_json::from_str(trimmed)
                && self.has(Self::of_value(&value))
            {
                return trimmed.to_owned();
            }
            if let Some(json) = super::python::whole(trimmed)
                && let Ok(value) = serde_json::from_str(&json)
                && self.has(Self::of_value(&value))
            {
                return json;
            }
        }
        Value::from(written).to_string()
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    fn of_name(name: &Value) -> Self {
        match name.as_str() {
            Some("null") => Self::NULL,
            Some("boolean") => Self::BOOL,
            Some("number" | "integer") => Self::NUMBER,
            Some("string") => Self::TEXT,
            Some("array") => Self::ARRAY,
            Some("object") => Self::OBJECT,
            _ => Self::ALL,
        }
    }

    fn of_schema(schema: &Value, root: &Value, depth: u8) -> Self {
        let Some(schema) = resolved(schema, root, depth) else { return Self::ALL };
        let any = |kinds: &mut dyn Iterator<Item = Self>| kinds.reduce(Self::or).unwrap_or(Self::ALL);
        if let Some(value) = schema.get("const") {
            return Self::of_value(value);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return any(&mut values.iter().map(Self::of_value));
        }
        match schema.get("type") {
            Some(Value::Array(names)) => return any(&mut names.iter().map(Self::of_name)),
            Some(name) => return Self::of_name(name),
            None => {}
        }
        let choices = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        if let Some(choices) = choices {
            let below = depth.saturating_sub(1);
            return any(&mut choices.iter().map(|choice| Self::of_schema(choice, root, below)));
        }
        Self::ALL
    }
}

/// A schema, or what it refers to within the whole.
fn resolved<'a>(schema: &'a Value, root: &'a Value, depth: u8) -> Option<&'a Value> {
    let depth = depth.checked_sub(1)?;
    match schema.get("$ref") {
        None => Some(schema),
        Some(target) => {
            let target = root.pointer(target.as_str()?.strip_prefix('#')?)?;
            resolved(target, root, depth)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool() -> Tool {
        let parameters = json!({
            "type": "object",
            "$defs": {"colour": {"enum": ["red", "1"]}, "loop": {"$ref": "#/$defs/loop"}},
            "properties": {
                "text": {"type": "string"}, "count": {"type": "integer"}, "either": {"type": ["string", "null"]},
                "colour": {"$ref": "#/$defs/colour"}, "list": {"type": "array"}, "any": {}, "loop": {"$ref": "#/$defs/loop"},
                "flag": {"anyOf": [{"type": "boolean"}, {"const": null}]},
            }
        });
        Tool { name: "get".into(), description: String::new(), parameters }
    }

    #[test]
    fn values_are_what_the_schema_says() {
        let tool = tool();
        for (name, written, json) in [
            ("text", "12", r#""12""#),
            ("text", "say \"é\"\n", r#""say \"é\"\n""#),
            ("count", " 12\n", "12"),
            ("count", "many", r#""many""#),
            ("either", "null", "null"),
            ("either", "12", r#""12""#),
            ("colour", "1", r#""1""#),
            ("list", "[1, \"a\"]", "[1, \"a\"]"),
            ("list", "['a', True]", r#"["a", true]"#),
            ("any", "{\"a\": 1}", "{\"a\": 1}"),
            ("any", "words", r#""words""#),
            ("loop", "1", "1"),
            ("flag", "False", "false"),
            ("flag", "None", "null"),
            ("unknown", "1.5", "1.5"),
        ] {
            assert_eq!(Kinds::of_argument(Some(&tool), name).json(written), json, "{name}: {written}");
        }
        assert_eq!(Kinds::of_argument(None, "text"), Kinds::ALL);
    }

    #[test]
    fn only_a_text_is_told_from_what_may_also_be_one() {
        let tool = tool();
        let told = |name| {
            let kinds = Kinds::of_argument(Some(&tool), name);
            (kinds.only_text(), kinds.has_text())
        };
        assert_eq!(told("text"), (true, true));
        assert_eq!(told("colour"), (true, true));
        assert_eq!(told("either"), (false, true));
        assert_eq!(told("count"), (false, false));
    }
}
