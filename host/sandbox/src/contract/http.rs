//! Http plugins.

use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json};

use super::cases::{Expected, HttpCase, RequestCase};
use super::{Report, compare, unexpected};
use crate::error::{BodyError, Error, ErrorKind};
use crate::plugin::Plugin;
use crate::state::Caller;

pub(super) async fn check(report: &mut Report, plugin: &Plugin, caller: &Caller, cases: &[HttpCase]) {
    for case in cases {
        let first = ask(plugin, caller, &case.input).await;
        let second = match case.deterministic {
            true => Some(ask(plugin, caller, &case.input).await),
            false => None,
        };
        let expected = Expected { expect: case.expect.clone(), error: None };
        report.add("http", &case.name, compare(&first, second.as_ref(), &expected));
    }
    for mount in plugin.http_mounts() {
        let path = format!("{}/no-such-thing", mount.trim_end_matches('/'));
        let request =
            RequestCase { method: "GET".to_owned(), path, headers: Default::default(), body: Value::Null };
        let answered = ask(plugin, caller, &request).await.map(drop).map_err(|error| unexpected(&error));
        report.add("http", format!("it answers under {mount}"), answered);
    }
}

async fn ask(plugin: &Plugin, caller: &Caller, case: &RequestCase) -> Result<Value, Error> {
    let mut request = http::Request::builder().method(&*case.method).uri(&case.path);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let body = Full::from(case.bytes()).map_err(|never| match never {}).boxed_unsync();
    let request = request
        .body(body)
        .map_err(|error| Error::new(ErrorKind::Manifest, format!("the case is no request: {error}")))?;
    let (head, body) = plugin.handle(caller.clone(), request).await?.into_parts();
    let bytes = body.collect().await.map_err(|error| match error {
        BodyError::Plugin(error) => error,
        other => Error::new(ErrorKind::Host, other.to_string()),
    })?;
    let text = String::from_utf8_lossy(&bytes.to_bytes()).into_owned();
    let headers: Map<String, Value> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(json!({ "status": head.status.as_u16(), "headers": headers, "body": body }))
}
