//! Instances and calls: the least that is a plugin against plain wasmtime, and a filter over 2 KB of prompt against
//! plain wasmtime and against the same Rust code compiled for this machine.

use std::hint::black_box;

use anyhow::{Result, bail};
use bytes::Bytes;
use inferno_sandbox::{RequestAction, RequestHead, Sandbox};
use inferno_sdk::filter::{self as native, Filter as _};
use redact_filter::Redact;

use super::alternate;
use super::components::Folders;
use super::ours::{self, caller};
use super::plain::Plain;
use super::plain::bindings::exports::inferno::plugin::filter as plain;
use crate::report::Row;

const CALLS: u32 = 16;
const METHOD: &str = "POST";
const PATH: &str = "/v1/chat/completions";
/// Iterations of a round.
const FRESH: u32 = 40;
const WARM: u32 = 400;

/// Measures them.
pub(crate) async fn rows(folders: &Folders) -> Result<Vec<Row>> {
    let sandbox = Sandbox::new(ours::config(&folders.our_cache, CALLS), ours::services()?)?;
    let plain = Plain::new(&folders.plain_cache, CALLS)?;
    let mut rows = pass(folders, &sandbox, &plain).await?;
    rows.extend(redact(folders, &sandbox, &plain).await?);
    Ok(rows)
}

async fn pass(folders: &Folders, sandbox: &Sandbox, plain: &Plain) -> Result<Vec<Row>> {
    let (ours, plain) = (ours::load(sandbox, &folders.pass)?, plain.load(&folders.pass)?);
    let data = Bytes::from_static(b"x");
    let fresh = alternate(
        FRESH,
        async || {
            ours.filter(caller()).await?.chunk(data.clone(), false).await?;
            Ok(())
        },
        async || {
            plain.filter().await?.chunk(&data, false).await?;
            Ok(())
        },
    )
    .await?;
    let (mut our_call, mut plain_call) = (ours.filter(caller()).await?, plain.filter().await?);
    let warm = alternate(
        WARM,
        async || {
            our_call.chunk(data.clone(), false).await?;
            Ok(())
        },
        async || {
            plain_call.chunk(&data, false).await?;
            Ok(())
        },
    )
    .await?;
    Ok(vec![
        Row::versus("small plugin: fresh instance, call, drop; vs plain wasmtime", fresh.0, "us", fresh.1)
            .aim("<= 14 us"),
        Row::versus("small plugin: warm call; vs plain wasmtime", warm.0, "us", warm.1).aim("<= 0.33 us"),
    ])
}

async fn redact(folders: &Folders, sandbox: &Sandbox, plain: &Plain) -> Result<Vec<Row>> {
    let (ours, plain) = (ours::load(sandbox, &folders.redact)?, plain.load(&folders.redact)?);
    let body = Bytes::from(prompt());
    let our_head =
        || RequestHead { method: METHOD.into(), path_with_query: PATH.into(), headers: Vec::new() };
    let plain_head =
        plain::RequestHead { method: METHOD.into(), path_with_query: PATH.into(), headers: Vec::new() };
    let in_rust = || Redact::default().request(native::RequestHead::new(METHOD, PATH), body.to_vec());
    let (mut our_call, mut plain_call) = (ours.filter(caller()).await?, plain.filter().await?);

    // All three do the same work.
    let RequestAction::Replace(by_us) = our_call.request(our_head(), body.clone()).await? else {
        bail!("the plugin masked nothing");
    };
    let by_plain = plain_call.request(&plain_head, &body).await?;
    let in_rust_alone = in_rust()?;
    if by_plain != plain::RequestAction::Replace(by_us.clone())
        || in_rust_alone != native::RequestAction::Replace(by_us)
    {
        bail!("the sides do not mask the same: {by_plain:?} and {in_rust_alone:?}");
    }

    let mut fresh_ours = async || {
        black_box(ours.filter(caller()).await?.request(our_head(), body.clone()).await?);
        Ok(())
    };
    let mut warm_ours = async || {
        black_box(our_call.request(our_head(), body.clone()).await?);
        Ok(())
    };
    let mut fresh_plain = async || {
        black_box(plain.filter().await?.request(&plain_head, &body).await?);
        Ok(())
    };
    let mut warm_plain = async || {
        black_box(plain_call.request(&plain_head, &body).await?);
        Ok(())
    };
    let mut native = async || {
        black_box(in_rust()?);
        Ok(())
    };
    let name = |what: &str, peer: &str| format!("redact-filter, 2 KB prompt: {what}; vs {peer}");
    let mut rows = Vec::new();
    let (value, peer) = alternate(FRESH, &mut fresh_ours, &mut native).await?;
    rows.push(Row::versus(name("fresh", "native Rust"), value, "us", peer).aim("<= 10.7 us"));
    let (value, peer) = alternate(WARM, &mut warm_ours, &mut native).await?;
    rows.push(Row::versus(name("warm", "native Rust"), value, "us", peer).aim("<= 4.6 us"));
    let (value, peer) = alternate(FRESH, &mut fresh_ours, &mut fresh_plain).await?;
    rows.push(Row::versus(name("fresh", "plain wasmtime"), value, "us", peer));
    let (value, peer) = alternate(WARM, &mut warm_ours, &mut warm_plain).await?;
    rows.push(Row::versus(name("warm", "plain wasmtime"), value, "us", peer));
    Ok(rows)
}

/// A chat request of 2 KB with two addresses.
fn prompt() -> String {
    let text = "The quick brown fox, who lives near the river, wrote to everyone that it would be late. ";
    let (before, after) = (text.repeat(10), text.repeat(11));
    let content = format!("{before}Write to jo@example.com {after}or to ann.lee@mail.example.org. ");
    let head = r#"{"model":"storyteller","stream":true,"messages":[{"role":"user","content":""#;
    let end = r#""}]}"#;
    let width = 2048 - head.len() - end.len();
    format!("{head}{content:<width$}{end}")
}
