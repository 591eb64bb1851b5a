//! `/api/chat`

use inferno_sdk::inference::{Message, Request, Role, Tool, ToolCall};
use inferno_sdk::json::{FieldError, Fields};
use serde_json::Value;

use crate::ask::{self, Ask, Form};
use crate::error::ApiError;

pub(crate) fn parse(body: &mut Fields) -> Result<Ask, ApiError> {
    let model = ask::model(body)?;
    let mut conversation = Conversation::default();
    for message in body.objects("messages")?.unwrap_or_default() {
        conversation.add(message)?;
    }
    let tools = body.objects("tools")?.unwrap_or_default();
    // Without a message the model is only loaded, or unloaded.
    let request = if conversation.messages.is_empty() {
        None
    } else {
        let mut request = Request::chat(model.as_str(), conversation.messages);
        request.tools = tools.into_iter().map(tool).collect::<Result<_, _>>()?;
        Some(request)
    };
    ask::parse(body, Form::Chat, model, request)
}

/// The messages so far, and the calls in them that have no result yet: Ollama's calls need no ids.
#[derive(Default)]
struct Conversation {
    messages: Vec<Message>,
    calls: usize,
    /// Id and tool.
    waiting: Vec<(String, String)>,
}

impl Conversation {
    fn add(&mut self, mut message: Fields) -> Result<(), ApiError> {
        let role = match message.string("role")?.as_deref() {
            Some("system") => Role::System,
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("tool") => Role::Tool,
            Some(other) => {
                let why =
                    format!("{other:?} is none; there are \"system\", \"user\", \"assistant\" and \"tool\"");
                return Err(FieldError::value(message.path("role"), why).into());
            }
            None => return Err(message.missing("role").into()),
        };
        let images = ask::images(&mut message)?;
        let mut said = Message::new(role, "");
        // As Ollama does it: first what there is to see, then what is said about it.
        images.into_iter().for_each(|image| said.show(image));
        said.content = message.string("content")?.unwrap_or_default();
        if role == Role::Assistant {
            for call in message.objects("tool_calls")?.unwrap_or_default() {
                said.tool_calls.push(self.call(call)?);
            }
        }
        if role == Role::Tool {
            let (id, name) = (message.string("tool_call_id")?, message.string("tool_name")?);
            said.tool_call_id = self.answered(id, name.as_deref());
        }
        self.messages.push(said);
        Ok(())
    }

    fn call(&mut self, mut call: Fields) -> Result<ToolCall, ApiError> {
        let id = call.string("id")?.unwrap_or_else(|| format!("call_{}", self.calls));
        self.calls += 1;
        let mut function = call.object("function")?.ok_or_else(|| call.missing("function"))?;
        let name = function.string("name")?.ok_or_else(|| function.missing("name"))?;
        let arguments = match function.take("arguments") {
            None => "{}".to_owned(),
            Some(arguments @ Value::Object(_)) => arguments.to_string(),
            Some(other) => {
                return Err(FieldError::wrong(function.path("arguments"), "an object", &other).into());
            }
        };
        self.waiting.push((id.clone(), name.clone()));
        Ok(ToolCall { id, name, arguments })
    }

    /// The call that a result belongs to: the one with the id, else the first of the tool, else the first.
    fn answered(&mut self, id: Option<String>, name: Option<&str>) -> Option<String> {
        let matching = self.waiting.iter().position(|(known, tool)| match (&id, name) {
            (Some(id), _) => known == id,
            (None, Some(name)) => tool == name,
            (None, None) => true,
        });
        matching.map(|at| self.waiting.remove(at).0).or(id)
    }
}

