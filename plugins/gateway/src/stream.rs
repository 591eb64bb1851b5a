//! Streamed answers: server-sent events.

use std::pin::pin;

use futures::stream::{self, Stream, StreamExt};
use inferno_sdk::Error;
use inferno_sdk::http::{BodyWriter, Cut, Response};
use inferno_sdk::inference::{End, Generation, Usage};

use crate::Origin;
use crate::answer::{self, FINGERPRINT, Tokens, put};
use crate::error::ApiError;

/// What happens to one of the answers of a request.
pub(crate) enum Event {
    Piece(String),
    End(Result<End, Error>),
}

/// The events of a generation, which answers the prompt with this index.
pub(crate) fn events(index: usize, generation: Generation) -> impl Stream<Item = (usize, Event)> + 'static {
    stream::unfold(Some(generation), move |generation| async move {
        let mut generation = generation?;
        match generation.next().await {
            Some(text) => Some(((index, Event::Piece(text)), Some(generation))),
            None => Some(((index, Event::End(generation.end().await)), None)),
        }
    })
}

/// Which of the two kinds of chunks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Chat,
    Text,
}

/// Writes events. What is the same in all of them is made once.
pub(crate) struct Chunks {
    form: Form,
    usage: bool,
    /// `data: {...,"choices":[`
    head: Vec<u8>,
}

