//! The messages of a chat, whose content comes as text or in blocks.

use inferno_sdk::inference::{Message, Role, ToolCall};
use inferno_sdk::json::{FieldError, Fields, describe};
use inferno_sdk::media;
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

/// Shows an image, behind what the side has said so far.
fn show(all: &mut Vec<Message>, role: Role, image: Vec<u8>) {
    match all.last_mut() {
        Some(last) if last.role == role && last.tool_calls.is_empty() => last.show(image),
        _ => {
            let mut message = Message::new(role, "");
            message.show(image);
            all.push(message);
        }
    }
}

fn image(block: &mut Fields) -> Result<Vec<u8>, ApiError> {
    let mut source = block.object("source")?.ok_or_else(|| block.missing("source"))?;
    match source.string("type")?.as_deref() {
        Some("base64") => {
            let data = source.string("data")?.ok_or_else(|| source.missing("data"))?;
            Ok(media::base64(&data).map_err(|why| FieldError::value(source.path("data"), why))?)
        }
        Some("url" | "file") => {
            let instead = "This server fetches nothing from elsewhere; send the image itself as \"base64\".";
            Err(ApiError::unsupported(&source.path("type"), instead))
        }
        Some(other) => {
            Err(FieldError::value(source.path("type"), format!("{other:?} is none; there is \"base64\""))
                .into())
        }
        None => Err(source.missing("type").into()),
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
        (Role::User, "image") => show(all, role, image(&mut block)?),
        (Role::User, "document" | "search_result" | "container_upload") => {
            let instead =
                format!("{kind:?} blocks cannot be given; the models here take text and images only.");
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
    // Chat templates know no failed calls, so the text has to say it.
    let mut message = Message::tool(id, if failed { "Error: " } else { "" });
    match block.take("content") {
        None => {}
        Some(Value::Array(blocks)) => {
            let mut texts = 0;
            for (n, block) in blocks.into_iter().enumerate() {
                let mut block = Fields::of(block, &format!("{path}[{n}]"))?;
                let kind = block.take("type");
                if kind.as_ref().is_some_and(|kind| kind == "image") {
                    message.show(image(&mut block)?);
                    continue;
                }
                if texts > 0 {
                    message.content.push('\n');
                }
                message.content.push_str(&text_of(block, kind)?);
                texts += 1;
            }
        }
        Some(value) => message.content.push_str(&text(value, &path)?),
    }
    Ok(message)
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
        let kind = block.take("type");
        texts.push(text_of(block, kind)?);
    }
    Ok(texts.join("\n"))
}

/// The text of a block of this kind, which must be one of text.
fn text_of(mut block: Fields, kind: Option<Value>) -> Result<String, ApiError> {
    match kind {
        Some(Value::String(kind)) if kind == "text" => {}
        Some(Value::String(kind)) => {
            let instead = format!("{kind:?} blocks cannot be given here.");
            return Err(ApiError::unsupported(&block.path("type"), &instead));
        }
        Some(other) => {
            let why = format!("it must be \"text\", but is {}", describe(&other));
            return Err(FieldError::value(block.path("type"), why).into());
        }
        None => return Err(block.missing("type").into()),
    }
    Ok(block.string("text")?.ok_or_else(|| block.missing("text"))?)
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::Image;

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
    fn images_stand_where_they_are_shown() {
        let image = |data: &str| {
            format!(
                r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}"#
            )
        };
        let (one, other) = (image("aGk="), image("aG8="));
        let messages = parsed(&format!(
            r#"{{"messages":[
                {{"role":"user","content":[{one},{{"type":"text","text":"ab"}},{other}]}},
                {{"role":"assistant","content":[{{"type":"tool_use","id":"t1","name":"look","input":{{}}}}]}},
                {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t1","content":[
                    {{"type":"text","text":"this:"}},{one}]}}]}}]}}"#
        ))
        .unwrap();
        let seen = |at, data: &[u8]| Image { at, data: data.to_vec() };
        assert_eq!(messages[0].content, "ab");
        assert_eq!(messages[0].images, [seen(0, b"hi"), seen(2, b"ho")]);
        assert_eq!((messages[2].content.as_str(), &messages[2].images), ("this:", &vec![seen(5, b"hi")]));
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
        block(r#"{"type":"document","source":{}}"#, "messages[0].content[0].type: not supported");
        block(r#"{"type":"image"}"#, "content[0].source` is missing");
        block(r#"{"type":"image","source":{}}"#, "content[0].source.type` is missing");
        block(
            r#"{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}"#,
            "content[0].source.type: not supported",
        );
        block(r#"{"type":"image","source":{"type":"base64"}}"#, "content[0].source.data` is missing");
        block(r#"{"type":"image","source":{"type":"base64","data":"%"}}"#, "source.data`: it is no base64");
        block(r#"{"type":"tool_use"}"#, "\"tool_use\" is no block that the user can have");
        block(r#"{"text":"a"}"#, "`messages[0].content[0].type` is missing");
        block(r#"{"type":"tool_result"}"#, "tool_use_id` is missing");
        block(
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"document"}]}"#,
            "content[0].type: not supported",
        );
        says(parsed(r#"{"system":1,"messages":[]}"#), "`system` must be a string or an array of text blocks");
    }
}
