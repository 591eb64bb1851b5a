//! Requests to other machines, through `wasi:http/client`.

use crate::Query;
use crate::wit::wasi::http::client;
use crate::wit::wasi::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme};

/// Fetches `url`; answers with the status, a header and the body.
pub(crate) async fn fetch(query: &Query) -> Result<String, String> {
    fetched(query).await.map_err(|code| format!("{code:?}"))
}

async fn fetched(query: &Query) -> Result<String, ErrorCode> {
    let url = query.text("url");
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", &url));
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let (_done, done) = crate::wit::wit_future::new(|| Ok(None));
    let options = RequestOptions::new();
    if let Some(ms) = query.number("first-byte-ms") {
        let _ = options.set_first_byte_timeout(Some(ms * 1_000_000));
    }
    let (request, _sent) = Request::new(Fields::new(), None, done, Some(options));
    let _ = request.set_scheme(Some(&match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }));
    if let Some(method) = query.get("method") {
        let _ = request.set_method(&Method::Other(method.to_owned()));
    }
    let authority = query.get("authority").unwrap_or(authority);
    request.set_authority(Some(authority)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    request.set_path_with_query(Some(path)).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let response = client::send(request).await?;
    let status = response.get_status_code();
    let location = response.get_headers().get("location").into_iter().next().unwrap_or_default();
    let (_read, read) = crate::wit::wit_future::new(|| Ok(()));
    let (body, end) = Response::consume_body(response, read);
    let body = body.collect().await;
    end.await?;
    Ok(format!("{status} {} {}", String::from_utf8_lossy(&location), String::from_utf8_lossy(&body)))
}
