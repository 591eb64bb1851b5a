//! The OpenAI dialect: what OpenAI's clients send to `/v1` becomes calls of the host, and what the host says becomes
//! what they expect.
//!
//! A field that changes the answer is obeyed or refused, never half obeyed; a field that does not is ignored. The table in
//! `endpoints` and the descriptions beside each endpoint say what is taken and given; requests are checked by them, and
//! `/openapi.json` is written from them.

mod answer;
mod chat;
mod completions;
mod embeddings;
mod endpoints;
mod error;
mod fields;
mod format;
mod logprobs;
mod models;
mod parts;
mod rerank;
mod responses;
mod route;
mod run;
mod sampling;
mod schema;
mod socket;
mod stream;
mod tokens;
mod tools;

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use inferno_sdk::http::{Handler, Request, Response};

use crate::endpoints::{ENDPOINTS, Route};
use crate::error::ApiError;
use crate::fields::Fields;

/// The largest body that is read. The host's own limit is usually lower.
const MAX_BODY: usize = 16 * 1024 * 1024;

struct Gateway;

impl Handler for Gateway {
    async fn handle(request: Request) -> Response {
        dispatch(request).await.unwrap_or_else(ApiError::into_response)
    }
}

inferno_sdk::export_http!(Gateway);

async fn dispatch(mut request: Request) -> Result<Response, ApiError> {
    let found = route::find(request.method(), request.path())?;
    let query = schema::check_query(found.endpoint.query, request.query().unwrap_or_default())?;
    let fields = match found.endpoint.body {
        Some(object) => Fields::parse(request.read_body(MAX_BODY).await?, object)?,
        None => query.into(),
    };
    let argument = found.argument;
    match found.endpoint.route {
        Route::Models => models::list(),
        Route::Model => models::one(&argument),
        Route::Chat => chat::answer(fields, Origin::of(&request, "chatcmpl")).await,
        Route::Completions => completions::answer(fields, Origin::of(&request, "cmpl")).await,
        Route::Embeddings => embeddings::answer(fields),
        Route::Respond => responses::answer(fields).await,
        Route::Response => responses::one(&argument),
        Route::DeleteResponse => responses::delete(&argument),
        Route::InputItems => responses::input_items(&argument, fields),
        Route::Rerank => rerank::answer(fields),
        Route::Tokenize => tokens::tokenize(fields),
        Route::Detokenize => tokens::detokenize(fields),
        Route::Document => Ok(answer::respond(&schema::document(ENDPOINTS, &error::REFUSAL))),
        Route::Socket => socket::answer(request),
    }
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
        Self { id: format!("{prefix}-{id}"), created: since_1970().as_secs() }
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod testing;
