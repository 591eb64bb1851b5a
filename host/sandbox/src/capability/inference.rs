//! `inferno:host/inference`: running models. Needs the `inference` grant for the model's name.

mod request;
mod tokens;
mod whole;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream as _;
use inferno_inference::{Detokenize, Draft, Embed, ErrorKind, Event, Generate, Generation, Rank, Tokenize};
use tokio::sync::oneshot;
use wasmtime::component::{
    Accessor, Destination, FutureProducer, FutureReader, Linker, Resource, StreamProducer, StreamReader,
    StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

use super::bindings::inferno::host::inference::{self, Piece};
use super::bindings::inferno::host::types::Error;
use super::models;
use crate::ask::Need;
use crate::state::{Host, Shared, State};
#[expect(unreachable_pub, reason = "generated code re-exports them")]
pub use request::Request;
use tokens::Tokens;
#[expect(unreachable_pub, reason = "generated code re-exports them")]
pub use whole::{Completion, Embeddings, Ranking};

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
    /// Takes a request out of the plugin's hands and checks that it may be made.
    fn admit(&mut self, call: &str, request: Resource<Request>) -> Result<Result<Admitted, Error>> {
        let request = self.take(request)?;
        let ready = self.allow(call, Need::Inference(&request.model)).and_then(|()| self.ready(request));
        let (model, mut work) = match ready {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let tokens = self.set_aside(&model, &mut work)?;
        Ok(Ok(Admitted { model, work, tokens }))
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

    async fn count(&mut self, request: Resource<Request>) -> Result<Result<u32, Error>> {
        let request = self.take(request)?;
        let allowed = self.allow("inferno:host/inference.count", Need::Inference(&request.model));
        let (model, work) = match allowed.and_then(|()| self.ready(request)) {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let shared = self.shared.clone();
        match shared.services.inference.count(&model, work).await {
            Ok(tokens) => Ok(Ok(tokens)),
            Err(error) => Ok(Err(worded(shared, model, error).await)),
        }
    }

    async fn rank(
        &mut self,
        model: String,
        query: String,
        documents: Vec<String>,
    ) -> Result<Result<Resource<Ranking>, Error>> {
        if let Err(error) = self.allow("inferno:host/inference.rank", Need::Inference(&model)) {
            return Ok(Err(error));
        }
        let shared = self.shared.clone();
        match shared.services.inference.rank(&model, Rank { query, documents }).await {
            Ok(ranking) => Ok(Ok(self.table.push(Ranking(ranking))?)),
            Err(error) => Ok(Err(worded(shared, model, error).await)),
        }
    }

    async fn tokenize(
        &mut self,
        model: String,
        text: String,
        special: bool,
    ) -> Result<Result<Vec<u32>, Error>> {
        if let Err(error) = self.allow("inferno:host/inference.tokenize", Need::Inference(&model)) {
            return Ok(Err(error));
        }
        let shared = self.shared.clone();
        match shared.services.inference.tokenize(&model, Tokenize { text, special }).await {
            Ok(tokens) => Ok(Ok(tokens)),
            Err(error) => Ok(Err(worded(shared, model, error).await)),
        }
    }

    async fn detokenize(&mut self, model: String, tokens: Vec<u32>) -> Result<Result<String, Error>> {
        if let Err(error) = self.allow("inferno:host/inference.detokenize", Need::Inference(&model)) {
            return Ok(Err(error));
        }
        let shared = self.shared.clone();
        match shared.services.inference.detokenize(&model, Detokenize { tokens }).await {
            Ok(text) => Ok(Ok(text)),
            Err(error) => Ok(Err(worded(shared, model, error).await)),
        }
    }
}

type Started = (StreamReader<Piece>, FutureReader<Result<Resource<Completion>, Error>>);

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
        let pieces = Pieces { generation, draft: Draft::default(), ended: false, end: Some(sender), tokens };
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
    draft: Draft,
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
    fn gather(&mut self, cx: &mut Context<'_>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !self.ended
            && let Poll::Ready(event) = Pin::new(&mut self.generation).poll_next(cx)
        {
            match event {
                Some(Ok(Event::Done { finish, usage })) => {
                    self.tokens.written(usage.output_tokens.into());
                    let draft = std::mem::take(&mut self.draft);
                    self.end(Ok(draft.done(finish, usage)));
                }
                Some(Ok(Event::Failed(error)) | Err(error)) => self.end(Err(error.into())),
                Some(Ok(event)) => {
                    self.draft.add(event.clone());
                    pieces.extend(whole::piece(event));
                }
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
            self.tokens.written(self.draft.text.len() as u64);
            let message = "the plugin dropped the stream before the answer had ended";
            self.end(Err(inferno_inference::Error::new(ErrorKind::Cancelled, message).into()));
        }
    }
}

impl<D> StreamProducer<D> for Pieces {
    type Item = Piece;
    type Buffer = VecBuffer<Piece>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Piece, VecBuffer<Piece>>,
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
