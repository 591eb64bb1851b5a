//! Text and vectors from models.
//!
//! [`complete`] is the simple way and works in every role. [`generate`] gives the text as it is written; it is
//! `async` and belongs in an http handler. Both need the `inference` grant for the model's name.
//!
//! ```no_run
//! use inferno_sdk::inference::{self, Message, Request};
//!
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! let mut request = Request::chat("storyteller", vec![Message::user("Tell me about a fox.")]);
//! request.max_tokens = Some(80);
//! request.temperature = Some(0.7);
//! let answer = inference::complete(&request)?;
//! assert!(answer.usage.output_tokens <= 80);
//! # Ok(())
//! # }
//! ```

use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::Error;
use crate::bindings::inferno::host::inference as wit;

/// Who speaks in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of any role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// What the person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }
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
        }
    }

    fn to_host(&self) -> wit::Request {
        let request = wit::Request::new(&self.model);
        match &self.input {
            Input::Prompt(text) => request.prompt(text),
            Input::Chat(messages) => messages.iter().for_each(|m| request.message(m.role.into(), &m.content)),
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
        request
    }
}

/// Why a generation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its answer, or a stop text came up.
    Stop,
    /// `max_tokens` or the model's context was reached.
    Length,
    /// The work was cancelled.
    Cancelled,
    /// A reason that this version of the interface has no word for.
    Other(String),
}

/// Tokens counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, the chat template's included.
    pub prompt_tokens: u32,
    /// Tokens that the model wrote.
    pub output_tokens: u32,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the model wrote.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// How a streamed answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why it ended.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// Generates and returns when the answer is whole.
pub fn complete(request: &Request) -> Result<Completion, Error> {
    let completion = wit::complete(request.to_host())?;
    Ok(Completion {
        text: completion.text(),
        finish: completion.finish().into(),
        usage: completion.usage().into(),
    })
}

/// Starts a generation. An error here is one of the request; one in mid-answer comes from [`Generation::end`].
///
/// ```no_run
/// # async fn f() -> Result<(), inferno_sdk::Error> {
/// use inferno_sdk::inference::{self, Request};
/// let mut generation = inference::generate(&Request::prompt("storyteller", "Once")).await?;
/// while let Some(piece) = generation.next().await {
///     inferno_sdk::log::info(&piece);
/// }
/// let end = generation.end().await?;
/// # Ok(())
/// # }
/// ```
pub async fn generate(request: &Request) -> Result<Generation, Error> {
    let (pieces, end) = wit::generate(request.to_host()).await?;
    Ok(Generation { pieces, end, waiting: Vec::with_capacity(PIECES_AT_ONCE) })
}

/// How many waiting pieces one read takes at most.
const PIECES_AT_ONCE: usize = 16;

/// An answer that is being written. Dropping it cancels the work at the next token.
pub struct Generation {
    pieces: StreamReader<String>,
    end: FutureReader<Result<wit::Completion, crate::bindings::inferno::host::types::Error>>,
    waiting: Vec<String>,
}

impl Generation {
    /// More of the answer: all that is waiting, joined. `None` when there is no more; then ask [`end`](Self::end).
    ///
    /// A piece never ends inside a character.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let (result, pieces) = self.pieces.read(std::mem::take(&mut self.waiting)).await;
            self.waiting = pieces;
            let mut pieces = self.waiting.drain(..);
            if let Some(mut text) = pieces.next() {
                pieces.for_each(|piece| text.push_str(&piece));
                return Some(text);
            }
            drop(pieces);
            if result != StreamResult::Complete(0) {
                return None;
            }
        }
    }

    /// How it ended. Text that was not taken is dropped.
    pub async fn end(self) -> Result<End, Error> {
        drop(self.pieces);
        let completion = self.end.await?;
        Ok(End { finish: completion.finish().into(), usage: completion.usage().into() })
    }
}

/// Vectors for texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One vector of unit length for each input, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What it took.
    pub usage: Usage,
}

/// Turns texts into vectors. The model must be able to embed.
pub fn embed(model: &str, inputs: &[String]) -> Result<Embeddings, Error> {
    let embeddings = wit::embed(model, inputs)?;
    Ok(Embeddings { vectors: embeddings.vectors(), usage: embeddings.usage().into() })
}

impl From<Role> for wit::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::System => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
            Role::Tool => Self::Tool,
        }
    }
}

impl From<wit::FinishReason> for Finish {
    fn from(reason: wit::FinishReason) -> Self {
        match reason {
            wit::FinishReason::Stop => Self::Stop,
            wit::FinishReason::Length => Self::Length,
            wit::FinishReason::Cancelled => Self::Cancelled,
            wit::FinishReason::Other(word) => Self::Other(word),
        }
    }
}

impl From<wit::Usage> for Usage {
    fn from(usage: wit::Usage) -> Self {
        Self { prompt_tokens: usage.prompt_tokens, output_tokens: usage.output_tokens }
    }
}
