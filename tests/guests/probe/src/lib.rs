//! A plugin that does whatever a test asks of it, allowed or not. The path says what; the query has the arguments.

mod files;
mod misbehave;
mod outside;
mod report;
mod stores;
mod use_host;
mod use_plugins;

mod wit {
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/wasi-clocks",
            "../../../wit/deps/wasi-random",
            "../../../wit/deps/wasi-filesystem",
            "../../../wit/deps/wasi-sockets",
            "../../../wit/deps/wasi-cli",
            "../../../wit/deps/wasi-http",
            "../../../wit/host",
            "../../../wit/plugin",
        ],
        inline: "
            package inferno:guests;
            world probe {
                include inferno:plugin/http@0.1.0;
                export wasi:cli/run@0.3.0;
            }
        ",
        world: "inferno:guests/probe",
        generate_all,
    });
}

use std::sync::atomic::{AtomicU32, Ordering};
use wit::exports::wasi::http::handler::Guest;
use wit::wasi::http::types::{ErrorCode, Fields, Request, Response};

use wit_bindgen::{StreamResult, StreamWriter};

static COUNT: AtomicU32 = AtomicU32::new(1);

struct Probe;

#[expect(unsafe_code, reason = "generated code")]
mod exported {
    use super::{Probe, wit};

    wit::export!(Probe with_types_in wit);
}

/// The arguments of a request.
struct Query(Vec<(String, String)>);

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// As a command it succeeds if there is a file `a.txt` where it is run.
impl wit::exports::wasi::cli::run::Guest for Probe {
    async fn run() -> Result<(), ()> {
        std::fs::read("a.txt").map(drop).map_err(drop)
    }
}

impl Guest for Probe {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = Query(query.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
        match path.strip_prefix("/probe/").unwrap_or_default() {
            "hello" => Ok(text(200, "hello")),
            "echo" => match read(request).await {
                Ok(body) => Ok(whole(200, body)),
                Err(code) => Ok(text(400, &format!("{code:?}"))),
            },
            "pass" => Ok(pass(request)),
            "upper" => Ok(upper(request)),
            "who" => Ok(text(200, &report::request(&request))),
            "refuse" => Err(ErrorCode::InternalError(Some("I do not want to".to_owned()))),
            "too-large" => Err(ErrorCode::HttpRequestBodySize(Some(1))),
            // How often this instance has been asked: a fresh one says 1.
            "count" => Ok(text(200, &COUNT.fetch_add(1, Ordering::Relaxed).to_string())),
            "files" => Ok(told(files::through_std(&query))),
            "wasi-files" => Ok(told(files::through_wasi(&query).await)),
            "fetch" => Ok(told(outside::fetch(&query).await)),
            "late-work" => Ok(use_host::late_work()),
            name => match use_host::call(name, &query, request).await {
                Some(response) => Ok(response),
                None => Ok(misbehave::call(name, &query).await),
            },
        }
    }
}

/// What came of it, or with status 409 why not.
fn told(outcome: Result<String, String>) -> Response {
    match outcome {
        Ok(body) => text(200, &body),
        Err(why) => text(409, &why),
    }
}

/// The whole body of a request, or what went wrong with it.
async fn read(request: Request) -> Result<Vec<u8>, ErrorCode> {
    let (_done, done) = wit::wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, done);
    let bytes = body.collect().await;
    trailers.await.map(|_| bytes)
}

/// Answers with the body of the request as it comes in.
fn pass(request: Request) -> Response {
    let (_done, done) = wit::wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, done);
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
    response
}

/// The same in capitals.
fn upper(request: Request) -> Response {
    let (_done, done) = wit::wit_future::new(|| Ok(()));
    let (mut body, _trailers) = Request::consume_body(request, done);
    respond(200, &[], async move |mut out| {
        loop {
            let (result, mut bytes) = body.read(Vec::with_capacity(4096)).await;
            bytes.make_ascii_uppercase();
            // Whoever reads may have gone.
            let unread = out.write_all(bytes).await;
            if !unread.is_empty() || matches!(result, StreamResult::Dropped | StreamResult::Cancelled) {
                return;
            }
        }
    })
}

fn text(status: u16, text: &str) -> Response {
    whole(status, text.as_bytes().to_vec())
}

fn whole(status: u16, body: Vec<u8>) -> Response {
    let length = body.len().to_string().into_bytes();
    respond(status, &[("content-length", length)], async move |mut out| {
        out.write_all(body).await;
    })
}

/// A response whose body is written by `write` while it is on its way.
fn respond(
    status: u16,
    headers: &[(&str, Vec<u8>)],
    write: impl AsyncFnOnce(StreamWriter<u8>) + 'static,
) -> Response {
    let (out, body) = wit::wit_stream::new::<u8>();
    let (trailers, no_trailers) = wit::wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        write(out).await;
        // Whoever reads may have gone.
        let _ = trailers.write(Ok(None)).await;
    });
    let fields = Fields::new();
    for (name, value) in headers {
        let _ = fields.append(name, value);
    }
    let (response, _sent) = Response::new(fields, Some(body), no_trailers);
    let _ = response.set_status_code(status);
    response
}
