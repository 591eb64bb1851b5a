//! Answers requests by WASI 0.2, as components do that other tools make. The path says what.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
    Scheme,
};
use wasip2::io::streams::OutputStream;

struct Proxy;

mod exported {
    use super::Proxy;

    wasip2::http::proxy::export!(Proxy);
}

impl Guest for Proxy {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        match target.strip_prefix("/proxy/").unwrap_or_default() {
            "hello" => answer(out, 200, [b"hello".to_vec()]),
            "echo" => answer(out, 200, [read(&request)]),
            "who" => {
                let headers = request.headers().entries();
                let headers: Vec<String> = headers
                    .iter()
                    .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                    .collect();
                let text = format!("{:?} {:?} {}", request.method(), request.authority(), headers.join(" "));
                answer(out, 200, [text.into_bytes()]);
            }
            "endless" => answer(out, 200, std::iter::repeat_with(|| vec![b'x'; 64 << 10])),
            "refuse" => ResponseOutparam::set(out, Err(ErrorCode::HttpRequestDenied)),
            "nothing" => drop(out),
            "panic" => crash(),
            "start-then-panic" => {
                let (_body, stream) = start(out, 200);
                // More than waits between plugin and host, so that some of it has been read.
                for _ in 0..16 {
                    let _ = stream.blocking_write_and_flush(&[b'x'; 4096]);
                }
                crash();
            }
            "spin" => loop {
                std::hint::spin_loop();
            },
            rest => match rest.strip_prefix("fetch/") {
                Some(url) => {
                    let (status, text) = match fetch(url) {
                        Ok(text) => (200, text),
                        Err(code) => (409, format!("{code:?}")),
                    };
                    answer(out, status, [text.into_bytes()]);
                }
                None => answer(out, 404, [b"no such thing".to_vec()]),
            },
        }
    }
}

#[expect(clippy::panic, reason = "that is what it is for")]
fn crash() -> ! {
    panic!("the proxy was told to panic")
}

fn read(request: &IncomingRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(body) = request.consume() else { return bytes };
    let Ok(stream) = body.stream() else { return bytes };
    while let Ok(piece) = stream.blocking_read(64 << 10) {
        bytes.extend(piece);
    }
    bytes
}

/// Fetches `authority/path` over http.
fn fetch(url: &str) -> Result<String, ErrorCode> {
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(&format!("/{path}")));
    let coming = outgoing_handler::handle(request, None)?;
    coming.subscribe().block();
    let Some(Ok(response)) = coming.get() else { crash() };
    let response = response?;
    let Ok(body) = response.consume() else { crash() };
    let Ok(stream) = body.stream() else { crash() };
    let mut bytes = Vec::new();
    while let Ok(piece) = stream.blocking_read(64 << 10) {
        bytes.extend(piece);
    }
    Ok(format!("{} {}", response.status(), String::from_utf8_lossy(&bytes)))
}

/// Begins an answer: its body, and the stream into it.
fn start(out: ResponseOutparam, status: u16) -> (OutgoingBody, OutputStream) {
    let response = OutgoingResponse::new(Fields::new());
    let _ = response.set_status_code(status);
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    let Ok(body) = body else { crash() };
    let Ok(stream) = body.write() else { crash() };
    (body, stream)
}

fn answer(out: ResponseOutparam, status: u16, pieces: impl IntoIterator<Item = Vec<u8>>) {
    let (body, stream) = start(out, status);
    for piece in pieces {
        // At most so much at a time, says WASI; and a failure means that nobody reads any more.
        for part in piece.chunks(4096) {
            if stream.blocking_write_and_flush(part).is_err() {
                return;
            }
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
