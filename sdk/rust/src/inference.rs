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

use std::collections::VecDeque;
use std::fmt;

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
    /// Of the assistant: the tools that it called.
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool: the call that this is the result of.
    pub tool_call_id: Option<String>,
    /// What is shown, in order.
    pub images: Vec<Image>,
}

/// An image in a message. The model must have vision.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// In front of which byte of the message's content it stands; its length: behind all of it.
    pub at: usize,
    /// The content of a PNG, JPEG, GIF, WebP or BMP file.
    pub data: Vec<u8>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("at", &self.at).field("bytes", &self.data.len()).finish()
    }
}

/// A call of a tool, as the model made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// What the result will be matched with.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

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

impl Message {
    /// A message of any role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, images: Vec::new() }
    }

    /// Shows an image behind what the message says so far. `data` is the content of a file.
    pub fn show(&mut self, data: impl Into<Vec<u8>>) {
        self.images.push(Image { at: self.content.len(), data: data.into() });
    }

    /// The result of a call.
    pub fn tool(call: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call.into()), ..Self::new(Role::Tool, content) }
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

impl Message {
    fn add_to(&self, request: &wit::Request) {
        if let Some(call) = &self.tool_call_id {
            request.tool_result(call, &self.content);
        } else if self.tool_calls.is_empty() {
            request.message(self.role.into(), &self.content);
        } else {
            let call = |ToolCall { id, name, arguments }: &ToolCall| wit::ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: arguments.clone(),
            };
            let calls: Vec<_> = self.tool_calls.iter().map(call).collect();
            request.calls(&self.content, &calls);
        }
        for Image { at, data } in &self.images {
            request.image(u32::try_from(*at).unwrap_or(u32::MAX), data);
        }
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

    fn to_host(&self) -> wit::Request {
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

/// Why a generation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its answer, or a stop text came up.
    Stop,
    /// `max_tokens` or the model's context was reached.
    Length,
    /// The model called tools.
    ToolCalls,
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
    /// Tokens of the prompt that did not need to be computed again.
    pub cached_tokens: u32,
}

/// A token as the model knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// Its bytes, which may be a part of a character.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability, before sampling settings have changed it.
    pub logprob: f32,
}

/// A token that was chosen, and what else was likely.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The chosen one.
    pub token: Token,
    /// The likeliest, in order; as many as were asked for.
    pub top: Vec<Token>,
}

/// More of a call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCallDelta {
    /// Which call of this answer, from 0.
    pub index: u32,
    /// With the first piece of a call.
    pub id: Option<String>,
    /// With the first piece of a call: the tool.
    pub name: Option<String>,
    /// More of the arguments, which all together are a JSON object.
    pub arguments: String,
}

/// More of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Never cut inside a character.
    Text(String),
    /// Where tools were given.
    ToolCall(ToolCallDelta),
    /// Where log-probabilities were asked for; with or before their text.
    Choices(Vec<Choice>),
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What the model wrote.
    pub text: String,
    /// The tools that it called.
    pub tool_calls: Vec<ToolCall>,
    /// Every token, where log-probabilities were asked for.
    pub choices: Vec<Choice>,
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
    let calls = completion.tool_calls().into_iter();
    Ok(Completion {
        text: completion.text(),
        tool_calls: calls
            .map(|wit::ToolCall { id, name, arguments }| ToolCall { id, name, arguments })
            .collect(),
        choices: completion.choices().into_iter().map(Into::into).collect(),
        finish: completion.finish().into(),
        usage: usage(&completion),
    })
}

/// How many tokens the prompt of a request has. Nothing is generated.
pub fn count(request: &Request) -> Result<u32, Error> {
    Ok(wit::count(request.to_host())?)
}

fn usage(completion: &wit::Completion) -> Usage {
    Usage { cached_tokens: completion.cached_tokens(), ..completion.usage().into() }
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
    Ok(Generation { pieces, end, waiting: VecDeque::new(), buffer: Vec::with_capacity(PIECES_AT_ONCE) })
}

/// How many waiting pieces one read takes at most.
const PIECES_AT_ONCE: usize = 16;

