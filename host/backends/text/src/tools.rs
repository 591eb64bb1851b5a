//! The tools that a request offers.

use inferno_backend::{Error, Generate, Input, Tool, ToolChoice, ToolFormat};

/// The tools that the model is told of, where it writes calls in this format.
pub fn offered(request: &Generate, format: Option<ToolFormat>) -> Result<&[Tool], Error> {
    if request.tools.is_empty() {
        return match &request.tool_choice {
            ToolChoice::Auto | ToolChoice::None => Ok(&[]),
            ToolChoice::Required | ToolChoice::Named(_) => {
                Err(Error::invalid("the model must call a tool, but there is none"))
            }
        };
    }
    if request.tool_choice == ToolChoice::None {
        return Ok(&[]);
    }
    if matches!(request.input, Input::Prompt(_)) {
        return Err(Error::invalid("tools can only be called in a chat").hint("send messages, not a prompt"));
    }
    if format.is_none() {
        return Err(Error::invalid("the model cannot call tools: its chat template does not say how")
            .hint("choose another model, or leave the tools out"));
    }
    for (index, Tool { name, .. }) in request.tools.iter().enumerate() {
        let usual = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(usual) {
            return Err(Error::invalid(format!(
                "the name of a tool is {name:?}, but must be 1 to 64 letters, digits, _ and -"
            )));
        }
        if request.tools.iter().take(index).any(|tool| tool.name == *name) {
            return Err(Error::invalid(format!("there are two tools named {name}")));
        }
    }
    match &request.tool_choice {
        ToolChoice::Named(name) if !request.tools.iter().any(|tool| tool.name == *name) => {
            Err(Error::invalid(format!("the model must call the tool {name}, but there is none")))
        }
        _ => Ok(&request.tools),
    }
}
