//! `inferno:host/inference`: running models. Needs the `inference` grant for the model's name.

mod tokens;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream as _;
use inferno_inference::{Embed, ErrorKind, Event, Finish, Generate, Generation, Input, Message, Sampling};
use tokio::sync::oneshot;
use wasmtime::component::{
    Accessor, Destination, FutureProducer, FutureReader, Linker, Resource, StreamProducer, StreamReader,
    StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

use super::bindings::inferno::host::inference::{self, FinishReason, Role};
use super::bindings::inferno::host::types::Error;
use super::models;
use crate::ask::Need;
use crate::state::{Host, Shared, State};
use tokens::Tokens;

/// A request that a plugin is putting together.
#[derive(Default)]
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Request {
    model: String,
    prompt: Option<String>,
    messages: Vec<Message>,
    max_tokens: Option<u32>,
    sampling: Sampling,
    stop: Vec<String>,
    /// Bytes that the plugin has put in, as [`State::hold`] counts them.
    held: usize,
}

/// An answer that has ended.
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Completion(inferno_inference::Completion);

/// Vectors.
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Embeddings(inferno_inference::Embeddings);

/// A request that may be made.
struct Admitted {
    model: String,
    work: Generate,
    tokens: Tokens,
}

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    inference::add_to_linker::<_, Host>(linker, |state| state)
}

impl State {
    fn request(&mut self, request: &Resource<Request>) -> Result<&mut Request> {
        Ok(self.table.get_mut(request)?)
    }

    /// Counts bytes that go into a request.
    fn fill(&mut self, request: &Resource<Request>, bytes: usize) -> Result<&mut Request> {
        self.hold(bytes)?;
        let request = self.request(request)?;
        request.held += bytes;
        Ok(request)
    }

    /// Takes a request out of the plugin's hands and checks that it may be made.
    fn admit(&mut self, call: &str, request: Resource<Request>) -> Result<Result<Admitted, Error>> {
        let request = self.table.delete(request)?;
        self.release(request.held);
        let ready = self.allow(call, Need::Inference(&request.model)).and_then(|()| self.ready(request));
        let (model, mut work) = match ready {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let tokens = self.set_aside(&model, &mut work)?;
        Ok(Ok(Admitted { model, work, tokens }))
    }

    fn ready(&self, request: Request) -> Result<(String, Generate), Error> {
        let Request { model, prompt, messages, max_tokens, sampling, stop, held: _ } = request;
        let input = match (prompt, messages.is_empty()) {
            (Some(prompt), true) => Input::Prompt(prompt),
            (None, false) => Input::Chat(messages),
            (None, true) => return Err(invalid("the request has neither a prompt nor a message")),
            (Some(_), false) => {
                return Err(invalid("the request has both a prompt and messages; it may have either"));
            }
        };
        let max_tokens = match (max_tokens, self.shared.effect.tokens_per_call()) {
            (Some(wanted), Some(cap)) if wanted > cap => {
                return Err(Error {
                    hint: Some("ask for fewer, or raise `tokens_per_call` in the plugin's grant".to_owned()),
                    ..invalid(format!(
                        "plugin \"{}\" wants {wanted} tokens of one request, but may have {cap}",
                        self.actor.plugin
                    ))
                });
            }
            (Some(wanted), _) => Some(wanted),
            (None, cap) => cap,
        };
        Ok((model, Generate { input, max_tokens, sampling, stop }))
    }
}

/// Words an error for the plugin: names of models that it may not see are left out.
async fn worded(shared: Arc<Shared>, model: String, error: inferno_inference::Error) -> Error {
    let unknown = error.kind == ErrorKind::NotFound;
    let mut error = Error::from(error);
    if unknown && !shared.effect.sees_all() {
        error.hint = models::near(shared, model).await;
    }
    error
}

fn invalid(message: impl Into<String>) -> Error {
    inferno_inference::Error::invalid(message).into()
}

impl inference::Host for State {
    async fn complete(&mut self, request: Resource<Request>) -> Result<Result<Resource<Completion>, Error>> {
        let admitted = self.admit("inferno:host/inference.complete", request)?;
        let Admitted { model, work, mut tokens } = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return Ok(Err(error)),
        };
        let shared = self.shared.clone();
        match shared.services.inference.complete(&model, work).await {
            Ok(whole) => {
                tokens.written(whole.usage.output_tokens.into());
                Ok(Ok(self.table.push(Completion(whole))?))
            }
            Err(error) => Ok(Err(worded(shared, model, error).await)),
        }
    }

