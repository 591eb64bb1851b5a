//! Answers, whole and as lines.

use std::time::{Duration, Instant, SystemTime};

use inferno_sdk::http::{Cut, LineWriter, Response};
use inferno_sdk::inference::{self, End, Finish, Generation, Usage};
use inferno_sdk::models;
use serde::Serialize;

use crate::ask::{Ask, Form};
use crate::error::ApiError;
use crate::parts::{Logprob, Parts, ToolCall};

/// An answer, or a part of one.
#[derive(Default, Serialize)]
struct Chunk<'a> {
    model: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<Logprob>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    figures: Option<Figures>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

/// Times in nanoseconds, and tokens.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Figures {
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u32,
    prompt_eval_duration: u64,
    eval_count: u32,
    eval_duration: u64,
}

/// When things happened.
struct Times {
    asked: Instant,
    /// The model was there.
    loaded: Instant,
    /// The first piece of the answer.
    begun: Option<Instant>,
}

impl Times {
    fn figures(&self, usage: Usage) -> Figures {
        let now = Instant::now();
        let begun = self.begun.unwrap_or(now);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Figures {
            total_duration: nanos(now - self.asked),
            load_duration: nanos(self.loaded - self.asked),
            prompt_eval_count: usage.prompt_tokens,
            prompt_eval_duration: nanos(begun.saturating_duration_since(self.loaded)),
            eval_count: usage.output_tokens,
            eval_duration: nanos(now.saturating_duration_since(begun)),
        }
    }
}

/// Which form the answers have, and whose they are.
struct Voice {
    form: Form,
    model: String,
}

impl Voice {
    fn chunk<'a>(&'a self, text: &'a str, calls: Vec<ToolCall>, logprobs: Vec<Logprob>) -> Chunk<'a> {
        let chat = self.form == Form::Chat;
        let created_at = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        Chunk {
            model: &self.model,
            created_at,
            message: chat.then_some(Message { role: "assistant", content: text, tool_calls: calls }),
            response: (!chat).then_some(text),
            logprobs,
            ..Chunk::default()
        }
    }

    fn done<'a>(&'a self, parts: &'a mut Parts, reason: &'a str, figures: Option<Figures>) -> Chunk<'a> {
        let (calls, logprobs) = (parts.calls(), std::mem::take(&mut parts.logprobs));
        let chunk = self.chunk(&parts.text, calls, logprobs);
        Chunk { done: true, done_reason: Some(reason), figures, ..chunk }
    }
}

/// `/api/chat` and `/api/generate`
pub(crate) async fn answer(ask: Ask) -> Result<Response, ApiError> {
    let Ask { form, model, request, stream, keep_alive } = ask;
    let asked = Instant::now();
    let keep = keep_alive.filter(|time| !time.is_zero());
    let unload = keep_alive.is_some_and(|time| time.is_zero());
    let voice = Voice { form, model };
    let Some(request) = request else { return load(&voice, keep, unload) };
    if keep.is_some() {
        models::load(&voice.model, keep)?;
    }
    let generation = inference::generate(&request).await?;
    let times = Times { asked, loaded: Instant::now(), begun: None };
    if stream {
        return Ok(Response::json_lines(async move |lines| {
            let written = write(lines, generation, &voice, times).await;
            if unload {
                models::unload(&voice.model)?;
            }
            written
        }));
    }
    let answered = whole(generation, &voice, times).await;
    if unload {
        models::unload(&voice.model)?;
    }
    answered
}

/// Nothing is asked of the model but that it be there, or that it go.
fn load(voice: &Voice, keep: Option<Duration>, unload: bool) -> Result<Response, ApiError> {
    if unload {
        models::unload(&voice.model)?;
    } else {
        models::load(&voice.model, keep)?;
    }
    let reason = if unload { "unload" } else { "load" };
    Ok(Response::json(200, &voice.done(&mut Parts::default(), reason, None)))
}

async fn whole(mut generation: Generation, voice: &Voice, mut times: Times) -> Result<Response, ApiError> {
    let mut parts = Parts::default();
    while let Some(piece) = generation.next_piece().await {
        times.begun.get_or_insert_with(Instant::now);
        parts.take(piece);
    }
    let End { finish, usage, .. } = generation.end().await?;
    let reason = reason(&finish)?;
    Ok(Response::json(200, &voice.done(&mut parts, reason, Some(times.figures(usage)))))
}

