//! Answers as plugins see them.

use inferno_inference::{Choice, Event, Finish, ToolCall, ToolCallDelta, Usage};
use serde::{Deserialize, Serialize};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::super::bindings::inferno::host::inference::{self, FinishReason, Piece};
use crate::state::State;

/// An answer that has ended.
#[derive(Serialize, Deserialize)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Completion {
    #[serde(flatten, with = "CompletionShape")]
    whole: inferno_inference::Completion,
    /// The stop text that came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped_by: Option<String>,
}

impl Completion {
    /// What came of a request with these stop texts.
    pub(super) fn new(whole: inferno_inference::Completion, stops: &[String]) -> Self {
        let Finish::StoppedBy(number) = whole.finish else { return Self { whole, stopped_by: None } };
        let stopped_by = usize::try_from(number).ok().and_then(|number| stops.get(number)).cloned();
        Self { whole: inferno_inference::Completion { finish: Finish::Stop, ..whole }, stopped_by }
    }
}

/// Vectors.
#[derive(Serialize, Deserialize)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Embeddings(#[serde(with = "EmbeddingsShape")] pub(super) inferno_inference::Embeddings);

/// Scores.
#[derive(Serialize, Deserialize)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Ranking(#[serde(with = "RankingShape")] pub(super) inferno_inference::Ranking);

/// How these three stand on tapes.
#[derive(Serialize, Deserialize)]
#[serde(remote = "inferno_inference::Completion")]
struct CompletionShape {
    text: String,
    tool_calls: Vec<ToolCall>,
    choices: Vec<Choice>,
    finish: Finish,
    usage: Usage,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "inferno_inference::Embeddings")]
struct EmbeddingsShape {
    vectors: Vec<Vec<f32>>,
    usage: Usage,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "inferno_inference::Ranking")]
struct RankingShape {
    scores: Vec<f32>,
    usage: Usage,
}

impl inference::HostCompletion for State {
    fn text(&mut self, completion: Resource<Completion>) -> Result<String> {
        Ok(self.table.get(&completion)?.whole.text.clone())
    }

    fn finish(&mut self, completion: Resource<Completion>) -> Result<FinishReason> {
        Ok(match self.table.get(&completion)?.whole.finish {
            Finish::Stop | Finish::StoppedBy(_) => FinishReason::Stop,
            Finish::Length => FinishReason::Length,
            Finish::ToolCalls => FinishReason::Other("tool-calls".to_owned()),
            Finish::Cancelled => FinishReason::Cancelled,
        })
    }

    fn stopped_by(&mut self, completion: Resource<Completion>) -> Result<Option<String>> {
        Ok(self.table.get(&completion)?.stopped_by.clone())
    }

    fn usage(&mut self, completion: Resource<Completion>) -> Result<inference::Usage> {
        Ok(self.table.get(&completion)?.whole.usage.into())
    }

    fn cached_tokens(&mut self, completion: Resource<Completion>) -> Result<u32> {
        Ok(self.table.get(&completion)?.whole.usage.cached_tokens)
    }

    fn tool_calls(&mut self, completion: Resource<Completion>) -> Result<Vec<inference::ToolCall>> {
        let calls = self.table.get(&completion)?.whole.tool_calls.iter().cloned();
        Ok(calls
            .map(|inferno_inference::ToolCall { id, name, arguments }| inference::ToolCall {
                id,
                name,
                arguments,
            })
            .collect())
    }

    fn choices(&mut self, completion: Resource<Completion>) -> Result<Vec<inference::Choice>> {
        Ok(self.table.get(&completion)?.whole.choices.iter().cloned().map(Into::into).collect())
    }

    fn drop(&mut self, completion: Resource<Completion>) -> Result<()> {
        self.table.delete(completion)?;
        Ok(())
    }
}

impl inference::HostEmbeddings for State {
    fn vectors(&mut self, embeddings: Resource<Embeddings>) -> Result<Vec<Vec<f32>>> {
        Ok(self.table.get(&embeddings)?.0.vectors.clone())
    }

    fn usage(&mut self, embeddings: Resource<Embeddings>) -> Result<inference::Usage> {
        Ok(self.table.get(&embeddings)?.0.usage.into())
    }

    fn drop(&mut self, embeddings: Resource<Embeddings>) -> Result<()> {
        self.table.delete(embeddings)?;
        Ok(())
    }
}

impl inference::HostRanking for State {
    fn scores(&mut self, ranking: Resource<Ranking>) -> Result<Vec<f32>> {
        Ok(self.table.get(&ranking)?.0.scores.clone())
    }

    fn usage(&mut self, ranking: Resource<Ranking>) -> Result<inference::Usage> {
        Ok(self.table.get(&ranking)?.0.usage.into())
    }

    fn drop(&mut self, ranking: Resource<Ranking>) -> Result<()> {
        self.table.delete(ranking)?;
        Ok(())
    }
}

/// A piece of an answer for the plugin, if the event is one.
pub(super) fn piece(event: Event) -> Option<Piece> {
    match event {
        Event::Text(text) => Some(Piece::Text(text)),
        Event::Choices(choices) => Some(Piece::Choices(choices.into_iter().map(Into::into).collect())),
        Event::ToolCall(ToolCallDelta { index, id, name, arguments }) => {
            Some(Piece::ToolCall(inference::ToolCallDelta { index, id, name, arguments }))
        }
        Event::Started { .. }
        | Event::Embedding(_)
        | Event::Tokens(_)
        | Event::Done { .. }
        | Event::Failed(_) => None,
    }
}

impl From<inferno_inference::Choice> for inference::Choice {
    fn from(choice: inferno_inference::Choice) -> Self {
        Self { chosen: choice.token.into(), top: choice.top.into_iter().map(Into::into).collect() }
    }
}

impl From<inferno_inference::Token> for inference::Token {
    fn from(token: inferno_inference::Token) -> Self {
        Self { id: token.id, text: token.bytes, logprob: token.logprob }
    }
}

impl From<inferno_inference::Usage> for inference::Usage {
    fn from(usage: inferno_inference::Usage) -> Self {
        Self { prompt_tokens: usage.prompt_tokens, output_tokens: usage.output_tokens }
    }
}