    async fn embed(
        &mut self,
        model: String,
        inputs: Vec<String>,
    ) -> Result<Result<Resource<Embeddings>, Error>> {
        if let Err(error) = self.allow("inferno:host/inference.embed", Need::Inference(&model)) {
            return Ok(Err(error));
        }
        let shared = self.shared.clone();
        match shared.services.inference.embed(&model, Embed { inputs }).await {
            Ok(vectors) => Ok(Ok(self.table.push(Embeddings(vectors))?)),
            Err(error) => Ok(Err(worded(shared, model, error).await)),
        }
    }
}

type Started = (StreamReader<String>, FutureReader<Result<Resource<Completion>, Error>>);

impl inference::HostWithStore<State> for Host {
    async fn generate(
        host: &Accessor<State, Self>,
        request: Resource<Request>,
    ) -> Result<Result<Started, Error>> {
        let admitted = host.with(|mut access| {
            let state = access.get();
            let admitted = state.admit("inferno:host/inference.generate", request)?;
            Ok::<_, wasmtime::Error>(admitted.map(|admitted| (state.shared.clone(), admitted)))
        })?;
        let (shared, Admitted { model, work, tokens }) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return Ok(Err(error)),
        };
        let generation = match shared.services.inference.generate(&model, work).await {
            Ok(generation) => generation,
            Err(error) => return Ok(Err(worded(shared, model, error).await)),
        };
        let (sender, receiver) = oneshot::channel();
        let pieces = Pieces { generation, text: String::new(), ended: false, end: Some(sender), tokens };
        host.with(|mut access| {
            let text = StreamReader::new(&mut access, pieces)?;
            let end = FutureReader::new(&mut access, End(receiver))?;
            Ok(Ok((text, end)))
        })
    }
}

type Outcome = Result<inferno_inference::Completion, Error>;

/// Text on its way to the plugin, straight from the model's queue. Dropped when the plugin drops its end or goes away
/// itself, and with it goes the generation, which cancels the work.
struct Pieces {
    generation: Generation,
    /// The whole answer so far, for the completion.
    text: String,
    ended: bool,
    end: Option<oneshot::Sender<Outcome>>,
    tokens: Tokens,
}

impl Pieces {
    fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        if let Some(end) = self.end.take() {
            // A plugin that has dropped the future does not want to know.
            let _ = end.send(outcome);
        }
    }

    /// Takes what waits, without waiting.
    fn gather(&mut self, cx: &mut Context<'_>) -> Vec<String> {
        let mut pieces = Vec::new();
        while !self.ended
            && let Poll::Ready(event) = Pin::new(&mut self.generation).poll_next(cx)
        {
            match event {
                Some(Ok(Event::Text(piece))) => {
                    self.text.push_str(&piece);
                    pieces.push(piece);
                }
                Some(Ok(Event::Done { finish, usage })) => {
                    self.tokens.written(usage.output_tokens.into());
                    let text = std::mem::take(&mut self.text);
                    self.end(Ok(inferno_inference::Completion { text, finish, usage }));
                }
                Some(Ok(Event::Started { .. } | Event::Embedding(_))) => {}
                Some(Ok(Event::Failed(error)) | Err(error)) => self.end(Err(error.into())),
                None => self.end(Err(super::internal("the model's answer broke off"))),
            }
        }
        pieces
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if !self.ended {
            // How many there were is not known, but hardly any has less than a byte.
            self.tokens.written(self.text.len() as u64);
            let message = "the plugin dropped the stream before the answer had ended";
            self.end(Err(inferno_inference::Error::new(ErrorKind::Cancelled, message).into()));
        }
    }
}

impl<D> StreamProducer<D> for Pieces {
    type Item = String;
    type Buffer = VecBuffer<String>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, String, VecBuffer<String>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let pieces = self.gather(cx);
        let over = if self.ended { StreamResult::Dropped } else { StreamResult::Completed };
        if !pieces.is_empty() {
            destination.set_buffer(pieces.into());
            return Poll::Ready(Ok(over));
        }
        match (self.ended, finish) {
            (true, _) => Poll::Ready(Ok(over)),
            (false, true) => Poll::Ready(Ok(StreamResult::Cancelled)),
            (false, false) => Poll::Pending,
        }
    }
}

