//! Messages and tools as chat templates expect them.

use inferno_backend::{Error, Message, Role, Tool, ToolCall};
use minijinja::Value;

/// A chat whose texts can be looked at and changed before a template sees them.
pub struct Chat {
    messages: Vec<Said>,
    tools: Vec<Offered>,
}

struct Said {
    role: Role,
    content: String,
    calls: Vec<Called>,
    /// Of a result: the call's id, and the name of its tool.
    result_of: Option<(String, Option<String>)>,
}

struct Called {
    id: String,
    name: String,
    arguments: serde_json::Map<String, serde_json::Value>,
}

struct Offered {
    name: String,
    description: String,
    parameters: serde_json::Value,
}

impl Chat {
    /// Reads the arguments of calls; `short_ids`: the template wants ids of nine letters and digits.
    pub fn new(messages: &[Message], tools: &[Tool], short_ids: bool) -> Result<Self, Error> {
        let id = |id: &str| if short_ids { short(id) } else { id.to_owned() };
        let mut said: Vec<Said> = Vec::with_capacity(messages.len());
        for (number, message) in (1..).zip(messages) {
            let calls = message.tool_calls.iter().map(|call| {
                let arguments = arguments(call).map_err(|error| {
                    Error::invalid(format!(
                        "the arguments of the call of {} in message {number} are no JSON object: {error}",
                        call.name
                    ))
                })?;
                Ok(Called { id: id(&call.id), name: call.name.clone(), arguments })
            });
            let calls = calls.collect::<Result<_, Error>>()?;
            let result_of = message.tool_call_id.as_deref().map(|wanted| {
                let earlier = messages.iter().flat_map(|message| &message.tool_calls);
                let name = earlier.filter(|call| call.id == wanted).map(|call| call.name.clone()).next_back();
                (id(wanted), name)
            });
            said.push(Said { role: message.role, content: message.content.clone(), calls, result_of });
        }
        let tools = tools.iter().map(|tool| Offered {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: match &tool.parameters {
                serde_json::Value::Null => serde_json::json!({"type": "object", "properties": {}}),
                parameters => parameters.clone(),
            },
        });
        Ok(Self { messages: said, tools: tools.collect() })
    }

    /// Puts a character where each image stands, from 0 on.
    pub fn place(&mut self, messages: &[Message], character: impl Fn(u32) -> char) {
        let mut number = 0;
        for (said, message) in self.messages.iter_mut().zip(messages) {
            let mut content = String::with_capacity(message.content.len() + 4 * message.images.len());
            let mut begin = 0;
            for &at in &message.images {
                content.push_str(message.content.get(begin..at).unwrap_or_default());
                content.push(character(number));
                number += 1;
                begin = at;
            }
            content.push_str(message.content.get(begin..).unwrap_or_default());
            said.content = content;
        }
    }

    /// All texts that callers wrote.
    pub fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        for message in &self.messages {
            texts.push(message.content.as_str());
            for call in &message.calls {
                texts.extend([call.id.as_str(), &call.name]);
                call.arguments.iter().for_each(|(key, value)| {
                    texts.push(key);
                    texts_of(value, &mut texts);
                });
            }
            if let Some((id, name)) = &message.result_of {
                texts.push(id);
                texts.extend(name.as_deref());
            }
        }
        for tool in &self.tools {
            texts.extend([tool.name.as_str(), &tool.description]);
            texts_of(&tool.parameters, &mut texts);
        }
        texts
    }

    /// The same chat with all its texts changed.
    pub fn map(&mut self, change: &dyn Fn(&str) -> String) {
        for message in &mut self.messages {
            message.content = change(&message.content);
            for call in &mut message.calls {
                call.id = change(&call.id);
                call.name = change(&call.name);
                call.arguments = map_object(&call.arguments, change);
            }
            if let Some((id, name)) = &mut message.result_of {
                *id = change(id);
                *name = name.as_deref().map(change);
            }
        }
        for tool in &mut self.tools {
            tool.name = change(&tool.name);
            tool.description = change(&tool.description);
            tool.parameters = map_value(&tool.parameters, change);
        }
    }

    /// The messages as a template's variable; `content` is how it wants what is said.
    pub fn messages(&self, content: impl Fn(&str) -> Value) -> Vec<Value> {
        self.messages.iter().map(|said| said.value(content(&said.content))).collect()
    }

    /// The tools as a template's variable, if there are any.
    pub fn tools(&self) -> Option<Vec<Value>> {
        let tools = self.tools.iter().map(|tool| {
            let function = Value::from_pairs([
                ("name", Value::from(tool.name.as_str())),
                ("description", Value::from(tool.description.as_str())),
                ("parameters", shown(&tool.parameters)),
            ]);
            Value::from_pairs([("type", Value::from("function")), ("function", function)])
        });
        (!self.tools.is_empty()).then(|| tools.collect())
    }
}

