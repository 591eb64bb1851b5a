//! Tools that the model may call.

use inferno_sdk::inference::{Request, Tool, ToolChoice};
use inferno_sdk::json::{FieldError, Fields};
use serde_json::Value;

use crate::ask::refuse;
use crate::error::ApiError;

/// Reads `tools` and `tool_choice`; true where at most one tool may be called.
pub(crate) fn parse(body: &mut Fields, request: &mut Request) -> Result<bool, ApiError> {
    let tools = body.objects("tools")?.unwrap_or_default();
    request.tools = tools.into_iter().map(tool).collect::<Result<_, _>>()?;
    let Some(mut choice) = body.object("tool_choice")? else { return Ok(false) };
    request.tool_choice = match choice.string("type")?.as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Required,
        Some("none") => ToolChoice::None,
        Some("tool") => ToolChoice::Named(choice.string("name")?.ok_or_else(|| choice.missing("name"))?),
        Some(other) => {
            let why = format!("{other:?} is no choice. There are \"auto\", \"any\", \"tool\" and \"none\".");
            return Err(FieldError::value(choice.path("type"), why).into());
        }
        None => return Err(choice.missing("type").into()),
    };
    if request.tools.is_empty() && !matches!(request.tool_choice, ToolChoice::Auto | ToolChoice::None) {
        return Err(
            FieldError::value("tool_choice", "it wants a tool called, but there are no `tools`").into()
        );
    }
    Ok(choice.boolean("disable_parallel_tool_use")?.unwrap_or(false))
}

fn tool(mut tool: Fields) -> Result<Tool, ApiError> {
    if let Some(kind) = tool.string("type")?
        && kind != "custom"
    {
        let instead = format!("{kind:?} is a tool that Anthropic runs. There are those of your own.");
        return Err(ApiError::unsupported(&tool.path("type"), &instead));
    }
    refuse(&mut tool, "strict", "Leave it out.", |value| *value == Value::Bool(false))?;
    refuse(&mut tool, "defer_loading", "Leave it out.", |value| *value == Value::Bool(false))?;
    let name = tool.string("name")?.ok_or_else(|| tool.missing("name"))?;
    let description = tool.string("description")?.unwrap_or_default();
    let parameters = match tool.take("input_schema") {
        Some(schema @ Value::Object(_)) => schema.to_string(),
        Some(other) => {
            return Err(FieldError::wrong(tool.path("input_schema"), "an object", &other).into());
        }
        None => return Err(tool.missing("input_schema").into()),
    };
    Ok(Tool { name, description, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, says};

    const WEATHER: &str = r#"{"name":"weather","description":"of a town","input_schema":{"type":"object"}}"#;

    fn parsed(json: &str) -> Result<(Request, bool), ApiError> {
        let mut request = Request::chat("m", Vec::new());
        parse(&mut fields(json), &mut request).map(|one| (request, one))
    }

    #[test]
    fn tools_and_the_choice_arrive() {
        let choice = |choice: &str| {
            let (request, one) =
                parsed(&format!(r#"{{"tools":[{WEATHER}],"tool_choice":{choice}}}"#)).unwrap();
            assert_eq!(
                request.tools,
                [Tool {
                    name: "weather".into(),
                    description: "of a town".into(),
                    parameters: r#"{"type":"object"}"#.into(),
                }]
            );
            (request.tool_choice, one)
        };
        assert_eq!(choice("null"), (ToolChoice::Auto, false));
        assert_eq!(choice(r#"{"type":"auto"}"#), (ToolChoice::Auto, false));
        assert_eq!(
            choice(r#"{"type":"any","disable_parallel_tool_use":true}"#),
            (ToolChoice::Required, true)
        );
        assert_eq!(choice(r#"{"type":"none"}"#), (ToolChoice::None, false));
        assert_eq!(
            choice(r#"{"type":"tool","name":"weather"}"#),
            (ToolChoice::Named("weather".into()), false)
        );
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let tool = |tool: &str, text: &str| says(parsed(&format!(r#"{{"tools":[{tool}]}}"#)), text);
        tool(r#"{"type":"web_search_20250305","name":"web_search"}"#, "tools[0].type: not supported here");
        tool(r#"{"name":"a"}"#, "`tools[0].input_schema` is missing");
        tool(r#"{"name":"a","input_schema":1}"#, "`tools[0].input_schema` must be an object");
        tool(r#"{"input_schema":{}}"#, "`tools[0].name` is missing");
        tool(r#"{"name":"a","input_schema":{},"strict":true}"#, "tools[0].strict: not supported");
        tool("1", "`tools[0]` must be an object");
        let choice = |choice: &str, text: &str| says(parsed(&format!(r#"{{"tool_choice":{choice}}}"#)), text);
        choice(r#"{"type":"any"}"#, "no `tools`");
        choice(r#"{"type":"must"}"#, "`tool_choice.type`: \"must\" is no choice");
        choice(r#"{"type":"tool"}"#, "`tool_choice.name` is missing");
        choice("{}", "`tool_choice.type` is missing");
    }
}