impl Chunks {
    /// `usage` is whether a last chunk tells it.
    pub(crate) fn new(form: Form, origin: &Origin, model: &str, usage: bool) -> Self {
        let object = if form == Form::Chat { "chat.completion.chunk" } else { "text_completion" };
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"data: {\"id\":");
        put(&mut head, &origin.id);
        head.extend_from_slice(b",\"object\":");
        put(&mut head, object);
        head.extend_from_slice(b",\"created\":");
        put(&mut head, &origin.created);
        head.extend_from_slice(b",\"model\":");
        put(&mut head, model);
        head.extend_from_slice(b",\"system_fingerprint\":");
        put(&mut head, FINGERPRINT);
        head.extend_from_slice(b",\"choices\":[");
        Self { form, usage, head }
    }

    /// The first chunk of a chat, which says who speaks.
    fn role(&self, out: &mut Vec<u8>) {
        if self.form == Form::Chat {
            self.choice(out, 0, None, |out| {
                out.extend_from_slice(br#"{"role":"assistant","content":"","refusal":null}"#)
            });
        }
    }

    fn piece(&self, out: &mut Vec<u8>, index: usize, text: &str) {
        self.choice(out, index, None, |out| {
            if self.form == Form::Chat {
                out.extend_from_slice(b"{\"content\":");
                put(out, text);
                out.push(b'}');
            } else {
                put(out, text);
            }
        });
    }

    fn finish(&self, out: &mut Vec<u8>, index: usize, reason: &str) {
        let nothing: &[u8] = if self.form == Form::Chat { b"{}" } else { b"\"\"" };
        self.choice(out, index, Some(reason), |out| out.extend_from_slice(nothing));
    }

    fn choice(
        &self,
        out: &mut Vec<u8>,
        index: usize,
        reason: Option<&str>,
        content: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        put(out, &index);
        out.extend_from_slice(if self.form == Form::Chat { b",\"delta\":" } else { b",\"text\":" });
        content(out);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        put(out, &reason);
        out.extend_from_slice(if self.usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" });
    }

    fn end(&self, out: &mut Vec<u8>, usage: Usage) {
        if self.usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            put(out, &Tokens::from(usage));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// An answer that streams these events.
pub(crate) fn respond(events: impl Stream<Item = (usize, Event)> + 'static, chunks: Chunks) -> Response {
    Response::stream(200, async move |body| write(events, &chunks, body).await)
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-cache")
        // Proxies such as nginx would otherwise hold the pieces back.
        .header("x-accel-buffering", "no")
}

/// One write for each piece. Errors in mid-answer are an event, after which the stream ends.
async fn write(
    events: impl Stream<Item = (usize, Event)>,
    chunks: &Chunks,
    mut body: BodyWriter,
) -> Result<(), Cut> {
    let mut events = pin!(events);
    let mut out = Vec::with_capacity(1024);
    let mut usage = Usage::default();
    // Goes with the first piece, and so does each end with what follows it: one write less.
    chunks.role(&mut out);
    while let Some((index, event)) = events.next().await {
        let ended = match event {
            Event::Piece(text) => {
                chunks.piece(&mut out, index, &text);
                body.write(&mut out).await?;
                continue;
            }
            Event::End(ended) => ended.map_err(|error| ApiError::host(error, "model")),
        };
        let finished = ended.and_then(|end| {
            chunks.finish(&mut out, index, answer::reason(&end.finish)?);
            answer::add(&mut usage, end.usage);
            Ok(())
        });
        if let Err(error) = finished {
            out.extend_from_slice(b"data: ");
            out.append(&mut error.to_json());
            out.extend_from_slice(b"\n\n");
            return body.write(&mut out).await;
        }
    }
    chunks.end(&mut out, usage);
    body.write(&mut out).await
}

#[cfg(test)]
mod tests {
    use inferno_sdk::ErrorKind;
    use inferno_sdk::inference::Finish;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::now;

    fn end(finish: Finish) -> Event {
        Event::End(Ok(End { finish, usage: Usage { prompt_tokens: 3, output_tokens: 2, cached_tokens: 0 } }))
    }

    fn piece(text: &str) -> Event {
        Event::Piece(text.into())
    }

    /// The events as a client sees them: JSON, or the text where it is none.
    fn streamed(form: Form, usage: bool, events: Vec<(usize, Event)>) -> Vec<Value> {
        let origin = Origin { id: "id\"1".into(), created: 17 };
        let response = respond(stream::iter(events), Chunks::new(form, &origin, "m", usage));
        assert_eq!(response.get_header("content-type"), Some("text/event-stream"));
        let text = String::from_utf8(now(response.into_bytes()).unwrap()).unwrap();
        let event = |block: &str| {
            let data = block.strip_prefix("data: ").unwrap();
            assert!(!data.contains('\n'), "an event is one line: {data}");
            serde_json::from_str(data).unwrap_or_else(|_| Value::from(data))
        };
        assert!(text.ends_with("\n\n"));
        text.trim_end().split("\n\n").map(event).collect()
    }

    #[test]
    fn a_chat_begins_with_the_role_and_ends_with_the_reason() {
        let events = vec![(0, piece("Hi\n")), (0, piece("\"ä\"")), (0, end(Finish::Length))];
        let seen = streamed(Form::Chat, false, events);
        let chunk = |delta: Value, reason: Value| {
            json!({
                "id": "id\"1", "object": "chat.completion.chunk", "created": 17, "model": "m",
                "system_fingerprint": FINGERPRINT,
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
            })
        };
        assert_eq!(
            seen,
            [
                chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null),
                chunk(json!({"content": "Hi\n"}), Value::Null),
                chunk(json!({"content": "\"ä\""}), Value::Null),
                chunk(json!({}), "length".into()),
                "[DONE]".into(),
            ]
        );
    }

    #[test]
    fn usage_comes_last_and_is_null_before() {
        let seen = streamed(Form::Chat, true, vec![(0, piece("a")), (0, end(Finish::Stop))]);
        assert_eq!(seen.len(), 5);
        for chunk in &seen[..3] {
            assert_eq!(chunk.get("usage"), Some(&Value::Null), "{chunk}");
        }
        assert_eq!(seen[3]["choices"], json!([]));
        assert_eq!(seen[3]["usage"], json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}));
        assert_eq!(seen[4], "[DONE]");
    }

    #[test]
    fn completions_keep_their_index() {
        let events = vec![
            (1, piece("b")),
            (0, piece("a")),
            (1, end(Finish::Stop)),
            (0, piece("A")),
            (0, end(Finish::Stop)),
        ];
        let seen = streamed(Form::Text, true, events);
        let texts: Vec<_> =
            seen[..5].iter().map(|c| (&c["choices"][0]["index"], &c["choices"][0]["text"])).collect();
        let expected = [(1, "b"), (0, "a"), (1, ""), (0, "A"), (0, "")].map(|(i, t)| (json!(i), json!(t)));
        assert_eq!(texts, expected.each_ref().map(|(i, t)| (i, t)));
        assert_eq!(seen[2]["choices"][0]["finish_reason"], "stop");
        assert_eq!(seen[0]["object"], "text_completion");
        assert_eq!(seen[5]["usage"]["total_tokens"], 10);
    }

    #[test]
    fn an_error_in_mid_answer_is_an_event_and_the_end() {
        let error = Error {
            kind: ErrorKind::Unavailable,
            message: "the worker died".into(),
            hint: None,
            retry_after: None,
        };
        let seen = streamed(Form::Chat, true, vec![(0, piece("a")), (0, Event::End(Err(error)))]);
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2]["error"]["message"], "the worker died");
        assert_eq!(seen[2]["error"]["code"], "unavailable");

        let seen = streamed(Form::Chat, false, vec![(0, end(Finish::Cancelled))]);
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1]["error"]["code"], "cancelled");
    }
}
