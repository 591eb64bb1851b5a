//! Anthropic's dialect: what its clients send to `/v1/messages` becomes calls of the host, and what the host says
//! becomes what they expect.
//!
//! A field that changes the answer is obeyed or refused, never half obeyed; a field that does not is ignored.

mod answer;
mod ask;
mod blocks;
mod error;
mod messages;
mod tools;

use std::hash::{BuildHasher, RandomState};

use inferno_sdk::http::{Handler, Method, Request, Response};
use inferno_sdk::json::Fields;

use crate::error::ApiError;

/// The largest body that is read. The host's own limit is usually lower.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The versions of the API that this is. Of the later one's differences none matters here: it has no `temperature`,
/// `top_p` and `top_k`, which the models here have, so that they are understood in both.
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

struct Anthropic;

impl Handler for Anthropic {
    async fn handle(mut request: Request) -> Response {
        // The name under which the host's log has the request.
        let id = request.headers().get("x-request-id");
        let id = id.unwrap_or_else(|| format!("{:016x}", RandomState::new().hash_one(VERSIONS)));
        let answered = dispatch(&mut request, &id).await;
        answered.unwrap_or_else(|error| error.into_response(&id)).header("request-id", id)
    }
}

inferno_sdk::export_http!(Anthropic);

async fn dispatch(request: &mut Request, id: &str) -> Result<Response, ApiError> {
    let count = match request.path().trim_end_matches('/') {
        "/v1/messages" => false,
        "/v1/messages/count_tokens" => true,
        path => return Err(ApiError::unknown_path(path)),
    };
    if *request.method() != Method::Post {
        return Err(ApiError::method(request.method().as_str(), request.path()));
    }
    if let Some(version) = request.headers().get("anthropic-version")
        && !VERSIONS.contains(&version.as_str())
    {
        return Err(ApiError::version(&version));
    }
    let mut body = Fields::parse(&request.read_body(MAX_BODY).await?)?;
    if count {
        answer::count(&ask::to_count(&mut body)?)
    } else {
        answer::answer(ask::parse(&mut body)?, id).await
    }
}

#[cfg(test)]
mod testing;
