//! Tools: those that a model may call, and whether it calls them.

use inferno_sdk::inference::{Request, Tool, ToolChoice};
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Field, Kind, Object, Tagged, may, must};

/// The most tools of a request.
const MAX_TOOLS: usize = 128;

/// `tools` and what belongs to them, of chats.
pub(crate) static CHAT: &[Field] = &[
    may("tools", Kind::List(&Kind::Tagged(&CHAT_TOOL), 0, MAX_TOOLS), "What the model may call."),
    may("tool_choice", Kind::OneOf(&[WORDS, Kind::Tagged(&CHAT_CHOICE)]), "Whether the model calls."),
    PARALLEL,
    may("functions", Kind::List(&Kind::Object(&FUNCTION), 0, MAX_TOOLS), "Deprecated: `tools`."),
    may(
        "function_call",
        Kind::OneOf(&[Kind::Word(&["none", "auto"]), Kind::Object(&NAME)]),
        "Deprecated: `tool_choice`.",
    ),
];

/// The same of responses.
pub(crate) static FLAT: &[Field] = &[
    may("tools", Kind::List(&Kind::Tagged(&FLAT_TOOL), 0, MAX_TOOLS), "What the model may call."),
    may("tool_choice", Kind::OneOf(&[WORDS, Kind::Tagged(&FLAT_CHOICE)]), "Whether the model calls."),
    PARALLEL,
];

const PARALLEL: Field = may("parallel_tool_calls", Kind::Boolean, "False: at most one call in an answer.");
const WORDS: Kind = Kind::Word(&["none", "auto", "required"]);
const FUNCTION_TYPE: Field = must("type", Kind::Word(&["function"]), "");
const ALLOWED_TYPE: Field = must("type", Kind::Word(&["allowed_tools"]), "Only some of the tools.");
const ALLOWED_MODE: Field = must("mode", Kind::Word(&["auto", "required"]), "");
const OTHERS: &[(&str, &str)] = &[
    ("custom", "only tools of type 'function' can be given, since the models here call no others."),
    ("web_search", "this server runs no tools by itself; give one of type 'function'."),
    ("web_search_preview", "this server runs no tools by itself; give one of type 'function'."),
    ("file_search", "this server runs no tools by itself; give one of type 'function'."),
    ("code_interpreter", "this server runs no tools by itself; give one of type 'function'."),
    ("image_generation", "this server runs no tools by itself; give one of type 'function'."),
    ("mcp", "this server runs no tools by itself; give one of type 'function'."),
];

static FUNCTION: Object = Object { name: "Function", fields: &[FUNCTION_FIELDS] };
static NAME: Object = Object { name: "FunctionName", fields: &[&[must("name", Kind::Identifier, "")]] };

const FUNCTION_FIELDS: &[Field] = &[
    must("name", Kind::Identifier, "What the model calls it."),
    may("description", Kind::Text, "What it does, for the model."),
    may("parameters", Kind::Map(&Kind::Any), "The JSON schema of its arguments. Absent: it takes none."),
    may(
        "strict",
        Kind::Boolean,
        "Without effect: arguments fit their schema where the model's format allows it.",
    ),
];

static CHAT_TOOL: Tagged =
    Tagged { tag: "type", cases: &[&CHAT_FUNCTION_TOOL], default: None, refused: OTHERS };
static CHAT_FUNCTION_TOOL: Object =
    Object { name: "ChatTool", fields: &[&[FUNCTION_TYPE, must("function", Kind::Object(&FUNCTION), "")]] };
static CHAT_CHOICE: Tagged =
    Tagged { tag: "type", cases: &[&CHAT_NAMED, &CHAT_ALLOWED], default: None, refused: OTHERS };
static CHAT_NAMED: Object =
    Object { name: "ChatNamedTool", fields: &[&[FUNCTION_TYPE, must("function", Kind::Object(&NAME), "")]] };
static CHAT_ALLOWED: Object = Object {
    name: "ChatAllowedTools",
    fields: &[&[ALLOWED_TYPE, must("allowed_tools", Kind::Object(&CHAT_ALLOWED_SET), "")]],
};
static CHAT_ALLOWED_SET: Object = Object {
    name: "ChatAllowedToolSet",
    fields: &[&[ALLOWED_MODE, must("tools", Kind::List(&Kind::Object(&CHAT_NAMED), 1, MAX_TOOLS), "")]],
};

static FLAT_TOOL: Tagged = Tagged { tag: "type", cases: &[&FUNCTION_TOOL], default: None, refused: OTHERS };
static FUNCTION_TOOL: Object = Object { name: "FunctionTool", fields: &[&[FUNCTION_TYPE], FUNCTION_FIELDS] };
static FLAT_CHOICE: Tagged =
    Tagged { tag: "type", cases: &[&FLAT_NAMED, &FLAT_ALLOWED], default: None, refused: OTHERS };
