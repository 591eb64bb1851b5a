//! Filters.

use bytes::Bytes;
use serde_json::{Value, json};

use super::cases::{AnswerCase, Expected, FilterCase};
use super::{Outcome, Report, compare, unexpected};
use crate::error::{Error, ErrorKind};
use crate::plugin::Plugin;
use crate::role::bindings::filter::exports::inferno::plugin::filter::{
    RequestAction, RequestHead, ResponseAction, ResponseHead,
};
use crate::state::Caller;

/// Answers up to this size are also handed over byte by byte.
const SMALL: usize = 4096;

pub(super) async fn check(report: &mut Report, plugin: &Plugin, caller: &Caller, cases: &[FilterCase]) {
    for case in cases {
        let run = async |cut| exchange(plugin, caller, case, cut).await;
        let first = run(Cut::AsGiven).await;
        let second = match case.deterministic {
            true => Some(run(Cut::AsGiven).await),
            false => None,
        };
        let expected = Expected { expect: case.expect.clone(), error: case.error.clone() };
        report.add("filter", &case.name, compare(&first, second.as_ref(), &expected));
        if case.deterministic
            && case.answer.is_some()
            && let Ok(found) = &first
        {
            let name = format!("{}: the same however the answer is cut", case.name);
            let cut = however_cut(plugin, caller, case, found).await;
            report.add("filter", name, cut);
        }
    }
    let path = plugin.filter_paths().into_iter().next().unwrap_or_else(|| "/".to_owned());
    for (name, body) in [
        ("an empty body is no reason to crash", ""),
        ("a body of nonsense is no reason to crash", "\u{fffd}{\"\n\n\0"),
    ] {
        let head =
            RequestHead { method: "POST".to_owned(), path_with_query: path.clone(), headers: Vec::new() };
        let looked = async {
            let mut call = plugin.filter(caller.clone()).await?;
            call.request(head, Bytes::from(body)).await
        };
        report.add("filter", name, no_crash(looked.await.map(drop)));
    }
}

/// A plugin may refuse what makes no sense, but it must live to say so.
fn no_crash(result: Result<(), Error>) -> Outcome {
    match result {
        Err(error) if !matches!(error.kind(), ErrorKind::Refused(_)) => Err(unexpected(&error)),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy)]
enum Cut {
    AsGiven,
    Whole,
    Bytes,
}

impl Cut {
    fn apply(self, answer: &AnswerCase) -> Vec<Bytes> {
        let whole = answer.chunks.concat();
        match self {
            Self::AsGiven => answer.chunks.iter().cloned().map(Bytes::from).collect(),
            Self::Whole => vec![Bytes::from(whole)],
            Self::Bytes => whole.bytes().map(|byte| Bytes::from(vec![byte])).collect(),
        }
    }
}

async fn however_cut(plugin: &Plugin, caller: &Caller, case: &FilterCase, found: &Value) -> Outcome {
    let small = case.answer.as_ref().is_some_and(|answer| answer.chunks.concat().len() <= SMALL);
    let cuts = [(Cut::Whole, "as one piece", true), (Cut::Bytes, "byte by byte", small)];
    for (cut, how, _) in cuts.into_iter().filter(|(_, _, applies)| *applies) {
        let other = exchange(plugin, caller, case, cut).await.map_err(|error| unexpected(&error))?;
        if other["answer"] != found["answer"] {
            return Err(format!("as given it becomes {}, and {how} {}", found["answer"], other["answer"]));
        }
    }
    Ok(())
}

async fn exchange(plugin: &Plugin, caller: &Caller, case: &FilterCase, cut: Cut) -> Result<Value, Error> {
    let mut call = plugin.filter(caller.clone()).await?;
    let headers = |headers: &std::collections::BTreeMap<String, String>| {
        headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let head = RequestHead {
        method: case.input.method.clone(),
        path_with_query: case.input.path.clone(),
        headers: headers(&case.input.headers),
    };
    let action = match call.request(head, case.input.bytes().into()).await? {
        RequestAction::Pass => json!("pass"),
        RequestAction::Replace(body) => {
            json!({ "replace": String::from_utf8_lossy(&body) })
        }
        RequestAction::Refuse(refusal) => {
            let refusal = json!({ "status": refusal.status, "message": refusal.message });
            return Ok(json!({ "request": { "refuse": refusal } }));
        }
    };
    let Some(answer) = &case.answer else { return Ok(json!({ "request": action })) };
    let head = ResponseHead { status: answer.status, headers: headers(&answer.headers) };
    let mut text = Vec::new();
    match call.response(head).await? {
        ResponseAction::Pass => text.extend(answer.chunks.concat().into_bytes()),
        ResponseAction::Filter => {
            for chunk in cut.apply(answer) {
                text.extend(call.chunk(chunk, false).await?);
            }
            text.extend(call.chunk(Bytes::new(), true).await?);
        }
    }
    Ok(json!({ "request": action, "answer": String::from_utf8_lossy(&text) }))
}