fn tool(mut tool: Fields) -> Result<Tool, ApiError> {
    if let Some(kind) = tool.string("type")?
        && kind != "function"
    {
        let why = format!("{kind:?} is none; there are functions");
        return Err(FieldError::value(tool.path("type"), why).into());
    }
    let mut function = tool.object("function")?.ok_or_else(|| tool.missing("function"))?;
    let name = function.string("name")?.ok_or_else(|| function.missing("name"))?;
    let description = function.string("description")?.unwrap_or_default();
    let parameters = match function.take("parameters") {
        None => String::new(),
        Some(schema @ Value::Object(_)) => schema.to_string(),
        Some(other) => return Err(FieldError::wrong(function.path("parameters"), "an object", &other).into()),
    };
    Ok(Tool { name, description, parameters })
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::Image;

    use super::*;
    use crate::testing::{fields, says};

    fn parsed(json: &str) -> Result<Ask, ApiError> {
        parse(&mut fields(json))
    }

    #[test]
    fn a_chat_is_its_messages() {
        let ask = parsed(
            r#"{"model":"m:latest","stream":false,"messages":[
                {"role":"system","content":"a"},{"role":"user","content":"b","images":[]},
                {"role":"assistant","content":"c","thinking":"hm"},{"role":"user","content":"d"}]}"#,
        )
        .unwrap();
        let messages =
            vec![Message::system("a"), Message::user("b"), Message::assistant("c"), Message::user("d")];
        assert_eq!((ask.form, ask.stream), (Form::Chat, false));
        assert_eq!(ask.request, Some(Request::chat("m", messages)));
    }

    #[test]
    fn images_stand_before_the_text() {
        let json = r#"{"model":"m","messages":[{"role":"user","content":"b","images":["aGk=","aG8="]}]}"#;
        let mut message = Message::user("b");
        message.images = [b"hi", b"ho"].map(|data| Image { at: 0, data: data.to_vec() }).to_vec();
        assert_eq!(parsed(json).unwrap().request, Some(Request::chat("m", vec![message])));
    }

    #[test]
    fn without_messages_there_is_nothing_to_answer() {
        assert_eq!(parsed(r#"{"model":"m"}"#).unwrap().request, None);
        assert_eq!(parsed(r#"{"model":"m","messages":[]}"#).unwrap().request, None);
    }

    #[test]
    fn results_find_their_calls() {
        let call =
            |name: &str, more: &str| format!(r#"{{"function":{{"name":"{name}","arguments":{{}}}}{more}}}"#);
        let calls = [call("f", ""), call("g", ""), call("f", ""), call("h", r#","id":"mine""#)].join(",");
        let ask = parsed(&format!(
            r#"{{"model":"m","messages":[
                {{"role":"user","content":"q"}},{{"role":"assistant","tool_calls":[{calls}]}},
                {{"role":"tool","tool_name":"g","content":"1"}},{{"role":"tool","content":"2"}},
                {{"role":"tool","tool_call_id":"mine","content":"3"}},{{"role":"tool","tool_name":"f","content":"4"}},
                {{"role":"tool","content":"5"}}]}}"#
        ));
        let request = ask.unwrap().request.unwrap();
        let inferno_sdk::inference::Input::Chat(messages) = request.input else { panic!("no chat") };
        let ids: Vec<&str> = messages[1].tool_calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call_0", "call_1", "call_2", "mine"]);
        let answered: Vec<Option<&str>> = messages[2..].iter().map(|m| m.tool_call_id.as_deref()).collect();
        assert_eq!(answered, [Some("call_1"), Some("call_0"), Some("mine"), Some("call_2"), None]);
    }

    #[test]
    fn tools_arrive() {
        let ask = parsed(
            r#"{"model":"m","messages":[{"role":"user","content":"q"}],"tools":[
                {"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},
                {"function":{"name":"g"}}]}"#,
        );
        let tool = |name: &str, description: &str, parameters: &str| Tool {
            name: name.into(),
            description: description.into(),
            parameters: parameters.into(),
        };
        let expected = [tool("f", "d", r#"{"type":"object"}"#), tool("g", "", "")];
        assert_eq!(ask.unwrap().request.unwrap().tools, expected);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        says(parsed("{}"), "`model` is missing");
        let message = |message: &str, text: &str| {
            says(parsed(&format!(r#"{{"model":"m","messages":[{message}]}}"#)), text);
        };
        message("1", "`messages[0]` must be an object");
        message(r#"{"content":"a"}"#, "`messages[0].role` is missing");
        message(r#"{"role":"pirate"}"#, "`messages[0].role`: \"pirate\" is none");
        message(r#"{"role":"user","content":["a"]}"#, "`messages[0].content` must be a string");
        message(r#"{"role":"user","content":"a","images":"aGk="}"#, "`messages[0].images` must be an array");
        message(r#"{"role":"user","images":[1]}"#, "`messages[0].images[0]` must be the base64 of an image");
        message(r#"{"role":"user","images":["aGk=","%"]}"#, "`messages[0].images[1]`: it is no base64");
        message(
            r#"{"role":"assistant","tool_calls":[{}]}"#,
            "`messages[0].tool_calls[0].function` is missing",
        );
        message(
            r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#,
            "function.arguments` must be an object, but is a string",
        );
        let tool = |tool: &str, text: &str| {
            let body = r#"{"model":"m","messages":[{"role":"user","content":"a"}],"tools":["#;
            says(parsed(&format!("{body}{tool}]}}")), text);
        };
        tool("{}", "`tools[0].function` is missing");
        tool(r#"{"type":"plugin"}"#, "`tools[0].type`: \"plugin\" is none");
        tool(r#"{"function":{}}"#, "`tools[0].function.name` is missing");
        tool(
            r#"{"function":{"name":"f","parameters":1}}"#,
            "`tools[0].function.parameters` must be an object",
        );
    }
}
