//! One chat as a client of any server sees it, and many at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::served::{Client, Server};

/// What to ask.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) system: Option<String>,
    pub(crate) user: String,
    pub(crate) max_tokens: u32,
}

/// What came of it.
pub(crate) struct Answer {
    pub(crate) tokens: u64,
    pub(crate) cached: u64,
    pub(crate) first: Duration,
    /// The longest time between two pieces of text.
    pub(crate) gap: Duration,
}

/// What many chats took together.
pub(crate) struct Round {
    pub(crate) answers: Vec<Answer>,
    pub(crate) took: Duration,
}

impl Round {
    pub(crate) fn rate(&self) -> f64 {
        self.answers.iter().map(|answer| answer.tokens).sum::<u64>() as f64 / self.took.as_secs_f64()
    }
}

/// So many clients, each with its own chats, one after the other. Each chat has a connection of its own, since
/// llama-server closes them.
pub(crate) async fn many(server: &Server, clients: Vec<Vec<Ask>>) -> Result<Round> {
    let began = Instant::now();
    let talk = |chats| tokio::spawn(talk(server.address().to_owned(), chats));
    let tasks: Vec<_> = clients.into_iter().map(talk).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await??);
    }
    Ok(Round { answers, took: began.elapsed() })
}

async fn talk(address: String, chats: Vec<Ask>) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for ask in chats {
        let mut client = Client::connect(&address).await?;
        answers.push(one(&mut client, &ask).await.with_context(|| format!("a chat at {address}"))?);
    }
    Ok(answers)
}

/// One streamed chat.
async fn one(client: &mut Client, ask: &Ask) -> Result<Answer> {
    let mut messages = vec![json!({"role": "user", "content": ask.user})];
    if let Some(system) = &ask.system {
        messages.insert(0, json!({"role": "system", "content": system}));
    }
    let body = json!({"model": ask.model, "messages": messages, "max_tokens": ask.max_tokens, "temperature": 0,
        "stream": true, "stream_options": {"include_usage": true}});
    let began = Instant::now();
    let mut response = client.send("POST", "/v1/chat/completions", Some(&body)).await?.into_body();
    let (mut text, mut first, mut last, mut gap) = (Vec::new(), None, began, Duration::ZERO);
    while let Some(frame) = response.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        // The first piece of one server has the role alone, that of the other has text as well.
        let now = Instant::now();
        if find(&data, b"\"content\":\"").is_some_and(|after| data.get(after) != Some(&b'"')) {
            match first {
                None => first = Some(now - began),
                Some(_) => gap = gap.max(now - last),
            }
            last = now;
        }
        text.extend_from_slice(&data);
    }
    let text = String::from_utf8(text)?;
    let (mut tokens, mut cached) = (0, 0);
    for event in
        text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|event| *event != "[DONE]")
    {
        if !event.contains("\"usage\"") && !event.contains("\"error\"") {
            continue;
        }
        let event: Value = serde_json::from_str(event)?;
        if let Some(error) = event.get("error") {
            bail!("the stream ended with {error}");
        }
        let usage = &event["usage"];
        tokens = usage["completion_tokens"].as_u64().unwrap_or(tokens);
        cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(cached);
    }
    Ok(Answer { tokens, cached, first: first.context("an answer without text")?, gap })
}

/// Where the needle's last occurrence ends.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).rposition(|window| window == needle).map(|at| at + needle.len())
}
