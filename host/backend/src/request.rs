//! What a model can be asked for, as JSON where it crosses the boundary. Fields that were added later are left out
//! where they say nothing, so that backends that do not know them yet go on working.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::types::is_default;

/// Who speaks in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Of the assistant: the tools that it called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool: the call that this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Where in the content images stand, by bytes, in order. Which images is said by [`Generate::images`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<usize>,
}

impl Message {
    /// Text, and nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, images: Vec::new() }
    }
}

/// A call of a tool, as the model made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// What the result will be matched with.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON schema of its arguments; `null`: it takes none.
    #[serde(default)]
    pub parameters: Value,
}

/// Whether the model calls tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It does not.
    None,
    /// It must.
    Required,
    /// It must call this one.
    Named(String),
}

/// What the text of an answer must look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Constraint {
    /// A sentence of this grammar, in llama.cpp's notation (GBNF).
    Grammar(String),
    /// A JSON value that fits this JSON schema; `null`: any object.
    Json(Value),
}

/// A picture, as the whole content of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(pub Vec<u8>);

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.0.len())
    }
}

/// What a generation starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Text to continue.
    Prompt(String),
    /// A chat, made into a prompt by the model's own template.
    Chat(Vec<Message>),
}

/// How the next token is chosen. The order is: penalties, top-k, top-p, min-p, temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f32,
    /// 0 turns it off.
    pub top_k: u32,
    /// 1 turns it off.
    pub top_p: f32,
    /// 0 turns it off.
    pub min_p: f32,
    /// 1 turns it off.
    pub repeat_penalty: f32,
    /// 0 turns it off.
    pub presence_penalty: f32,
    /// 0 turns it off.
    pub frequency_penalty: f32,
    /// Absent: a random one.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
        }
    }
}

impl Sampling {
    /// Refuses values that no sampler could honour, naming the field and the range.
    pub fn check(&self) -> Result<(), Error> {
        let within = |name: &str, value: f32, low: f32, high: f32| {
            if value.is_finite() && (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("{name} is {value}, but must be between {low} and {high}")))
        };
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, f32::MIN_POSITIVE, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("repeat_penalty", self.repeat_penalty, 0.01, 100.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
    }
}

/// A text to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// What to start from.
    pub input: Input,
    /// Absent: what the context has room for.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// How the next token is chosen.
    #[serde(default)]
    pub sampling: Sampling,
    /// Texts that end the answer and are not part of it.
    #[serde(default)]
    pub stop: Vec<String>,
    /// What is added to the logits of tokens, from -100 to 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logit_bias: Vec<(u32, f32)>,
    /// Tell how likely each token of the answer was, and this many of the likeliest in its place; at most 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
    /// What the answer must look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
    /// Tools that the model may call; only in chats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether it calls them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tool_choice: ToolChoice,
    /// Adapters to apply, and how strongly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<(String, f32)>,
    /// The images of all messages, in the order in which they stand there. They cross the boundary as bytes beside the
    /// JSON.
    #[serde(skip)]
    pub images: Vec<Image>,
}

impl Generate {
    /// With defaults for all but what to start from.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self {
            input,
            max_tokens: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            logit_bias: Vec::new(),
            logprobs: None,
            constraint: None,
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            adapters: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Refuses images that stand nowhere, and places where none stands.
    pub fn check_images(&self) -> Result<(), Error> {
        let messages = match &self.input {
            Input::Prompt(_) => &[][..],
            Input::Chat(messages) => messages,
        };
        for (number, Message { content, images, .. }) in (1..).zip(messages) {
            if !images.is_sorted() || images.iter().any(|&at| !content.is_char_boundary(at)) {
                return Err(Error::invalid(format!(
                    "an image stands nowhere in the text of message {number}"
                )));
            }
        }
        let places = messages.iter().map(|message| message.images.len()).sum::<usize>();
        if places == self.images.len() {
            return Ok(());
        }
        let came = self.images.len();
        Err(Error::invalid(format!(
            "the messages have places for {places} images, but {came} came with them"
        ))
        .hint("images stand in the messages of a chat, not in a plain prompt"))
    }
}

/// Texts to turn into vectors of unit length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    /// The texts.
    pub inputs: Vec<String>,
}

/// Documents to score by how well they answer a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rank {
    /// What is looked for.
    pub query: String,
    /// Where.
    pub documents: Vec<String>,
}

/// Texts to say of what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classify {
    /// The texts.
    pub inputs: Vec<String>,
}

/// Inputs of a model as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensors {
    /// By name: `{"dtype": "f32", "shape": [1, 2], "data": [0.5, 1.5]}`, the numbers in row-major order. Dtypes are `f16`,
    /// `bf16`, `f32`, `f64`, `i8` to `i64`, `u8` to `u64`, `bool` and `string`.
    pub inputs: serde_json::Map<String, Value>,
}

/// A text to cut into tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenize {
    /// The text.
    pub text: String,
    /// Control tokens in it are meant, and the token that begins every text is added where the model wants it.
    #[serde(default)]
    pub special: bool,
}

/// Tokens to make into text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detokenize {
    /// Their numbers in the model's vocabulary.
    pub tokens: Vec<u32>,
}

/// Something to do for one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Write text.
    Generate(Generate),
    /// Make vectors.
    Embed(Embed),
    /// Say how well documents answer a query.
    Rank(Rank),
    /// Say what texts are: for each a line of JSON, `[{"label": text, "score": from 0 to 1}, ...]`, the likeliest first.
    Classify(Classify),
    /// Compute with tensors: the outputs come as text, as the inputs are written.
    Tensors(Tensors),
    /// Say the tokens of a text.
    Tokenize(Tokenize),
    /// Say the text of tokens.
    Detokenize(Detokenize),
    /// Say in `Started` how many tokens the prompt of a text to write has, and write nothing.
    Count(Generate),
}
