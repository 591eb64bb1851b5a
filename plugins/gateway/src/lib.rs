//! The OpenAI dialect: what OpenAI's clients send to `/v1` becomes calls of the host, and what the host says becomes
//! what they expect.
//!
//! A field that changes the answer is obeyed or refused, never half obeyed; a field that does not is ignored.

mod answer;
mod chat;
mod completions;
mod embeddings;
mod error;
mod fields;
mod models;
mod route;
mod sampling;
mod stream;

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use inferno_sdk::http::{Handler, Request, Response};
use inferno_sdk::settings;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::route::Route;

/// The largest body that is read. The host's own limit is usually lower.
const MAX_BODY: usize = 16 * 1024 * 1024;

struct Gateway;

impl Handler for Gateway {
    async fn handle(mut request: Request) -> Response {
        dispatch(&mut request).await.unwrap_or_else(ApiError::into_response)
    }
}

inferno_sdk::export_http!(Gateway);

async fn dispatch(request: &mut Request) -> Result<Response, ApiError> {
    match route::find(request.method(), request.path())? {
        Route::Models => models::list(),
        Route::Model(name) => models::one(&name),
        Route::Chat => chat::answer(body(request).await?, Origin::of(request, "chatcmpl")).await,
        Route::Completions => completions::answer(body(request).await?, Origin::of(request, "cmpl")).await,
        Route::Embeddings => embeddings::answer(body(request).await?),
    }
}

async fn body(request: &mut Request) -> Result<Fields, ApiError> {
    Fields::parse(&request.read_body(MAX_BODY).await?)
}

/// What names an answer.
struct Origin {
    id: String,
    /// In seconds since 1970 (UTC).
    created: u64,
}

impl Origin {
    /// The id is that of the request, so that an answer is found in the host's log.
    fn of(request: &Request, prefix: &str) -> Self {
        let id = request.headers().get("x-request-id");
        let id = id.unwrap_or_else(|| format!("{:016x}", RandomState::new().hash_one(prefix)));
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { id: format!("{prefix}-{id}"), created }
    }
}

/// The model that a request means, or the one that the setting `default_model` names.
fn model(fields: &mut Fields) -> Result<String, ApiError> {
    if let Some(name) = fields.string("model")? {
        return Ok(name);
    }
    match settings::get("default_model") {
        Ok(Some(name)) => Ok(name),
        Ok(None) => Err(ApiError::missing("model")),
        Err(error) => Err(ApiError::host(error, "model")),
    }
}

#[cfg(test)]
mod testing;
