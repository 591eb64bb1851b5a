//! The roles as JSON: what goes in and what comes out, for `inferno plugin call` and for recorded cases.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use inferno_sandbox::{
    BodyError, Caller, Item, Outcome, Plugin, RequestAction, RequestHead, ResponseAction, ResponseHead,
    Route, Sample,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The roles that can be played by hand; commands are verbs.
pub(crate) const PLAYABLE: [&str; 6] = ["http", "filter", "step", "judge", "converter", "catalog"];

/// The longest answer to an HTTP request that is shown.
const MAX_ANSWER: usize = 16 << 20;

/// Has a plugin play a role once. Paths in the input are relative to `base`.
pub(crate) async fn play(
    plugin: &Plugin,
    caller: Caller,
    role: &str,
    input: Value,
    base: &Path,
) -> Result<Value, Failure> {
    match role {
        "http" => http(plugin, caller, read(role, input)?).await,
        "filter" => filter(plugin, caller, read(role, input)?).await,
        "step" => step(plugin, caller, read(role, input)?).await,
        "judge" => judge(plugin, caller, read(role, input)?).await,
        "converter" => converter(plugin, caller, read(role, input)?, base).await,
        "catalog" => catalog(plugin, caller, read(role, input)?).await,
        _ => Err(Failure::usage(format!("the role {role} cannot be played by hand"))
            .hint(format!("these can: {}", PLAYABLE.join(", ")))),
    }
}

fn read<T: DeserializeOwned>(role: &str, input: Value) -> Result<T, Failure> {
    serde_json::from_value(input).map_err(|error| {
        Failure::usage(format!("the input does not fit the role {role}: {error}")).hint(example(role))
    })
}

/// What an input looks like.
fn example(role: &str) -> String {
    let example = match role {
        "http" => r#"{ "method": "POST", "path": "/acme", "headers": [["accept", "*/*"]], "body": "text" }"#,
        "filter" => {
            r#"{ "request": { "method": "POST", "path": "/v1/chat/completions", "body": "text" }, "response": { "status": 200, "chunks": ["text"] } }"#
        }
        "step" => r#"{ "config": {}, "items": [{ "id": "1", "data": { "text": "a small fox" } }] }"#,
        "judge" => {
            r#"{ "config": {}, "samples": [{ "prompt": "Say hello.", "answer": "Hello!", "expected": null }] }"#
        }
        "converter" => {
            r#"{ "route": { "source": "a", "target": "b" }, "options": {}, "in": "folder", "out": "folder" }, or {} for the routes"#
        }
        _ => r#"{ "search": "tiny" } or { "resolve": "tiny", "version": "1.0.0" }"#,
    };
    format!("it looks like {example}")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default = "get")]
    method: String,
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<Value>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Request {
    /// Text goes as it is, anything else as JSON.
    fn body(&self) -> Bytes {
        match &self.body {
            None => Bytes::new(),
            Some(Value::String(text)) => text.clone().into(),
            Some(other) => other.to_string().into(),
        }
    }
}