static FLAT_NAMED: Object =
    Object { name: "NamedTool", fields: &[&[FUNCTION_TYPE, must("name", Kind::Identifier, "")]] };
static FLAT_ALLOWED: Object = Object {
    name: "AllowedTools",
    fields: &[&[
        ALLOWED_TYPE,
        ALLOWED_MODE,
        must("tools", Kind::List(&Kind::Object(&FLAT_NAMED), 1, MAX_TOOLS), ""),
    ]],
};

/// How a client wants calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// At most one.
    pub(crate) single: bool,
    /// As `function_call`, which is the deprecated form and has one at most.
    pub(crate) deprecated: bool,
}

/// Takes over the tools of a chat.
pub(crate) fn chat(fields: &mut Fields, request: &mut Request) -> Result<Calls, ApiError> {
    let single = fields.flag("parallel_tool_calls") == Some(false);
    let functions = fields.peek("functions").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let (list, choice) = match functions {
        true => ("functions", "function_call"),
        false => ("tools", "tool_choice"),
    };
    if functions && fields.peek("tools").is_some() {
        return Err(ApiError::value("functions", "'tools' are given too; give only those."));
    }
    let tools = fields.list(list).unwrap_or_default().into_iter().map(|tool| {
        let mut tool = Fields::of(tool);
        tool.object("function").unwrap_or(tool)
    });
    let tools = tools.map(tool).collect();
    let chosen = fields.take(choice).map(|choice| chosen(choice, "function"));
    fields.take("function_call");
    set(request, tools, chosen.unwrap_or_default(), choice)?;
    Ok(Calls { single: single || functions, deprecated: functions })
}

/// Takes over the tools of a response.
pub(crate) fn flat(fields: &Fields, request: &mut Request) -> Result<Calls, ApiError> {
    let single = fields.peek("parallel_tool_calls").and_then(Value::as_bool) == Some(false);
    let tools = fields.peek("tools").and_then(Value::as_array).cloned().unwrap_or_default();
    let tools = tools.into_iter().map(Fields::of).map(tool).collect();
    let chosen = fields.peek("tool_choice").map(|choice| chosen(choice.clone(), ""));
    set(request, tools, chosen.unwrap_or_default(), "tool_choice")?;
    Ok(Calls { single, deprecated: false })
}

fn tool(mut fields: Fields) -> Tool {
    Tool {
        name: fields.text("name").unwrap_or_default(),
        description: fields.text("description").unwrap_or_default(),
        // Properties keep their order, in which the model writes them.
        parameters: fields.take("parameters").map(|schema| schema.to_string()).unwrap_or_default(),
    }
}

/// What a client chose, before it is known whether such tools are there.
#[derive(Default)]
struct Chosen {
    choice: ToolChoice,
    /// Only these.
    allowed: Option<Vec<String>>,
}

/// `within` is the field of a reference to a tool that has its name, if it is not at its top.
fn chosen(choice: Value, within: &str) -> Chosen {
    let name = |reference: &Value| {
        let object = if within.is_empty() { reference } else { reference.get(within).unwrap_or(reference) };
        object["name"].as_str().unwrap_or_default().to_owned()
    };
    let word = |word: &Value| match word.as_str() {
        Some("none") => ToolChoice::None,
        Some("required") => ToolChoice::Required,
        _ => ToolChoice::Auto,
    };
    if choice.is_string() {
        return Chosen { choice: word(&choice), allowed: None };
    }
    if choice["type"] != "allowed_tools" {
        return Chosen { choice: ToolChoice::Named(name(&choice)), allowed: None };
    }
    let set = choice.get("allowed_tools").unwrap_or(&choice);
    let allowed = set["tools"].as_array().into_iter().flatten().map(name).collect();
    Chosen { choice: word(&set["mode"]), allowed: Some(allowed) }
}

