//! What is asked of a model.

use super::message::Message;
use crate::bindings::inferno::host::inference as wit;

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// 1 to 64 letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON schema of its arguments as text; empty: it takes none.
    pub parameters: String,
}

/// Whether the model calls tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It does not.
    None,
    /// It must call some.
    Required,
    /// It must call this one.
    Named(String),
}

/// What an answer must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A sentence of this grammar (GBNF).
    Grammar(String),
    /// A JSON value that fits this JSON schema; `None`: any object.
    Json(Option<String>),
}

/// What a generation starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Text to continue, as it is.
    Prompt(String),
    /// A chat; the model's own template makes the prompt.
    Chat(Vec<Message>),
}

/// A generation to be. What is `None` has the host's default.
///
/// Made by [`Request::prompt`] or [`Request::chat`], then changed field by field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// A name as [`models::all`](crate::models::all) gives it.
    pub model: String,
    /// What to start from.
    pub input: Input,
    /// The most tokens to write, at least 1. Default: what the context has room for.
    pub max_tokens: Option<u32>,
    /// 0 is greedy; at most 2.
    pub temperature: Option<f32>,
    /// Sample among this many likeliest tokens; 0 turns it off.
    pub top_k: Option<u32>,
    /// Sample among the likeliest tokens whose probabilities add up to this; in (0, 1].
    pub top_p: Option<f32>,
    /// Leave out tokens less likely than this share of the likeliest one's probability; in [0, 1].
    pub min_p: Option<f32>,
    /// Divides the logits of recent tokens; 1 turns it off.
    pub repeat_penalty: Option<f32>,
    /// Lowers the logits of tokens that have occurred; in [-2, 2].
    pub presence_penalty: Option<f32>,
    /// Lowers the logits of tokens by how often they have occurred; in [-2, 2].
    pub frequency_penalty: Option<f32>,
    /// The same seed, model and request give the same answer where the backend can.
    pub seed: Option<u64>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// What is added to the logits of tokens, from -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// Tell how likely each token of the answer was, and this many of the likeliest in its place; at most 20.
    pub logprobs: Option<u32>,
    /// What the answer must look like.
    pub format: Option<Format>,
    /// Tools that the model may call; only in chats.
    pub tools: Vec<Tool>,
    /// Whether it calls them.
    pub tool_choice: ToolChoice,
    /// Low-rank adapters (LoRA) to apply, and how strongly; 1 is as they were trained.
    pub adapters: Vec<(String, f32)>,
}

impl Request {
    /// Continues a text.
    pub fn prompt(model: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(model.into(), Input::Prompt(text.into()))
    }

    /// Answers a chat.
    pub fn chat(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self::new(model.into(), Input::Chat(messages))
    }

    fn new(model: String, input: Input) -> Self {
        Self {
            model,
            input,
            max_tokens: None,
            temperature: None,
            top_k: None,
            top_p: None,
            min_p: None,
            repeat_penalty: None,
            presence_penalty: None,
            frequency_penalty: None,
            seed: None,
            stop: Vec::new(),
            logit_bias: Vec::new(),
            logprobs: None,
            format: None,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            adapters: Vec::new(),
        }
    }

    pub(super) fn to_host(&self) -> wit::Request {
        let request = wit::Request::new(&self.model);
        match &self.input {
            Input::Prompt(text) => request.prompt(text),
            Input::Chat(messages) => messages.iter().for_each(|message| message.add_to(&request)),
        }
        if let Some(count) = self.max_tokens {
            request.max_tokens(count);
        }
        if let Some(count) = self.top_k {
            request.top_k(count);
        }
        if let Some(seed) = self.seed {
            request.seed(seed);
        }
        let float = |value: Option<f32>, set: fn(&wit::Request, f32)| {
            if let Some(value) = value {
                set(&request, value);
            }
        };
        float(self.temperature, wit::Request::temperature);
        float(self.top_p, wit::Request::top_p);
        float(self.min_p, wit::Request::min_p);
        float(self.repeat_penalty, wit::Request::repeat_penalty);
        float(self.presence_penalty, wit::Request::presence_penalty);
        float(self.frequency_penalty, wit::Request::frequency_penalty);
        for text in &self.stop {
            request.stop(text);
        }
        self.add_features(&request);
        request
    }

    fn add_features(&self, request: &wit::Request) {
        for &(token, bias) in &self.logit_bias {
            request.logit_bias(token, bias);
        }
        if let Some(top) = self.logprobs {
            request.logprobs(top);
        }
        match &self.format {
            None => {}
            Some(Format::Grammar(gbnf)) => request.grammar(gbnf),
            Some(Format::Json(schema)) => request.json(schema.as_deref()),
        }
        for tool in &self.tools {
            request.tool(&tool.name, &tool.description, &tool.parameters);
        }
        match &self.tool_choice {
            ToolChoice::Auto => {}
            ToolChoice::None => request.tool_choice(&wit::ToolChoice::None),
            ToolChoice::Required => request.tool_choice(&wit::ToolChoice::Required),
            ToolChoice::Named(name) => request.tool_choice(&wit::ToolChoice::Named(name.clone())),
        }
        for (name, scale) in &self.adapters {
            request.adapter(name, *scale);
        }
    }
}