impl Said {
    fn value(&self, content: Value) -> Value {
        let role = match self.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let mut pairs = vec![("role", Value::from(role)), ("content", content)];
        if !self.calls.is_empty() {
            pairs.push(("tool_calls", self.calls.iter().map(Called::value).collect()));
        }
        if let Some((id, name)) = &self.result_of {
            pairs.push(("tool_call_id", Value::from(id.as_str())));
            if let Some(name) = name {
                pairs.push(("name", Value::from(name.as_str())));
            }
        }
        Value::from_pairs(pairs)
    }
}

impl Called {
    fn value(&self) -> Value {
        let function = Value::from_pairs([
            ("name", Value::from(self.name.as_str())),
            ("arguments", shown_object(&self.arguments)),
        ]);
        Value::from_pairs([
            ("id", Value::from(self.id.as_str())),
            ("type", Value::from("function")),
            ("function", function),
        ])
    }
}

fn arguments(call: &ToolCall) -> Result<serde_json::Map<String, serde_json::Value>, serde_json::Error> {
    if call.arguments.trim().is_empty() {
        return Ok(serde_json::Map::new());
    }
    serde_json::from_str(&call.arguments)
}

/// JSON as a template sees it.
fn shown(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(shown).collect(),
        serde_json::Value::Object(object) => shown_object(object),
    }
}

fn shown_object(object: &serde_json::Map<String, serde_json::Value>) -> Value {
    Value::from_pairs(object.iter().map(|(key, value)| (key.as_str(), shown(value))))
}

fn texts_of<'a>(value: &'a serde_json::Value, texts: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => texts.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        serde_json::Value::Object(object) => object.iter().for_each(|(key, value)| {
            texts.push(key);
            texts_of(value, texts);
        }),
        _ => {}
    }
}

fn map_value(value: &serde_json::Value, change: &dyn Fn(&str) -> String) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => change(text).into(),
        serde_json::Value::Array(items) => items.iter().map(|item| map_value(item, change)).collect(),
        serde_json::Value::Object(object) => map_object(object, change).into(),
        other => other.clone(),
    }
}

fn map_object(
    object: &serde_json::Map<String, serde_json::Value>,
    change: &dyn Fn(&str) -> String,
) -> serde_json::Map<String, serde_json::Value> {
    object.iter().map(|(key, value)| (change(key), map_value(value, change))).collect()
}

/// Nine letters and digits that stand for an id, the same ones each time.
fn short(id: &str) -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // FNV-1a
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let letter = |_| {
        let letter = LETTERS[(hash % 36) as usize];
        hash /= 36;
        char::from(letter)
    };
    (0..9).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        let call = ToolCall { id: "call_1".into(), name: "get".into(), arguments: "{\"a\": [\"x\"]}".into() };
        vec![
            Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") },
            Message { tool_call_id: Some("call_1".into()), ..Message::new(Role::Tool, "done") },
        ]
    }

    #[test]
    fn every_text_is_seen_and_changed() {
        let tool = Tool {
            name: "get".into(),
            description: "gets".into(),
            parameters: serde_json::json!({"properties": {"k": {"enum": ["v"]}}}),
        };
        let mut chat = Chat::new(&messages(), &[tool], false).unwrap();
        let seen = chat.texts().join(" ");
        for text in ["call_1", "get", "a", "x", "done", "gets", "properties", "k", "enum", "v"] {
            assert!(seen.split(' ').any(|word| word == text), "{text} in {seen}");
        }
        chat.map(&|text| text.to_uppercase());
        assert_eq!(chat.texts().join(" "), seen.to_uppercase());
    }

    #[test]
    fn images_are_placed_where_they_stand() {
        let seen = |content: &str, images: &[usize]| Message {
            images: images.to_vec(),
            ..Message::new(Role::User, content)
        };
        let messages = [seen("äb", &[0, 2, 3, 3]), seen("c", &[]), seen("", &[0])];
        let mut chat = Chat::new(&messages, &[], false).unwrap();
        chat.place(&messages, |number| char::from_digit(number, 10).unwrap());
        assert_eq!(chat.texts(), ["0ä1b23", "c", "4"]);
    }

    #[test]
    fn results_know_the_name_of_their_tool() {
        let chat = Chat::new(&messages(), &[], true).unwrap();
        let said = chat.messages(|text| Value::from(text));
        assert_eq!(said[1].get_attr("name").unwrap().as_str(), Some("get"));
        let call = said[0].get_attr("tool_calls").unwrap().get_item(&Value::from(0)).unwrap();
        assert_eq!(call.get_attr("id").unwrap(), said[1].get_attr("tool_call_id").unwrap());
        assert_eq!(call.get_attr("id").unwrap().as_str().unwrap().len(), 9);
        assert!(chat.tools().is_none());
    }

    #[test]
    fn arguments_that_are_no_object_are_refused() {
        let mut messages = messages();
        messages[0].tool_calls[0].arguments = "[1]".into();
        let error = Chat::new(&messages, &[], false).err().unwrap();
        assert!(error.message.contains("call of get in message 1"), "{error}");
    }
}
