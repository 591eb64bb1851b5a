//! Ollama's dialect: what its clients send to `/api` becomes calls of the host, and what the host says becomes what
//! they expect.
//!
//! A field that changes the answer is obeyed or refused, never half obeyed; a field that does not is ignored.

mod answer;
mod ask;
mod chat;
mod embed;
mod error;
mod generate;
mod keep_alive;
mod models;
mod options;
mod parts;
mod route;

use inferno_sdk::http::{Handler, Request, Response};
use inferno_sdk::json::Fields;
use serde_json::json;

use crate::error::ApiError;
use crate::route::Route;

/// The largest body that is read. The host's own limit is usually lower.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The version of Ollama whose API this is, for clients that look for a least one.
const VERSION: &str = "0.12.11";

struct Ollama;

impl Handler for Ollama {
    async fn handle(mut request: Request) -> Response {
        dispatch(&mut request).await.unwrap_or_else(ApiError::into_response)
    }
}

inferno_sdk::export_http!(Ollama);

async fn dispatch(request: &mut Request) -> Result<Response, ApiError> {
    match route::find(request.method(), request.path())? {
        // Word for word what clients and people look for.
        Route::Root => Ok(Response::text(200, "Ollama is running")),
        Route::Version => Ok(Response::json(200, &json!({ "version": VERSION }))),
        Route::Tags => models::tags(),
        Route::Ps => models::ps(),
        Route::Show => models::show(&mut body(request).await?),
        Route::Chat => answer::answer(chat::parse(&mut body(request).await?)?).await,
        Route::Generate => answer::answer(generate::parse(&mut body(request).await?)?).await,
        Route::Embed => embed::several(&mut body(request).await?),
        Route::Embeddings => embed::one(&mut body(request).await?),
    }
}

async fn body(request: &mut Request) -> Result<Fields, ApiError> {
    Ok(Fields::parse(&request.read_body(MAX_BODY).await?)?)
}

#[cfg(test)]
mod testing;
