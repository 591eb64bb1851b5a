//! Requests that plugins put together, piece by piece.

use inferno_inference::{Constraint, Generate, Image, Input, Message, Sampling, Tool};
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::super::bindings::inferno::host::inference::{self, Role, ToolCall, ToolChoice};
use super::super::bindings::inferno::host::types::Error;
use super::invalid;
use crate::state::State;

/// A request that a plugin is putting together.
#[derive(Default, Serialize)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Request {
    pub(super) model: String,
    prompt: Option<String>,
    messages: Vec<Message>,
    max_tokens: Option<u32>,
    sampling: Sampling,
    stop: Vec<String>,
    logit_bias: Vec<(u32, f32)>,
    logprobs: Option<u32>,
    grammar: Option<String>,
    /// The schema, if any, as text.
    json: Option<Option<String>>,
    tools: Vec<RawTool>,
    tool_choice: inferno_inference::ToolChoice,
    adapters: Vec<(String, f32)>,
    #[serde(serialize_with = "digests", skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    /// An image came before any message.
    #[serde(skip)]
    stray: bool,
    /// Bytes that the plugin has put in, as [`State::hold`] counts them.
    #[serde(skip)]
    held: usize,
}

/// Images as tapes know them.
fn digests<S: Serializer>(images: &[Image], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(images.iter().map(|Image(data)| format!("sha256:{:x}", Sha256::digest(data))))
}

/// A tool whose schema was not read yet.
#[derive(Serialize)]
struct RawTool {
    name: String,
    description: String,
    parameters: String,
}

impl Request {
    fn constraint(
        grammar: Option<String>,
        json: Option<Option<String>>,
    ) -> Result<Option<Constraint>, Error> {
        match (grammar, json) {
            (None, None) => Ok(None),
            (Some(gbnf), None) => Ok(Some(Constraint::Grammar(gbnf))),
            (None, Some(None)) => Ok(Some(Constraint::Json(Value::Null))),
            (None, Some(Some(text))) => Ok(Some(Constraint::Json(schema("the answer", &text)?))),
            (Some(_), Some(_)) => {
                Err(invalid("the request has both a grammar and a JSON schema; it may have either"))
            }
        }
    }
}

impl RawTool {
    fn read(self) -> Result<Tool, Error> {
        let Self { name, description, parameters } = self;
        let fine = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !fine {
            return Err(invalid(format!(
                "a tool is named {name:?}, but names have 1 to 64 letters, digits, underscores and hyphens"
            )));
        }
        let parameters = match parameters.trim() {
            "" => Value::Null,
            text => schema(&format!("tool {name}"), text)?,
        };
        Ok(Tool { name, description, parameters })
    }
}

/// A JSON schema from its text.
fn schema(of: &str, text: &str) -> Result<Value, Error> {
    match serde_json::from_str(text) {
        Ok(schema @ (Value::Object(_) | Value::Bool(_) | Value::Null)) => Ok(schema),
        Ok(_) => Err(invalid(format!("the JSON schema of {of} is no object"))),
        Err(error) => Err(invalid(format!("the JSON schema of {of} is no JSON: {error}"))),
    }
}

impl State {
    fn request(&mut self, request: &Resource<Request>) -> Result<&mut Request> {
        Ok(self.table.get_mut(request)?)
    }

    /// Counts bytes that go into a request.
    fn fill(&mut self, request: &Resource<Request>, bytes: usize) -> Result<&mut Request> {
        self.hold(bytes)?;
        let request = self.request(request)?;
        request.held += bytes;
        Ok(request)
    }

    /// Takes a request out of the plugin's hands.
    pub(super) fn take(&mut self, request: Resource<Request>) -> Result<Request> {
        let request = self.table.delete(request)?;
        self.release(request.held);
        Ok(request)
    }

    /// The request as the model's side knows it, or what is wrong with it.
    pub(super) fn ready(&self, request: Request) -> Result<(String, Generate), Error> {
        if request.stray {
            return Err(invalid(
                "the request has an image that stands in no message: append the message first",
            ));
        }
        let input = match (request.prompt, request.messages.is_empty()) {
            (Some(prompt), true) => Input::Prompt(prompt),
            (None, false) => Input::Chat(request.messages),
            (None, true) => return Err(invalid("the request has neither a prompt nor a message")),
            (Some(_), false) => {
                return Err(invalid("the request has both a prompt and messages; it may have either"));
            }
        };
        let max_tokens = match (request.max_tokens, self.shared.effect.tokens_per_call()) {
            (Some(wanted), Some(cap)) if wanted > cap => {
                return Err(Error {
                    hint: Some("ask for fewer, or raise `tokens_per_call` in the plugin's grant".to_owned()),
                    ..invalid(format!(
                        "plugin \"{}\" wants {wanted} tokens of one request, but may have {cap}",
                        self.actor.plugin
                    ))
                });
            }
            (Some(wanted), _) => Some(wanted),
            (None, cap) => cap,
        };
        let generate = Generate {
            max_tokens,
            sampling: request.sampling,
            stop: request.stop,
            logit_bias: request.logit_bias,
            logprobs: request.logprobs,
            constraint: Request::constraint(request.grammar, request.json)?,
            tools: request.tools.into_iter().map(RawTool::read).collect::<Result<_, _>>()?,
            tool_choice: request.tool_choice,
            adapters: request.adapters,
            images: request.images,
            ..Generate::new(input)
        };
        Ok((request.model, generate))
    }
}

