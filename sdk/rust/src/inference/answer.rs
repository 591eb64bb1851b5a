//! What comes of a request.

use super::message::ToolCall;
use crate::bindings::inferno::host::inference as wit;

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
    /// The text of the request's [`stop`](super::Request::stop) that ended it, if one did.
    pub stopped_by: Option<String>,
    /// What it took.
    pub usage: Usage,
}

/// How a streamed answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why it ended.
    pub finish: Finish,
    /// The text of the request's [`stop`](super::Request::stop) that ended it, if one did.
    pub stopped_by: Option<String>,
    /// What it took.
    pub usage: Usage,
}

impl From<wit::Completion> for Completion {
    fn from(completion: wit::Completion) -> Self {
        let End { finish, stopped_by, usage } = End::of(&completion);
        let calls = completion.tool_calls().into_iter();
        Self {
            text: completion.text(),
            tool_calls: calls
                .map(|wit::ToolCall { id, name, arguments }| ToolCall { id, name, arguments })
                .collect(),
            choices: completion.choices().into_iter().map(Into::into).collect(),
            finish,
            stopped_by,
            usage,
        }
    }
}

impl End {
    pub(super) fn of(completion: &wit::Completion) -> Self {
        let usage = Usage { cached_tokens: completion.cached_tokens(), ..completion.usage().into() };
        Self { finish: completion.finish().into(), stopped_by: completion.stopped_by(), usage }
    }
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
