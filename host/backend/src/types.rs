//! What crosses the boundary, as JSON where it is not text or numbers.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Threads to read prompts with, where that is another number than for answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads_batch: Option<u32>,
    /// Low-rank adapters (LoRA) that requests may name, and their files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adapters: BTreeMap<String, PathBuf>,
    /// What turns images into what the model reads, where it has such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector: Option<PathBuf>,
    /// Further files of the model that are found by no rule, such as its tokenizer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// Where what was computed of prompts may be kept for the next process; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// Further `key = value` pairs that only this backend knows; it refuses those that it does not.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
}

impl LoadOptions {
    /// This file, one request at a time, all else as the backend likes.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            context: None,
            sequences: 1,
            threads: None,
            threads_batch: None,
            adapters: BTreeMap::new(),
            projector: None,
            files: Vec::new(),
            state_dir: None,
            extra: BTreeMap::new(),
        }
    }
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
    /// What else it can do, as [`Ability`] names it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub abilities: BTreeSet<Ability>,
    /// Bytes that the model and its caches take; 0 where that is not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: u64,
}

impl ModelInfo {
    /// Of a model that can do nothing yet.
    #[must_use]
    pub fn new(context: u32, sequences: u32, device: impl Into<String>) -> Self {
        Self {
            context,
            sequences,
            embeds: false,
            generates: false,
            chats: false,
            device: device.into(),
            abilities: BTreeSet::new(),
            memory: 0,
        }
    }
}

/// What a model may be able to do beyond writing text and making vectors. Requests that need something else than what
/// a model can do are refused, never half obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Apply a low-rank adapter: [`crate::Generate::adapters`].
    Adapters,
    /// Say what texts are: [`crate::Work::Classify`].
    Classify,
    /// Count a prompt: [`crate::Work::Count`].
    Count,
    /// Keep to a grammar: [`crate::Constraint::Grammar`].
    Grammar,
    /// Keep to a JSON schema: [`crate::Constraint::Json`].
    JsonSchema,
    /// Move logits: [`crate::Generate::logit_bias`].
    LogitBias,
    /// Tell how likely tokens are: [`crate::Generate::logprobs`].
    Logprobs,
    /// Score documents: [`crate::Work::Rank`].
    Rank,
    /// Compute with tensors as they are: [`crate::Work::Tensors`].
    Tensors,
    /// Cut text into tokens and back: [`crate::Work::Tokenize`] and [`crate::Work::Detokenize`].
    Tokenize,
    /// Call tools: [`crate::Generate::tools`].
    Tools,
    /// Look at images: [`crate::Generate::images`].
    Vision,
    /// One that a newer backend has and this version has no word for.
    #[serde(other)]
    Other,
}

/// Fields that say nothing are left out, so that those who do not know them yet are not bothered.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended its answer.
    Stop,
    /// The text of this number, from 0, among [`crate::Generate::stop`] came up.
    #[serde(rename = "stopped_by")]
    StoppedBy(u32),
    /// `max_tokens` or the context was reached.
    Length,
    /// The model called tools.
    #[serde(rename = "tool_calls")]
    ToolCalls,
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
    /// Tokens of the prompt that did not need to be computed again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cached_tokens: u32,
}

impl Usage {
    /// Without tokens that were known already.
    #[must_use]
    pub const fn new(prompt_tokens: u32, output_tokens: u32) -> Self {
        Self { prompt_tokens, output_tokens, cached_tokens: 0 }
    }
}

/// A token as a model knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// Its bytes, which may be a part of a character.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability, before anything, the temperature too, has changed it.
    pub logprob: f32,
}

/// A token that was chosen, and what else was likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The chosen one.
    pub token: Token,
    /// The likeliest, in order; as many as were asked for.
    pub top: Vec<Token>,
}

/// More of a call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which call of this answer, from 0.
    pub index: u32,
    /// With the first piece of a call: what names the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// With the first piece of a call: the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the arguments, which all together are a JSON object.
    #[serde(default)]
    pub arguments: String,
}

/// What becomes of a request: `Started`, any number of others, then `Done` or `Failed`, after which nothing follows. A
/// request that fails early has no `Started`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The request was accepted and its prompt counted.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
    },
    /// More of the answer; never cut inside a character.
    Text(String),
    /// The vector of the next input, in order. For [`crate::Rank`]: one number, the score of the next document.
    Embedding(Vec<f32>),
    /// The tokens of a text.
    Tokens(Vec<u32>),
    /// Tokens of the answer, where it was asked how likely they were. They come with or before their text.
    Choices(Vec<Choice>),
    /// More of a call of a tool.
    ToolCall(ToolCallDelta),
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