/// An answer that is being written. Dropping it cancels the work at the next token.
pub struct Generation {
    pieces: StreamReader<wit::Piece>,
    end: FutureReader<Result<wit::Completion, crate::bindings::inferno::host::types::Error>>,
    /// Read and not yet handed out, in order.
    waiting: VecDeque<wit::Piece>,
    /// What the next read fills.
    buffer: Vec<wit::Piece>,
}

impl Generation {
    /// More of the text of the answer: all that is waiting, joined. `None` when there is no more; then ask
    /// [`end`](Self::end). Other pieces than text are passed over: who asked for them takes
    /// [`next_piece`](Self::next_piece).
    ///
    /// A piece never ends inside a character.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Piece::Text(text) = self.next_piece().await? {
                return Some(text);
            }
        }
    }

    /// More of the answer; texts that wait and follow one another are joined. `None` when there is no more; then ask
    /// [`end`](Self::end).
    pub async fn next_piece(&mut self) -> Option<Piece> {
        loop {
            match self.waiting.pop_front() {
                Some(wit::Piece::Text(mut text)) => {
                    while let Some(wit::Piece::Text(more)) =
                        self.waiting.pop_front_if(|next| matches!(next, wit::Piece::Text(_)))
                    {
                        text.push_str(&more);
                    }
                    return Some(Piece::Text(text));
                }
                Some(wit::Piece::ToolCall(wit::ToolCallDelta { index, id, name, arguments })) => {
                    return Some(Piece::ToolCall(ToolCallDelta { index, id, name, arguments }));
                }
                Some(wit::Piece::Choices(choices)) => {
                    return Some(Piece::Choices(choices.into_iter().map(Into::into).collect()));
                }
                Some(wit::Piece::Other(_)) => {}
                None => {
                    let (result, mut pieces) = self.pieces.read(std::mem::take(&mut self.buffer)).await;
                    self.waiting.extend(pieces.drain(..));
                    self.buffer = pieces;
                    if self.waiting.is_empty() && result != StreamResult::Complete(0) {
                        return None;
                    }
                }
            }
        }
    }

    /// How it ended. What was not taken is dropped.
    pub async fn end(self) -> Result<End, Error> {
        drop(self.pieces);
        let completion = self.end.await?;
        Ok(End { finish: completion.finish().into(), usage: usage(&completion) })
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

/// How well documents answer a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// One per document, in order; greater is better. Only scores of one model can be compared.
    pub scores: Vec<f32>,
    /// What it took.
    pub usage: Usage,
}

/// Scores documents. The model must be able to rank.
pub fn rank(model: &str, query: &str, documents: &[String]) -> Result<Ranking, Error> {
    let ranking = wit::rank(model, query, documents)?;
    Ok(Ranking { scores: ranking.scores(), usage: ranking.usage().into() })
}

/// The tokens of a text. With `special`, control tokens in it are meant, and the token that begins every text is added
/// where the model wants it.
pub fn tokenize(model: &str, text: &str, special: bool) -> Result<Vec<u32>, Error> {
    Ok(wit::tokenize(model, text, special)?)
}

/// The text of tokens.
pub fn detokenize(model: &str, tokens: &[u32]) -> Result<String, Error> {
    Ok(wit::detokenize(model, tokens)?)
}

impl From<wit::Choice> for Choice {
    fn from(choice: wit::Choice) -> Self {
        Self { token: choice.chosen.into(), top: choice.top.into_iter().map(Into::into).collect() }
    }
}

impl From<wit::Token> for Token {
    fn from(wit::Token { id, text, logprob }: wit::Token) -> Self {
        Self { id, bytes: text, logprob }
    }
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
            wit::FinishReason::Other(word) if word == "tool-calls" => Self::ToolCalls,
            wit::FinishReason::Other(word) => Self::Other(word),
        }
    }
}

impl From<wit::Usage> for Usage {
    fn from(usage: wit::Usage) -> Self {
        Self { prompt_tokens: usage.prompt_tokens, output_tokens: usage.output_tokens, cached_tokens: 0 }
    }
}
