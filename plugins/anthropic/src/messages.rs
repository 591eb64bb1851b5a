//! The messages of a chat, whose content comes as text or in blocks.

use inferno_sdk::inference::{Message, Role, ToolCall};
use inferno_sdk::json::{FieldError, Fields, describe};
use serde_json::Value;

use crate::error::ApiError;

/// `system` and `messages`, in the order in which the model reads them.
pub(crate) fn parse(body: &mut Fields) -> Result<Vec<Message>, ApiError> {
    let mut all = Vec::new();
    let path = body.path("system");
    if let Some(system) = body.take("system") {
        let text = text(system, &path)?;
        if !text.is_empty() {
            all.push(Message::system(text));
        }
    }
    let messages = body.objects("messages")?.ok_or_else(|| body.missing("messages"))?;
    if messages.is_empty() {
        return Err(FieldError::value("messages", "there must be at least one message").into());
    }
    for message in messages {
        add(&mut all, message)?;
    }
    if all.last().is_some_and(|message| message.role == Role::Assistant) {
        let message = "messages: the last one is the assistant's, but answers cannot be continued here. The conversation \
                       must end with a user message.";
        return Err(ApiError::invalid(message));
    }
    Ok(all)
}

fn add(all: &mut Vec<Message>, mut message: Fields) -> Result<(), ApiError> {
    let role = match message.string("role")?.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some(other) => {
            let why = format!(
                "{other:?} is no role. There are \"user\" and \"assistant\"; the top-level `system` has instructions."
            );
            return Err(FieldError::value(message.path("role"), why).into());
        }
        None => return Err(message.missing("role").into()),
    };
    let path = message.path("content");
    match message.take("content") {
        Some(Value::String(text)) => {
            say(all, role, text);
            Ok(())
        }
        Some(Value::Array(blocks)) => blocks
            .into_iter()
            .enumerate()
            .try_for_each(|(n, block)| add_block(all, role, Fields::of(block, &format!("{path}[{n}]"))?)),
        Some(other) => Err(FieldError::wrong(path, "a string or an array of blocks", &other).into()),
        None => Err(message.missing("content").into()),
    }
}

/// Appends text. What one side says in one go is one message, since templates want the sides to take turns.
fn say(all: &mut Vec<Message>, role: Role, text: String) {
    match all.last_mut() {
        Some(last) if last.role == role && last.tool_calls.is_empty() => {
            if !last.content.is_empty() && !text.is_empty() {
                last.content.push('\n');
            }
            last.content.push_str(&text);
        }
        _ => all.push(Message::new(role, text)),
    }
}

fn add_block(all: &mut Vec<Message>, role: Role, mut block: Fields) -> Result<(), ApiError> {
    let kind = block.string("type")?.ok_or_else(|| block.missing("type"))?;
    match (role, kind.as_str()) {
        (_, "text") => say(all, role, block.string("text")?.ok_or_else(|| block.missing("text"))?),
        (Role::Assistant, "tool_use") => {
            let call = call(&mut block)?;
            match all.last_mut() {
                Some(last) if last.role == Role::Assistant => last.tool_calls.push(call),
                _ => {
                    let mut message = Message::assistant("");
                    message.tool_calls.push(call);
                    all.push(message);
                }
            }
        }
        // What the model thought before an answer that is given already does not matter to the next one.
        (Role::Assistant, "thinking" | "redacted_thinking") => {}
        (Role::User, "tool_result") => all.push(result(&mut block)?),
        (Role::User, "image" | "document" | "search_result" | "container_upload") => {
            let instead = format!("{kind:?} blocks cannot be given, since the models here take text only.");
            return Err(ApiError::unsupported(&block.path("type"), &instead));
        }
        _ => {
            let side = if role == Role::User { "user" } else { "assistant" };
            let why = format!("{kind:?} is no block that the {side} can have here");
            return Err(FieldError::value(block.path("type"), why).into());
        }
    }
    Ok(())
}

fn call(block: &mut Fields) -> Result<ToolCall, ApiError> {
    let id = block.string("id")?.ok_or_else(|| block.missing("id"))?;
    let name = block.string("name")?.ok_or_else(|| block.missing("name"))?;
    match block.take("input") {
        Some(input @ Value::Object(_)) => Ok(ToolCall { id, name, arguments: input.to_string() }),
        Some(other) => Err(FieldError::wrong(block.path("input"), "an object", &other).into()),
        None => Err(block.missing("input").into()),
    }
}