/// One write for each piece. Errors in mid-answer are a line, after which the stream ends.
async fn write(
    mut lines: LineWriter,
    mut generation: Generation,
    voice: &Voice,
    mut times: Times,
) -> Result<(), Cut> {
    let mut parts = Parts::default();
    while let Some(piece) = generation.next_piece().await {
        times.begun.get_or_insert_with(Instant::now);
        parts.take(piece);
        if !parts.text.is_empty() {
            let logprobs = std::mem::take(&mut parts.logprobs);
            lines.put(&voice.chunk(&parts.text, Vec::new(), logprobs))?;
            lines.flush().await?;
            parts.text.clear();
        }
    }
    let ended = generation.end().await.map_err(ApiError::from);
    match ended.and_then(|end| Ok((reason(&end.finish)?.to_owned(), end.usage))) {
        Ok((reason, usage)) => finish(&mut lines, voice, &mut parts, &reason, times.figures(usage))?,
        Err(error) => lines.put(&error.envelope())?,
    }
    lines.flush().await
}

/// The calls have a line of their own, before the one that ends the answer.
fn finish(
    lines: &mut LineWriter,
    voice: &Voice,
    parts: &mut Parts,
    reason: &str,
    figures: Figures,
) -> Result<(), Cut> {
    let calls = parts.calls();
    if !calls.is_empty() {
        lines.put(&voice.chunk("", calls, Vec::new()))?;
    }
    lines.put(&voice.done(parts, reason, Some(figures)))
}

/// `done_reason`, or that there is no whole answer. Ollama has no word for calls of tools.
fn reason(finish: &Finish) -> Result<&str, ApiError> {
    match finish {
        Finish::Stop | Finish::ToolCalls => Ok("stop"),
        Finish::Length => Ok("length"),
        Finish::Cancelled => Err(ApiError::cancelled()),
        Finish::Other(word) => Ok(word),
    }
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::{Piece, ToolCallDelta};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{now, seen};

    fn parts(text: &str) -> Parts {
        let mut parts = Parts::default();
        parts.take(Piece::Text(text.into()));
        parts.take(Piece::ToolCall(ToolCallDelta {
            index: 0,
            id: Some("c".into()),
            name: Some("f".into()),
            arguments: "{}".into(),
        }));
        parts
    }

    fn voice(form: Form) -> Voice {
        Voice { form, model: "m".into() }
    }

    #[test]
    fn a_whole_answer_has_ollamas_form() {
        let value = |form| {
            let figures = Figures { eval_count: 2, ..Figures::default() };
            let mut value =
                serde_json::to_value(voice(form).done(&mut parts("Hi"), "stop", Some(figures))).unwrap();
            let created = value.as_object_mut().unwrap().remove("created_at").unwrap();
            assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
            value
        };
        let mut chat = value(Form::Chat);
        let message = chat.as_object_mut().unwrap().remove("message").unwrap();
        assert_eq!(
            message,
            json!({"role": "assistant", "content": "Hi",
                   "tool_calls": [{"id": "c", "function": {"index": 0, "name": "f", "arguments": {}}}]})
        );
        assert_eq!(
            chat,
            json!({"model": "m", "done": true, "done_reason": "stop", "total_duration": 0, "load_duration": 0,
                   "prompt_eval_count": 0, "prompt_eval_duration": 0, "eval_count": 2, "eval_duration": 0})
        );
        let generate = value(Form::Generate);
        assert_eq!((&generate["response"], generate.get("message")), (&json!("Hi"), None));
    }

    #[test]
    fn the_last_lines_are_the_calls_and_the_end() {
        let response = Response::json_lines(async |mut lines| {
            finish(&mut lines, &voice(Form::Chat), &mut parts(""), "stop", Figures::default())?;
            lines.flush().await
        });
        let text = String::from_utf8(now(response.into_bytes()).unwrap()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [calls, end] = &lines[..] else { panic!("{text}") };
        assert_eq!((&calls["done"], &calls["message"]["tool_calls"][0]["id"]), (&json!(false), &json!("c")));
        assert_eq!((&end["done"], end["message"].get("tool_calls")), (&json!(true), None));
    }

    #[test]
    fn times_add_up() {
        let asked = Instant::now();
        let times = Times { asked, loaded: asked + Duration::from_nanos(5), begun: None };
        let figures = times.figures(Usage { prompt_tokens: 3, output_tokens: 0, cached_tokens: 0 });
        assert_eq!((figures.load_duration, figures.prompt_eval_count, figures.eval_duration), (5, 3, 0));
    }

    #[test]
    fn ends_have_ollamas_names() {
        assert_eq!(reason(&Finish::Stop).unwrap(), "stop");
        assert_eq!(reason(&Finish::ToolCalls).unwrap(), "stop");
        assert_eq!(reason(&Finish::Length).unwrap(), "length");
        assert_eq!(reason(&Finish::Other("new".into())).unwrap(), "new");
        assert_eq!(seen(reason(&Finish::Cancelled).unwrap_err()).0, 503);
    }
}