/// Bytes as JSON where they are, else as text.
fn shown(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

async fn http(plugin: &Plugin, caller: Caller, input: Request) -> Result<Value, Failure> {
    let mut request = http::Request::builder().method(input.method.as_str()).uri(&input.path);
    for (name, value) in &input.headers {
        request = request.header(name, value);
    }
    let body =
        Full::new(input.body()).map_err(|never: std::convert::Infallible| -> BodyError { match never {} });
    let request = request
        .body(body.boxed_unsync())
        .map_err(|error| Failure::usage(format!("this is no HTTP request: {error}")))?;
    let response = plugin.handle(caller, request).await?;
    let (head, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| Failure::new(format!("the answer broke off: {error}")))?
        .to_bytes();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(json!({ "status": head.status.as_u16(), "headers": headers, "body": shown(&body) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: Request,
    #[serde(default)]
    response: Option<Answer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    chunks: Vec<String>,
}

fn ok() -> u16 {
    200
}

async fn filter(plugin: &Plugin, caller: Caller, input: Exchange) -> Result<Value, Failure> {
    let mut call = plugin.filter(caller).await?;
    let body = input.request.body();
    let head = RequestHead {
        method: input.request.method,
        path_with_query: input.request.path,
        headers: input.request.headers,
    };
    let action = call.request(head, body).await?;
    let mut output = json!({
        "request": match &action {
            RequestAction::Pass => json!("pass"),
            RequestAction::Replace(body) => json!({ "replace": shown(body) }),
            RequestAction::Refuse(refusal) => {
                json!({ "refuse": { "status": refusal.status, "message": refusal.message } })
            }
        }
    });
    let Some(answer) = input.response.filter(|_| !matches!(action, RequestAction::Refuse(_))) else {
        return Ok(output);
    };
    let look = call.response(ResponseHead { status: answer.status, headers: answer.headers }).await?;
    output["response"] = match look {
        ResponseAction::Filter => json!("filter"),
        ResponseAction::Pass => json!("pass"),
    };
    if look == ResponseAction::Filter {
        let mut chunks = Vec::new();
        let last = answer.chunks.len().saturating_sub(1);
        for (index, chunk) in answer.chunks.into_iter().enumerate() {
            let chunk = call.chunk(chunk.into(), index == last).await?;
            chunks.push(String::from_utf8_lossy(&chunk).into_owned());
        }
        output["chunks"] = json!(chunks);
    }
    Ok(output)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    #[serde(default = "empty")]
    config: Value,
    items: Vec<Record>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: String,
    data: Value,
}

fn empty() -> Value {
    json!({})
}

impl From<Item> for Record {
    fn from(item: Item) -> Self {
        Self { id: item.id, data: shown(item.data.as_bytes()) }
    }
}

async fn step(plugin: &Plugin, caller: Caller, input: Batch) -> Result<Value, Failure> {
    let mut step = plugin.open_step(caller, &input.config.to_string()).await?;
    let items =
        input.items.into_iter().map(|record| Item { id: record.id, data: record.data.to_string() }).collect();
    let records = |items: Vec<Item>| items.into_iter().map(Record::from).collect::<Vec<_>>();
    let outcomes = step.process(items).await?.into_iter().map(|outcome| match outcome {
        Outcome::Emit(items) => json!({ "emit": records(items) }),
        Outcome::Retry(why) => json!({ "retry": why }),
        Outcome::Reject(why) => json!({ "reject": why }),
        Outcome::Drop(why) => json!({ "drop": why }),
    });
    let outcomes: Vec<Value> = outcomes.collect();
    Ok(json!({ "outcomes": outcomes, "finish": records(step.finish().await?) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Samples {
    #[serde(default = "empty")]
    config: Value,
    samples: Vec<Answered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    #[serde(default)]
    prompt: String,
    answer: String,
    #[serde(default)]
    expected: Option<String>,
}

async fn judge(plugin: &Plugin, caller: Caller, input: Samples) -> Result<Value, Failure> {
    let samples = input
        .samples
        .into_iter()
        .map(|Answered { prompt, answer, expected }| Sample { prompt, answer, expected })
        .collect();
    let verdicts = plugin.judge(caller, &input.config.to_string(), samples).await?;
    Ok(verdicts
        .into_iter()
        .map(|verdict| json!({ "pass": verdict.pass, "score": verdict.score, "reason": verdict.reason }))
        .collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conversion {
    #[serde(default)]
    route: Option<Way>,
    #[serde(default = "empty")]
    options: Value,
    #[serde(default, rename = "in")]
    input: Option<String>,
    #[serde(default, rename = "out")]
    output: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    source: String,
    target: String,
}

async fn converter(
    plugin: &Plugin,
    caller: Caller,
    input: Conversion,
    base: &Path,
) -> Result<Value, Failure> {
    let Some(Way { source, target }) = input.route else {
        let routes = plugin.converter_routes(caller).await?;
        return Ok(routes
            .into_iter()
            .map(|route| json!({ "source": route.source, "target": route.target }))
            .collect());
    };
    let (Some(from), Some(to)) = (input.input, input.output) else {
        return Err(
            Failure::usage("a conversion needs the folders `in` and `out`").hint(example("converter"))
        );
    };
    let to = base.join(to);
    std::fs::create_dir_all(&to)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", to.display())))?;
    let route = Route { source, target };
    let files = plugin.convert(caller, &route, &input.options.to_string(), &base.join(from), &to).await?;
    Ok(json!(files))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Query {
    Search {
        search: String,
        #[serde(default)]
        cursor: Option<String>,
    },
    Resolve {
        resolve: String,
        #[serde(default)]
        version: Option<String>,
    },
}

async fn catalog(plugin: &Plugin, caller: Caller, input: Query) -> Result<Value, Failure> {
    match input {
        Query::Search { search, cursor } => {
            let page = plugin.search(caller, &search, cursor.as_deref()).await?;
            let entries: Vec<Value> = page
                .entries
                .into_iter()
                .map(|entry| {
                    json!({
                        "kind": entry.kind, "name": entry.name, "version": entry.version, "summary": entry.summary
                    })
                })
                .collect();
            Ok(json!({ "entries": entries, "next": page.next }))
        }
        Query::Resolve { resolve, version } => {
            let artifacts = plugin.resolve(caller, &resolve, version.as_deref()).await?;
            Ok(artifacts
                .into_iter()
                .map(|file| json!({ "url": file.url, "digest": file.digest, "size_bytes": file.size_bytes }))
                .collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_an_input() {
        for role in PLAYABLE {
            let example = example(role);
            let json = &example["it looks like ".len()..];
            // The first of several.
            let value =
                serde_json::Deserializer::from_str(json).into_iter::<Value>().next().unwrap().unwrap();
            match role {
                "http" => drop(read::<Request>(role, value).unwrap()),
                "filter" => drop(read::<Exchange>(role, value).unwrap()),
                "step" => drop(read::<Batch>(role, value).unwrap()),
                "judge" => drop(read::<Samples>(role, value).unwrap()),
                "converter" => drop(read::<Conversion>(role, value).unwrap()),
                _ => drop(read::<Query>(role, value).unwrap()),
            }
        }
        let wrong = read::<Batch>("step", json!({ "itmes": [] })).err().unwrap();
        assert!(
            wrong.message.contains("itmes") && wrong.hint.unwrap().contains("\"items\""),
            "{}",
            wrong.message
        );
    }

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        assert_eq!(shown(b"{\"a\":1}"), json!({ "a": 1 }));
        assert_eq!(shown(b"hello"), json!("hello"));
    }
}