fn set(request: &mut Request, mut tools: Vec<Tool>, chosen: Chosen, param: &str) -> Result<(), ApiError> {
    let named = match &chosen.choice {
        ToolChoice::Named(name) => std::slice::from_ref(name),
        _ => chosen.allowed.as_deref().unwrap_or_default(),
    };
    if let Some(name) = named.iter().find(|name| tools.iter().all(|tool| tool.name != **name)) {
        return Err(ApiError::value(param, format_args!("there is no tool '{name}' in the request.")));
    }
    if tools.is_empty() {
        if chosen.choice == ToolChoice::Required {
            return Err(ApiError::value(param, "it is 'required', but the request has no tools."));
        }
        return Ok(());
    }
    if let Some(allowed) = &chosen.allowed {
        tools.retain(|tool| allowed.contains(&tool.name));
    }
    request.tools = tools;
    request.tool_choice = chosen.choice;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    static ALL: Object = Object { name: "All", fields: &[CHAT] };
    static ALL_FLAT: Object = Object { name: "AllFlat", fields: &[FLAT] };
    const TWO: &str = r#""tools":[{"type":"function","function":{"name":"add","description":"Adds.","strict":true,
        "parameters":{"type":"object","properties":{"z":{},"a":{}}}}},{"type":"function","function":{"name":"now"}}]"#;

    fn parsed(json: &str) -> Result<(Vec<Tool>, ToolChoice, Calls), ApiError> {
        let mut request = Request::prompt("m", "p");
        let calls = chat(&mut fields(json, &ALL)?, &mut request)?;
        Ok((request.tools, request.tool_choice, calls))
    }

    fn two() -> Vec<Tool> {
        let parameters = r#"{"type":"object","properties":{"z":{},"a":{}}}"#.to_owned();
        vec![
            Tool { name: "add".into(), description: "Adds.".into(), parameters },
            Tool { name: "now".into(), description: String::new(), parameters: String::new() },
        ]
    }

    #[test]
    fn tools_arrive_with_their_schemas_in_order() {
        let (tools, choice, calls) = parsed(&format!("{{{TWO}}}")).unwrap();
        assert_eq!((tools, choice, calls), (two(), ToolChoice::Auto, Calls::default()));
        assert!(parsed(&format!(r#"{{{TWO},"parallel_tool_calls":false}}"#)).unwrap().2.single);
        let none =
            parsed(r#"{"tools":[],"tool_choice":"auto","functions":[],"function_call":"none"}"#).unwrap();
        assert_eq!(none, (Vec::new(), ToolChoice::Auto, Calls::default()));
    }

    #[test]
    fn a_choice_is_a_word_a_tool_or_some_tools() {
        let choice = |choice: &str| {
            parsed(&format!(r#"{{{TWO},"tool_choice":{choice}}}"#)).map(|seen| (seen.0, seen.1))
        };
        assert_eq!(choice("\"none\"").unwrap(), (two(), ToolChoice::None));
        assert_eq!(choice("\"required\"").unwrap(), (two(), ToolChoice::Required));
        let named = choice(r#"{"type":"function","function":{"name":"now"}}"#).unwrap();
        assert_eq!(named, (two(), ToolChoice::Named("now".into())));
        let allowed = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required",
            "tools":[{"type":"function","function":{"name":"now"}}]}}"#;
        assert_eq!(choice(allowed).unwrap(), (two().split_off(1), ToolChoice::Required));
        let lost = choice(r#"{"type":"function","function":{"name":"lost"}}"#);
        refused(lost, 400, "tool_choice", "invalid_value", "no tool 'lost'");
        refused(choice("\"maybe\""), 400, "tool_choice", "invalid_value", "'required'");
        refused(choice(r#"{"type":"mcp"}"#), 400, "tool_choice.type", "invalid_value", "runs no tools");
        let bare = parsed(r#"{"tool_choice":"required"}"#);
        refused(bare, 400, "tool_choice", "invalid_value", "has no tools");
    }

    #[test]
    fn the_deprecated_form_is_understood() {
        let json = r#"{"functions":[{"name":"now"}],"function_call":{"name":"now"}}"#;
        let (tools, choice, calls) = parsed(json).unwrap();
        assert_eq!((tools, choice), (two().split_off(1), ToolChoice::Named("now".into())));
        assert_eq!(calls, Calls { single: true, deprecated: true });
        let both = parsed(&format!(r#"{{{TWO},"functions":[{{"name":"now"}}]}}"#));
        refused(both, 400, "functions", "invalid_value", "give only those");
    }

    #[test]
    fn responses_have_them_flat() {
        let mut request = Request::prompt("m", "p");
        let json = r#"{"tools":[{"type":"function","name":"add","description":"Adds.",
            "parameters":{"type":"object","properties":{"z":{},"a":{}}}},{"type":"function","name":"now"}],
            "tool_choice":{"type":"function","name":"add"},"parallel_tool_calls":false}"#;
        let calls = flat(&fields(json, &ALL_FLAT).unwrap(), &mut request).unwrap();
        assert_eq!((request.tools, request.tool_choice), (two(), ToolChoice::Named("add".into())));
        assert!(calls.single);
        let custom = fields(r#"{"tools":[{"type":"custom"}]}"#, &ALL_FLAT).map(drop);
        refused(custom, 400, "tools[0].type", "invalid_value", "type 'function'");
    }
}
