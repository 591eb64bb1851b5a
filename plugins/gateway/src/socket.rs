//! `/ws/stream`: chats over a WebSocket, several at once, each of which can be cancelled.
//!
//! The host upgrades the connection; each line of the request's body is a message of the client, and each line of the
//! answer's body becomes a message to it. The client sends `{"type":"chat","id":"a","request":{...}}`, whose request is
//! that of `/v1/chat/completions`, and `{"type":"cancel","id":"a"}`. It gets `{"type":"delta","id":"a","chunk":{...}}`
//! with the chunks of a streamed chat, and at the end of each one of `done`, `cancelled` and `error`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;

use futures::FutureExt;
use futures::stream::{self, AbortHandle, LocalBoxStream, SelectAll, Stream, StreamExt};
use inferno_sdk::http::{BodyError, BodyWriter, Cut, Request, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::put;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::run::Event;
use crate::stream::{Chunks, Frame, failed_line};
use crate::{MAX_BODY, Origin, chat};

/// The most chats at the same time on one connection.
const MAX_CHATS: u32 = 32;
/// So many bytes of messages are written at once at most.
const FULL: usize = 16 * 1024;

/// A message of the client.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// What happens to a chat.
enum Happening {
    Started(Box<Chunks>),
    Event(usize, Event),
    Failed(ApiError),
    Ended,
}

/// What there is to do next.
enum Step {
    Line(Result<Vec<u8>, BodyError>),
    Happened(String, Happening),
    End,
}

struct Chat {
    cancel: AbortHandle,
    /// Absent until it has started.
    chunks: Option<Box<Chunks>>,
}

pub(crate) fn answer(request: Request) -> Result<Response, ApiError> {
    if request.headers().get("sec-websocket-version").is_none() {
        return Err(ApiError::upgrade(request.path()));
    }
    let origin = Origin::of(&request, "chatcmpl");
    let lines = lines(request).boxed_local();
    Ok(Response::stream(200, async move |body| Connection::new(lines, origin).serve(body).await))
}

/// The lines of a body.
fn lines(request: Request) -> impl Stream<Item = Result<Vec<u8>, BodyError>> {
    stream::unfold(Some((request, Vec::new())), |state| async {
        let (mut request, mut held): (Request, Vec<u8>) = state?;
        let mut seen = 0;
        loop {
            if let Some(end) = held[seen..].iter().position(|byte| *byte == b'\n') {
                let rest = held.split_off(seen + end + 1);
                held.pop();
                return Some((Ok(held), Some((request, rest))));
            }
            if held.len() > MAX_BODY {
                return Some((Err(BodyError::TooLarge(u64::try_from(MAX_BODY).ok())), None));
            }
            seen = held.len();
            match request.read_chunk().await {
                Ok(Some(more)) => held.extend_from_slice(&more),
                Ok(None) if held.is_empty() => return None,
                Ok(None) => return Some((Ok(held), None)),
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}

struct Connection {
    lines: stream::Fuse<LocalBoxStream<'static, Result<Vec<u8>, BodyError>>>,
    origin: Origin,
    /// How many chats there were.
    count: usize,
    chats: HashMap<String, Chat>,
    happenings: SelectAll<LocalBoxStream<'static, (String, Happening)>>,
}

impl Connection {
    fn new(lines: LocalBoxStream<'static, Result<Vec<u8>, BodyError>>, origin: Origin) -> Self {
        let (chats, happenings) = (HashMap::new(), SelectAll::new());
        Self { lines: lines.fuse(), origin, count: 0, chats, happenings }
    }

    async fn serve(mut self, mut body: BodyWriter) -> Result<(), Cut> {
        let mut out = Vec::with_capacity(1024);
        loop {
            // All that waits goes into one write.
            let step = match self.step().now_or_never() {
                Some(step) if out.len() < FULL => step,
                Some(step) => {
                    body.write(&mut out).await?;
                    step
                }
                None => {
                    body.write(&mut out).await?;
                    self.step().await
                }
            };
            match step {
                Step::Line(Ok(line)) => self.hear(&line, &mut out),
                Step::Line(Err(error)) => failed_line(&mut out, None, &error.into()),
                Step::Happened(id, happening) => self.tell(id, happening, &mut out),
                Step::End => return body.write(&mut out).await,
            }
        }
    }

    async fn step(&mut self) -> Step {
        poll_fn(|context| {
            let line = self.lines.poll_next_unpin(context);
            if let Poll::Ready(Some(line)) = line {
                return Poll::Ready(Step::Line(line));
            }
            match self.happenings.poll_next_unpin(context) {
                Poll::Ready(Some((id, happening))) => Poll::Ready(Step::Happened(id, happening)),
                Poll::Ready(None) if line.is_ready() => Poll::Ready(Step::End),
                _ => Poll::Pending,
            }
        })
        .await
    }

    fn hear(&mut self, line: &[u8], out: &mut Vec<u8>) {
        match serde_json::from_slice::<Said<'_>>(line) {
            Ok(said) => {
                if let Err(error) = self.obey(&said, out) {
                    failed_line(out, Some(&said.id), &error);
                }
            }
            Err(error) => failed_line(out, None, &ApiError::malformed(error)),
        }
    }

    fn obey(&mut self, said: &Said<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match &*said.r#type {
            "chat" => self.start(&said.id, said.request.ok_or_else(|| ApiError::missing("request"))?),
            "cancel" => {
                let known = self.chats.remove(&*said.id);
                known.ok_or_else(|| ApiError::value("id", "no chat has this id."))?.cancel.abort();
                line(out, "cancelled", &said.id);
                Ok(())
            }
            other => {
                let why = format_args!("'{other}' is not known. Supported values are: 'chat' and 'cancel'.");
                Err(ApiError::value("type", why))
            }
        }
    }

    fn start(&mut self, id: &str, request: &RawValue) -> Result<(), ApiError> {
        if self.chats.contains_key(id) {
            return Err(ApiError::value("id", "a chat with this id goes on."));
        }
        if self.chats.len() >= MAX_CHATS as usize {
            let why =
                format_args!("there are {MAX_CHATS} chats already; wait for one to end, or cancel one.");
            return Err(ApiError::value("id", why));
        }
        let plan = chat::parse(Fields::parse(request.get().as_bytes().to_vec(), &chat::REQUEST)?)?
            .beside(MAX_CHATS - 1);
        self.count += 1;
        let origin =
            Origin { id: format!("{}-{}", self.origin.id, self.count), created: self.origin.created };
        let frame = Frame::Lines(id.to_owned());
        let started = async move { chat::start(plan, &origin, frame).await };
        let happenings = stream::once(started).flat_map(|started| match started {
            Ok((events, chunks)) => stream::iter([Happening::Started(Box::new(chunks))])
                .chain(events.map(|(index, event)| Happening::Event(index, event)))
                .chain(stream::iter([Happening::Ended]))
                .boxed_local(),
            Err(error) => stream::iter([Happening::Failed(error)]).boxed_local(),
        });
        let name = id.to_owned();
        let (happenings, cancel) = stream::abortable(happenings);
        self.happenings.push(happenings.map(move |happening| (name.clone(), happening)).boxed_local());
        self.chats.insert(id.to_owned(), Chat { cancel, chunks: None });
        Ok(())
    }

    fn tell(&mut self, id: String, happening: Happening, out: &mut Vec<u8>) {
        // What was on its way when the chat was cancelled is not told.
        let Some(chat) = self.chats.get_mut(&id) else { return };
        match (happening, &mut chat.chunks) {
            (Happening::Started(mut chunks), none) => {
                chunks.begin(out);
                *none = Some(chunks);
            }
            (Happening::Event(index, event), Some(chunks)) => {
                if chunks.event(out, index, event).is_break() {
                    chat.cancel.abort();
                    self.chats.remove(&id);
                }
            }
            (Happening::Failed(error), _) => {
                failed_line(out, Some(&id), &error);
                self.chats.remove(&id);
            }
            (Happening::Ended, Some(chunks)) => {
                chunks.end(out);
                self.chats.remove(&id);
            }
            (_, None) => {}
        }
    }
}

fn line(out: &mut Vec<u8>, kind: &str, id: &str) {
    out.extend_from_slice(b"{\"type\":");
    put(out, kind);
    out.extend_from_slice(b",\"id\":");
    put(out, id);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use inferno_sdk::http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::now;

    /// What is answered to these lines, none of which gets as far as a model.
    fn told(lines: &str) -> Vec<Value> {
        let request = Request::new(Method::Get, "/ws/stream").with_header("sec-websocket-version", "13");
        let response = answer(request.with_body(lines)).unwrap_or_else(|error| panic!("{error:?}"));
        let text = String::from_utf8(now(response.into_bytes()).unwrap()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_line_is_answered_and_none_ends_the_connection() {
        let seen = told(concat!(
            "oops\n{\"type\":\"chat\",\"id\":\"a\"}\n{\"type\":\"cancel\",\"id\":\"b\"}\n{\"type\":\"sing\",\"id\":\"c\"}\n",
            r#"{"type":"chat","id":"d","request":{"model":"m","messages":[]}}"#,
        ));
        let about: Vec<_> = seen.iter().map(|told| (&told["id"], &told["error"]["param"])).collect();
        let expected = [
            (Value::Null, Value::Null),
            (json!("a"), json!("request")),
            (json!("b"), json!("id")),
            (json!("c"), json!("type")),
            (json!("d"), json!("messages")),
        ];
        assert_eq!(about, expected.each_ref().map(|(id, param)| (id, param)));
        assert!(seen.iter().all(|told| told["type"] == "error"));
        assert!(told("").is_empty());
    }

    #[test]
    fn without_an_upgrade_there_is_no_socket() {
        let error = answer(Request::new(Method::Get, "/ws/stream")).err().unwrap();
        assert_eq!(error.into_response().status(), 426);
    }
}