/// The end of a generation on its way to the plugin.
struct End(oneshot::Receiver<Outcome>);

impl FutureProducer<State> for End {
    type Item = Result<Resource<Completion>, Error>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<State>,
        finish: bool,
    ) -> Poll<Result<Option<Self::Item>>> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(Ok(whole))) => {
                Poll::Ready(Ok(Some(Ok(store.data_mut().table.push(Completion(whole))?))))
            }
            Poll::Ready(Ok(Err(error))) => Poll::Ready(Ok(Some(Err(error)))),
            Poll::Ready(Err(_)) => {
                Poll::Ready(Ok(Some(Err(super::internal("the model's answer broke off")))))
            }
            Poll::Pending if finish => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl inference::HostRequest for State {
    fn new(&mut self, model: String) -> Result<Resource<Request>> {
        self.hold(model.len())?;
        Ok(self.table.push(Request { held: model.len(), model, ..Request::default() })?)
    }

    fn prompt(&mut self, request: Resource<Request>, text: String) -> Result<()> {
        let request = self.fill(&request, text.len())?;
        request.prompt = Some(text);
        Ok(())
    }

    fn message(&mut self, request: Resource<Request>, role: Role, content: String) -> Result<()> {
        let role = match role {
            Role::System => inferno_inference::Role::System,
            Role::User => inferno_inference::Role::User,
            Role::Assistant => inferno_inference::Role::Assistant,
            Role::Tool => inferno_inference::Role::Tool,
        };
        // An empty message takes room as well.
        let request = self.fill(&request, content.len() + size_of::<Message>())?;
        request.messages.push(Message { role, content });
        Ok(())
    }

    fn max_tokens(&mut self, request: Resource<Request>, count: u32) -> Result<()> {
        self.request(&request)?.max_tokens = Some(count);
        Ok(())
    }

    fn temperature(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.temperature = value;
        Ok(())
    }

    fn top_k(&mut self, request: Resource<Request>, count: u32) -> Result<()> {
        self.request(&request)?.sampling.top_k = count;
        Ok(())
    }

    fn top_p(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.top_p = value;
        Ok(())
    }

    fn min_p(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.min_p = value;
        Ok(())
    }

    fn repeat_penalty(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.repeat_penalty = value;
        Ok(())
    }

    fn presence_penalty(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.presence_penalty = value;
        Ok(())
    }

    fn frequency_penalty(&mut self, request: Resource<Request>, value: f32) -> Result<()> {
        self.request(&request)?.sampling.frequency_penalty = value;
        Ok(())
    }

    fn seed(&mut self, request: Resource<Request>, value: u64) -> Result<()> {
        self.request(&request)?.sampling.seed = Some(value);
        Ok(())
    }

    fn stop(&mut self, request: Resource<Request>, text: String) -> Result<()> {
        self.fill(&request, text.len() + size_of::<String>())?.stop.push(text);
        Ok(())
    }

    fn drop(&mut self, request: Resource<Request>) -> Result<()> {
        let request = self.table.delete(request)?;
        self.release(request.held);
        Ok(())
    }
}

impl inference::HostCompletion for State {
    fn text(&mut self, completion: Resource<Completion>) -> Result<String> {
        Ok(self.table.get(&completion)?.0.text.clone())
    }

    fn finish(&mut self, completion: Resource<Completion>) -> Result<FinishReason> {
        Ok(match self.table.get(&completion)?.0.finish {
            Finish::Stop => FinishReason::Stop,
            Finish::Length => FinishReason::Length,
            Finish::Cancelled => FinishReason::Cancelled,
        })
    }

    fn usage(&mut self, completion: Resource<Completion>) -> Result<inference::Usage> {
        Ok(self.table.get(&completion)?.0.usage.into())
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

impl From<inferno_inference::Usage> for inference::Usage {
    fn from(usage: inferno_inference::Usage) -> Self {
        Self { prompt_tokens: usage.prompt_tokens, output_tokens: usage.output_tokens }
    }
}
