//! What crosses the boundary, as JSON where it is not text or numbers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How to load a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadOptions {
    /// The model's file.
    pub path: PathBuf,
    /// Tokens of context for each sequence; absent: what the model was trained with, capped by the backend.
    #[serde(default)]
    pub context: Option<u32>,
    /// How many requests are worked on at once, at least 1.
    pub sequences: u32,
    /// Threads to compute with; absent: the backend chooses.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Further `key = value` pairs that only this backend knows; it refuses those that it does not.
    #[serde(default)]
    pub extra: std::collections::BTreeMap<String, String>,
}

/// What a loaded model can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Tokens of context that one request may fill, prompt and answer together.
    pub context: u32,
    /// How many requests are worked on at once.
    pub sequences: u32,
    /// It turns texts into vectors.
    pub embeds: bool,
    /// It writes text.
    pub generates: bool,
    /// It has a chat template.
    pub chats: bool,
    /// The device that computes, such as `CPU`.
    pub device: String,
}

/// A device that a backend can compute on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Short name, such as `CPU` or `CUDA0`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Total memory in bytes; 0 where it is not known.
    pub memory: u64,
}

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
}

/// Texts to turn into vectors of unit length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    /// The texts.
    pub inputs: Vec<String>,
}

/// Something to do for one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Write text.
    Generate(Generate),
    /// Make vectors.
    Embed(Embed),
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended its answer, or a stop text came up.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// It was cancelled.
    Cancelled,
}

/// Tokens counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, the chat template's included.
    pub prompt_tokens: u32,
    /// Tokens that the model wrote.
    pub output_tokens: u32,
}

/// What becomes of a request: `Started`, any number of `Text` or `Embedding`, then `Done` or `Failed`, after which
/// nothing follows. A request that fails early has no `Started`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The request was accepted and its prompt counted.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
    },
    /// More of the answer; never cut inside a character.
    Text(String),
    /// The vector of the next input, in order.
    Embedding(Vec<f32>),
    /// The end.
    Done {
        /// Why it ended.
        finish: Finish,
        /// What it took.
        usage: Usage,
    },
    /// The end, in failure.
    Failed(Error),
}