impl inference::HostRequest for State {
    fn new(&mut self, model: String) -> Result<Resource<Request>> {
        self.hold(model.len())?;
        Ok(self.table.push(Request { held: model.len(), model, ..Request::default() })?)
    }

    fn prompt(&mut self, request: Resource<Request>, text: String) -> Result<()> {
        let request = self.fill(&request, text.len())?;
        request.prompt = Some(text);
        Ok(())
    }

    fn message(&mut self, request: Resource<Request>, role: Role, content: String) -> Result<()> {
        let role = match role {
            Role::System => inferno_inference::Role::System,
            Role::User => inferno_inference::Role::User,
            Role::Assistant => inferno_inference::Role::Assistant,
            Role::Tool => inferno_inference::Role::Tool,
        };
        // An empty message takes room as well.
        let request = self.fill(&request, content.len() + size_of::<Message>())?;
        request.messages.push(Message::new(role, content));
        Ok(())
    }

    fn calls(&mut self, request: Resource<Request>, content: String, calls: Vec<ToolCall>) -> Result<()> {
        let bytes = calls.iter().map(|call| {
            call.id.len() + call.name.len() + call.arguments.len() + size_of::<inferno_inference::ToolCall>()
        });
        let bytes = content.len() + size_of::<Message>() + bytes.sum::<usize>();
        let request = self.fill(&request, bytes)?;
        let mut message = Message::new(inferno_inference::Role::Assistant, content);
        message.tool_calls = calls
            .into_iter()
            .map(|ToolCall { id, name, arguments }| inferno_inference::ToolCall { id, name, arguments })
            .collect();
        request.messages.push(message);
        Ok(())
    }

    fn tool_result(&mut self, request: Resource<Request>, call: String, content: String) -> Result<()> {
        let request = self.fill(&request, call.len() + content.len() + size_of::<Message>())?;
        let mut message = Message::new(inferno_inference::Role::Tool, content);
        message.tool_call_id = Some(call);
        request.messages.push(message);
        Ok(())
    }

    fn max_tokens(&mut self, request: Resource<Request>, count: u32) -> Result<()> {
        self.request(&request)?.max_tokens = Some(count);
        Ok(())
    }

    fn temperature(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.temperature = value;
        Ok(())
    }

    fn top_k(&mut self, request: Resource<Request>, count: u32) -> Result<()> {
        self.request(&request)?.sampling.top_k = count;
        Ok(())
    }

    fn top_p(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.top_p = value;
        Ok(())
    }

    fn min_p(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.min_p = value;
        Ok(())
    }

    fn repeat_penalty(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.repeat_penalty = value;
        Ok(())
    }

    fn presence_penalty(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.presence_penalty = value;
        Ok(())
    }

    fn frequency_penalty(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.frequency_penalty = value;
        Ok(())
    }

    fn seed(&mut self, request: Resource<Request>, value: u64) -> Result<()> {
        self.request(&request)?.sampling.seed = Some(value);
        Ok(())
    }

    fn stop(&mut self, request: Resource<Request>, text: String) -> Result<()> {
        self.fill(&request, text.len() + size_of::<String>())?.stop.push(text);
        Ok(())
    }

    fn logit_bias(&mut self, request: Resource<Request>, token: u32, bias: f32) -> Result<()> {
        self.fill(&request, size_of::<(u32, f32)>())?.logit_bias.push((token, bias));
        Ok(())
    }

    fn logprobs(&mut self, request: Resource<Request>, top: u32) -> Result<()> {
        self.request(&request)?.logprobs = Some(top);
        Ok(())
    }

    fn grammar(&mut self, request: Resource<Request>, gbnf: String) -> Result<()> {
        let request = self.fill(&request, gbnf.len())?;
        request.grammar = Some(gbnf);
        Ok(())
    }

    fn json(&mut self, request: Resource<Request>, schema: Option<String>) -> Result<()> {
        let bytes = schema.as_ref().map_or(0, String::len);
        self.fill(&request, bytes)?.json = Some(schema);
        Ok(())
    }

    fn tool(
        &mut self,
        request: Resource<Request>,
        name: String,
        description: String,
        parameters: String,
    ) -> Result<()> {
        let bytes = name.len() + description.len() + parameters.len() + size_of::<RawTool>();
        let request = self.fill(&request, bytes)?;
        request.tools.push(RawTool { name, description, parameters });
        Ok(())
    }

    fn tool_choice(&mut self, request: Resource<Request>, choice: ToolChoice) -> Result<()> {
        let request = self.request(&request)?;
        request.tool_choice = match choice {
            ToolChoice::Auto => inferno_inference::ToolChoice::Auto,
            ToolChoice::None => inferno_inference::ToolChoice::None,
            ToolChoice::Required => inferno_inference::ToolChoice::Required,
            ToolChoice::Named(name) => inferno_inference::ToolChoice::Named(name),
        };
        Ok(())
    }

    fn adapter(&mut self, request: Resource<Request>, name: String, scale: f32) -> Result<()> {
        let bytes = name.len() + size_of::<(String, f32)>();
        let request = self.fill(&request, bytes)?;
        request.adapters.push((name, scale));
        Ok(())
    }

    fn image(&mut self, request: Resource<Request>, at: u32, data: Vec<u8>) -> Result<()> {
        let request = self.fill(&request, data.len() + size_of::<Image>())?;
        match request.messages.last_mut() {
            Some(message) => {
                message.images.push(at as usize);
                request.images.push(Image(data));
            }
            None => request.stray = true,
        }
        Ok(())
    }

    fn drop(&mut self, request: Resource<Request>) -> Result<()> {
        self.take(request)?;
        Ok(())
    }
}
