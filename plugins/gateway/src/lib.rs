//! The OpenAI dialect: what OpenAI's clients send to `/v1` becomes calls of the host, and what the host says becomes
//! what they expect.
//!
//! A field that changes the answer is obeyed or refused, never half obeyed; a field that does not is ignored. The table in
//! `endpoints` and the descriptions beside each endpoint say what is taken and given; requests are checked by them, and
//! `/openapi.json` is written from them.

mod answer;
mod batches;
mod chat;
mod command;
mod completions;
mod disk;
mod embeddings;
mod endpoints;
mod error;
mod fields;
mod files;
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

use crate::batches::Lent;
use crate::disk::Folder;
use crate::endpoints::{ENDPOINTS, Route};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::run::Company;

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
        // A form is read as it comes.
        Some(object) if object.is_form() => Fields::default(),
        Some(object) => Fields::parse(request.read_body(MAX_BODY).await?, object)?,
        None => query.into(),
    };
    let argument = found.argument;
    match found.endpoint.route {
        Route::Models => models::list(),
        Route::Model => models::one(&argument),
        route @ (Route::Chat | Route::Completions | Route::Embeddings | Route::Respond) => {
            create(route, fields, |prefix| Origin::of(&request, prefix), Company::Alone).await
        }
        Route::Response => responses::one(&argument),
        Route::DeleteResponse => responses::delete(&argument),
        Route::InputItems => responses::input_items(&argument, fields),
        Route::Rerank => rerank::answer(fields),
        Route::Tokenize => tokens::tokenize(fields),
        Route::Detokenize => tokens::detokenize(fields),
        Route::Upload => files::upload(&Folder::lent()?, request).await,
        Route::Files => files::list(&Folder::lent()?, fields),
        Route::File => files::one(&Folder::lent()?, &argument),
        Route::Content => files::content(&Folder::lent()?, &argument),
        Route::DeleteFile => files::delete(&Folder::lent()?, &argument),
        Route::Batch => batches::create(&Folder::lent()?, &Lent, fields),
        Route::Batches => batches::list(&Folder::lent()?, &Lent, fields),
        Route::OneBatch => batches::one(&Folder::lent()?, &Lent, &argument),
        Route::CancelBatch => batches::cancel(&Folder::lent()?, &Lent, &argument),
        Route::Document => Ok(answer::respond(&schema::document(ENDPOINTS, &error::REFUSAL))),
        Route::Socket => socket::answer(request),
    }
}

/// Makes what a route is for; none other is called.
async fn create(
    route: Route,
    fields: Fields,
    origin: impl FnOnce(&str) -> Origin,
    company: Company,
) -> Result<Response, ApiError> {
    match route {
        Route::Completions => completions::answer(fields, origin("cmpl"), company).await,
        Route::Embeddings => embeddings::answer(fields),
        Route::Respond => responses::answer(fields, company).await,
        _ => chat::answer(fields, origin("chatcmpl"), company).await,
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
        Self::new(prefix, &id)
    }

    fn new(prefix: &str, id: &str) -> Self {
        Self { id: format!("{prefix}-{id}"), created: since_1970().as_secs() }
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod testing;
