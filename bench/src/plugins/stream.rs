//! What a filter costs for each token of a streamed answer.

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use inferno_sandbox::{Body, Plugin, ResponseHead, Sandbox};

use super::alternate;
use super::components::Folders;
use super::ours::{self, caller};
use super::plain::Plain;
use super::plain::bindings::exports::inferno::plugin::filter as plain;
use crate::report::Row;

const CALLS: u32 = 16;
/// Tokens of an answer, and of a round.
const TOKENS: u32 = 1_000;
const SSE: &str = "text/event-stream";
/// An event with one token, as the gateway writes it.
const EVENT: &str = concat!(
    r#"data: {"id":"chatcmpl-7f3a2b","object":"chat.completion.chunk","created":1764068400,"model":"storyteller","#,
    r#""choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}"#,
    "\n\n"
);

/// Measures it.
pub(crate) async fn rows(folders: &Folders) -> Result<Vec<Row>> {
    let sandbox = Sandbox::new(ours::config(&folders.our_cache, CALLS), ours::services()?)?;
    let engine = Plain::new(&folders.plain_cache, CALLS)?;
    let (redact, pass) = (ours::load(&sandbox, &folders.redact)?, ours::load(&sandbox, &folders.pass)?);
    let mut rows = Vec::new();
    for (name, plugin, folder) in
        [("redact-filter", &redact, &folders.redact), ("small plugin", &pass, &folders.pass)]
    {
        let mut call = plugin.filter(caller()).await?;
        let mut peer = engine.load(folder)?.filter().await?;
        let headers = vec![(CONTENT_TYPE.to_string(), SSE.to_owned())];
        call.response(ResponseHead { status: 200, headers: headers.clone() }).await?;
        peer.response(&plain::ResponseHead { status: 200, headers }).await?;
        let event = Bytes::from_static(EVENT.as_bytes());
        let (value, versus) = alternate(
            TOKENS,
            async || {
                call.chunk(event.clone(), false).await?;
                Ok(())
            },
            async || {
                peer.chunk(&event, false).await?;
                Ok(())
            },
        )
        .await?;
        let title = format!("{name}: a streamed token through the filter; vs plain wasmtime");
        rows.push(Row::versus(title, value, "us", versus));
    }
    let (value, versus) =
        alternate(1, async || exchange(Some(&redact)).await, async || exchange(None).await).await?;
    let each = f64::from(TOKENS);
    rows.push(Row::versus(
        "redact-filter: a token of an exchange of 1,000; vs no filter around it",
        value / each,
        "us",
        versus / each,
    ));
    Ok(rows)
}

/// One exchange, its answer read to the end.
async fn exchange(filter: Option<&Plugin>) -> Result<()> {
    let nothing: Body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::post("/v1/chat/completions").body(nothing)?;
    let next = |_request| async {
        let events = stream::iter((0..TOKENS).map(|_| Ok(Frame::data(Bytes::from_static(EVENT.as_bytes())))));
        let body: Body = StreamBody::new(events).boxed_unsync();
        Ok::<_, anyhow::Error>(http::Response::builder().header(CONTENT_TYPE, SSE).body(body)?)
    };
    let answer = match filter {
        Some(plugin) => plugin.filter_exchange(caller(), request, next).await?,
        None => next(request).await?,
    };
    let mut body = answer.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    if bytes != EVENT.len() * TOKENS as usize {
        bail!("an answer of {bytes} bytes came through");
    }
    Ok(())
}