fn result(block: &mut Fields) -> Result<Message, ApiError> {
    let id = block.string("tool_use_id")?.ok_or_else(|| block.missing("tool_use_id"))?;
    let failed = block.boolean("is_error")?.unwrap_or(false);
    let path = block.path("content");
    let content = block.take("content").map_or_else(|| Ok(String::new()), |value| text(value, &path))?;
    // Chat templates know no failed calls, so the text has to say it.
    Ok(Message::tool(id, if failed { format!("Error: {content}") } else { content }))
}

/// Text that may come as blocks of text, each on lines of its own.
fn text(value: Value, path: &str) -> Result<String, ApiError> {
    let blocks = match value {
        Value::String(text) => return Ok(text),
        Value::Array(blocks) => blocks,
        other => {
            let expected = "a string or an array of text blocks";
            return Err(FieldError::wrong(path, expected, &other).into());
        }
    };
    let mut texts = Vec::with_capacity(blocks.len());
    for (n, block) in blocks.into_iter().enumerate() {
        let mut block = Fields::of(block, &format!("{path}[{n}]"))?;
        match block.take("type") {
            Some(Value::String(kind)) if kind == "text" => {}
            Some(Value::String(kind)) => {
                let instead = format!("{kind:?} blocks cannot be given here; the models take text only.");
                return Err(ApiError::unsupported(&block.path("type"), &instead));
            }
            Some(other) => {
                let why = format!("it must be \"text\", but is {}", describe(&other));
                return Err(FieldError::value(block.path("type"), why).into());
            }
            None => return Err(block.missing("type").into()),
        }
        texts.push(block.string("text")?.ok_or_else(|| block.missing("text"))?);
    }
    Ok(texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, says};

    fn parsed(json: &str) -> Result<Vec<Message>, ApiError> {
        parse(&mut fields(json))
    }

    #[test]
    fn text_comes_as_it_is_or_in_blocks() {
        let messages = parsed(
            r#"{"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"Rhyme."}],
                "messages":[{"role":"user","content":"a"},
                            {"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]},
                            {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"d"}]},
                            {"role":"user","content":"e"}]}"#,
        );
        let expected = [
            Message::system("Be brief.\nRhyme."),
            Message::user("a\nb\nc"),
            Message::assistant("d"),
            Message::user("e"),
        ];
        assert_eq!(messages.unwrap(), expected);
    }

    #[test]
    fn calls_and_their_results_keep_their_ids() {
        let messages = parsed(
            r#"{"messages":[
                {"role":"user","content":"How is it?"},
                {"role":"assistant","content":[{"type":"text","text":"I ask."},
                    {"type":"tool_use","id":"t1","name":"weather","input":{"town":"Ulm"}},
                    {"type":"tool_use","id":"t2","name":"time","input":{}}]},
                {"role":"user","content":[
                    {"type":"tool_result","tool_use_id":"t1","content":"sunny"},
                    {"type":"tool_result","tool_use_id":"t2","is_error":true,"content":[{"type":"text","text":"no clock"}]},
                    {"type":"text","text":"Well?"}]}]}"#,
        );
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        let mut calls = Message::assistant("I ask.");
        calls.tool_calls = vec![call("t1", "weather", r#"{"town":"Ulm"}"#), call("t2", "time", "{}")];
        let expected = [
            Message::user("How is it?"),
            calls,
            Message::tool("t1", "sunny"),
            Message::tool("t2", "Error: no clock"),
            Message::user("Well?"),
        ];
        assert_eq!(messages.unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |messages: &str, text: &str| says(parsed(&format!(r#"{{"messages":{messages}}}"#)), text);
        check("[]", "`messages`: there must be at least one");
        check("[1]", "`messages[0]` must be an object");
        check(r#"[{"content":"a"}]"#, "`messages[0].role` is missing");
        check(r#"[{"role":"system","content":"a"}]"#, "top-level `system`");
        check(r#"[{"role":"user"}]"#, "`messages[0].content` is missing");
        check(r#"[{"role":"user","content":1}]"#, "`messages[0].content` must be a string or an array");
        check(
            r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#,
            "must end with a user message",
        );
        let block =
            |block: &str, text: &str| check(&format!(r#"[{{"role":"user","content":[{block}]}}]"#), text);
        block(r#"{"type":"image","source":{}}"#, "messages[0].content[0].type: not supported");
        block(r#"{"type":"tool_use"}"#, "\"tool_use\" is no block that the user can have");
        block(r#"{"text":"a"}"#, "`messages[0].content[0].type` is missing");
        block(r#"{"type":"tool_result"}"#, "tool_use_id` is missing");
        block(
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"image"}]}"#,
            "content[0].type: not supported",
        );
        says(parsed(r#"{"system":1,"messages":[]}"#), "`system` must be a string or an array of text blocks");
    }
}
