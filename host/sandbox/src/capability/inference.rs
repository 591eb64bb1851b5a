//! `inferno:host/inference`: running models. Needs the `inference` grant for the model's name.

mod detail;
mod request;
mod streaming;
mod tokens;
mod whole;

use std::sync::Arc;

use inferno_inference::{Detokenize, Embed, ErrorKind, Generate, Inference, Rank, Terms, Tokenize};
use serde_json::json;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

use super::bindings::inferno::host::inference;
use super::bindings::inferno::host::types::Error;
use super::models;
use crate::ask::Need;
use crate::state::{Caller, Host, Shared, State};
use crate::tape::taped;
use detail::Detail;
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
    /// The models, at which the tenant waits for its turn and is counted.
    fn models(&self) -> Inference {
        let Caller { tenant, background, request_id, .. } = &self.actor.caller;
        let request_id = Some(request_id.as_str().into());
        let terms = Terms { background: *background, request_id, ..Terms::of(tenant.as_str()) };
        self.shared.services.inference.under(terms)
    }

    /// Checks that a request may be made.
    fn admit(&mut self, call: &str, request: Request) -> Result<Result<Admitted, Error>> {
        let ready = self.allow(call, Need::Inference(&request.model)).and_then(|()| self.ready(request));
        let (model, mut work) = match ready {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let tokens = self.set_aside(&model, &mut work)?;
        Ok(Ok(Admitted { model, work, tokens }))
    }

    async fn completed(&mut self, request: Resource<Request>) -> Result<Result<Completion, Error>> {
        let call = "inferno:host/inference.complete";
        let request = self.take(request)?;
        let slot = taped!(self.tape, call, json!(request));
        let Admitted { model, mut work, mut tokens } = match self.admit(call, request)? {
            Ok(admitted) => admitted,
            Err(error) => return slot.done(Err(error)),
        };
        let shared = self.shared.clone();
        let mut detail = Detail::of(&shared, &slot, &model, Some(&mut work)).await;
        let stops = work.stop.clone();
        let whole = match self.models().complete(&model, work).await {
            Ok(mut whole) => {
                tokens.written(whole.usage.output_tokens.into());
                if !detail.note(&whole.choices) {
                    whole.choices.clear();
                }
                Ok(Completion::new(whole, &stops))
            }
            Err(error) => Err(worded(shared, model, error).await),
        };
        slot.done_with(whole, detail.facts())
    }

    async fn embedded(&mut self, model: String, inputs: Vec<String>) -> Result<Result<Embeddings, Error>> {
        let call = "inferno:host/inference.embed";
        let slot = taped!(self.tape, call, json!({ "model": model, "inputs": inputs }));
        if let Err(error) = self.allow(call, Need::Inference(&model)) {
            return slot.done(Err(error));
        }
        let shared = self.shared.clone();
        let detail = Detail::of(&shared, &slot, &model, None).await;
        let vectors = match self.models().embed(&model, Embed { inputs }).await {
            Ok(vectors) => Ok(Embeddings(vectors)),
            Err(error) => Err(worded(shared, model, error).await),
        };
        slot.done_with(vectors, detail.facts())
    }

    async fn ranked(
        &mut self,
        model: String,
        query: String,
        documents: Vec<String>,
    ) -> Result<Result<Ranking, Error>> {
        let call = "inferno:host/inference.rank";
        let told = || json!({ "model": model, "query": query, "documents": documents });
        let slot = taped!(self.tape, call, told());
        if let Err(error) = self.allow(call, Need::Inference(&model)) {
            return slot.done(Err(error));
        }
        let shared = self.shared.clone();
        let detail = Detail::of(&shared, &slot, &model, None).await;
        let ranking = match self.models().rank(&model, Rank { query, documents }).await {
            Ok(ranking) => Ok(Ranking(ranking)),
            Err(error) => Err(worded(shared, model, error).await),
        };
        slot.done_with(ranking, detail.facts())
    }

    /// Puts what came of a call into the plugin's hands.
    fn hand_over<T: Send + 'static>(&mut self, told: Result<T, Error>) -> Result<Result<Resource<T>, Error>> {
        match told {
            Ok(whole) => Ok(Ok(self.table.push(whole)?)),
            Err(error) => Ok(Err(error)),
        }
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
        let whole = self.completed(request).await?;
        self.hand_over(whole)
    }

    async fn embed(
        &mut self,
        model: String,
        inputs: Vec<String>,
    ) -> Result<Result<Resource<Embeddings>, Error>> {
        let vectors = self.embedded(model, inputs).await?;
        self.hand_over(vectors)
    }

    async fn count(&mut self, request: Resource<Request>) -> Result<Result<u32, Error>> {
        let call = "inferno:host/inference.count";
        let request = self.take(request)?;
        let slot = taped!(self.tape, call, json!(request));
        let allowed = self.allow(call, Need::Inference(&request.model));
        let (model, work) = match allowed.and_then(|()| self.ready(request)) {
            Ok(ready) => ready,
            Err(error) => return slot.done(Err(error)),
        };
        let shared = self.shared.clone();
        let detail = Detail::of(&shared, &slot, &model, None).await;
        let tokens = match self.models().count(&model, work).await {
            Ok(tokens) => Ok(tokens),
            Err(error) => Err(worded(shared, model, error).await),
        };
        slot.done_with(tokens, detail.facts())
    }

    async fn rank(
        &mut self,
        model: String,
        query: String,
        documents: Vec<String>,
    ) -> Result<Result<Resource<Ranking>, Error>> {
        let ranking = self.ranked(model, query, documents).await?;
        self.hand_over(ranking)
    }

    async fn tokenize(
        &mut self,
        model: String,
        text: String,
        special: bool,
    ) -> Result<Result<Vec<u32>, Error>> {
        let call = "inferno:host/inference.tokenize";
        let told = || json!({ "model": model, "text": text, "special": special });
        let slot = taped!(self.tape, call, told());
        if let Err(error) = self.allow(call, Need::Inference(&model)) {
            return slot.done(Err(error));
        }
        let shared = self.shared.clone();
        let detail = Detail::of(&shared, &slot, &model, None).await;
        let tokens = match self.models().tokenize(&model, Tokenize { text, special }).await {
            Ok(tokens) => Ok(tokens),
            Err(error) => Err(worded(shared, model, error).await),
        };
        slot.done_with(tokens, detail.facts())
    }

    async fn detokenize(&mut self, model: String, tokens: Vec<u32>) -> Result<Result<String, Error>> {
        let call = "inferno:host/inference.detokenize";
        let slot = taped!(self.tape, call, json!({ "model": model, "tokens": tokens }));
        if let Err(error) = self.allow(call, Need::Inference(&model)) {
            return slot.done(Err(error));
        }
        let shared = self.shared.clone();
        let detail = Detail::of(&shared, &slot, &model, None).await;
        let text = match self.models().detokenize(&model, Detokenize { tokens }).await {
            Ok(text) => Ok(text),
            Err(error) => Err(worded(shared, model, error).await),
        };
        slot.done_with(text, detail.facts())
    }
}
