//! Requests to other machines on a tape: each is one call, with its whole body, and so is its answer. While there is a
//! tape, a plugin gets an answer when it is whole. Trailers are left out.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, WasiBody};

use super::{Sent, send};
use crate::tape::{Bytes, Slot, Tape, Turn};

const CALL: &str = "wasi:http/client.send";
/// How long a plugin may take to write the body of a request.
const WRITING: Duration = Duration::from_secs(60);
/// The largest body of a request, and of an answer.
const MAX_BODY: usize = 32 << 20;

/// An answer.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, Bytes)>,
    body: Bytes,
}

/// Sends a request, and keeps it with its answer.
pub(super) async fn kept<F: Future<Output = Result<Sent, Error>> + Send>(
    tape: Tape,
    request: http::Request<WasiBody>,
    sending: impl FnOnce(http::Request<WasiBody>) -> F + Send,
) -> Result<Sent, Error> {
    let (parts, body) = written(request).await?;
    let slot = match tape.begin(CALL, || told(&tape, &parts, &body)).map_err(failed)? {
        Turn::Live(slot) => slot,
        Turn::Told(_) => return Err(failed("a tape that records tells nothing")),
    };
    let answered = match sending(http::Request::from_parts(parts, full(body))).await {
        Ok(sent) => answer(sent).await,
        Err(error) => Err(error),
    };
    hand_over(keep(slot, answered)?)
}

/// Takes the answer to a request from the tape.
pub(super) async fn again(tape: Tape, request: http::Request<WasiBody>) -> Result<Sent, Error> {
    let (parts, body) = written(request).await?;
    match tape.begin(CALL, || told(&tape, &parts, &body)).map_err(failed)? {
        Turn::Told(told) => hand_over(told.result().map_err(failed)?),
        Turn::Live(_) => Err(failed("a tape that replays sends nothing")),
    }
}

/// A request with its whole body. One that has none for certain is not asked for it: it may only end after the answer.
async fn written(request: http::Request<WasiBody>) -> Result<(http::request::Parts, bytes::Bytes), Error> {
    let (parts, body) = request.into_parts();
    let body = match send::is_bare(&parts) {
        true => bytes::Bytes::new(),
        false => timeout(WRITING, whole(body)).await.map_err(|_| Error::ConnectionWriteTimeout)??,
    };
    Ok((parts, body))
}

fn keep(slot: Slot, answered: Result<Answer, Error>) -> Result<Result<Answer, String>, Error> {
    slot.done(answered.map_err(|error| name(&error))).map_err(failed)
}

fn hand_over(answered: Result<Answer, String>) -> Result<Sent, Error> {
    let Answer { status, headers, body: Bytes(body) } = answered.map_err(|name| named(&name))?;
    let mut answer = http::Response::builder().status(status);
    for (name, Bytes(value)) in headers {
        answer = answer.header(name, value);
    }
    let answer = answer.body(full(body.into())).map_err(failed)?;
    Ok((answer, Box::new(async { Ok(()) })))
}

/// A request as it stands on the tape. Of its body there is the digest; of the headers that carry keys, a print.
fn told(tape: &Tape, parts: &http::request::Parts, body: &[u8]) -> Value {
    let carries_key = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].map(|name| name.to_string());
    let mut headers: Vec<(String, String)> = texts(&parts.headers)
        .map(|(name, Bytes(value))| {
            let value = String::from_utf8_lossy(&value).into_owned();
            let is_key = carries_key.contains(&name) || name == "x-api-key";
            let value = if is_key { tape.print_of(&value) } else { value };
            (name, value)
        })
        .collect();
    headers.sort();
    let digest =
        Sha256::digest(body).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"));
    json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "headers": headers,
        "body": { "bytes": body.len(), "digest": digest },
    })
}

fn texts(headers: &HeaderMap) -> impl Iterator<Item = (String, Bytes)> {
    headers.iter().map(|(name, value)| (name.to_string(), Bytes(value.as_bytes().to_vec())))
}

async fn answer((answer, rest): Sent) -> Result<Answer, Error> {
    let (parts, body) = answer.into_parts();
    let (mut rest, mut body) = (Some(Box::into_pin(rest)), pin!(whole(body)));
    // The connection gets on only while it is polled.
    let body = poll_fn(|cx| {
        if let Some(open) = &mut rest
            && open.as_mut().poll(cx).is_ready()
        {
            rest = None;
        }
        body.as_mut().poll(cx)
    })
    .await?;
    let body = Bytes(body.to_vec());
    Ok(Answer { status: parts.status.as_u16(), headers: texts(&parts.headers).collect(), body })
}

async fn whole(body: WasiBody) -> Result<bytes::Bytes, Error> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) => Err(match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => Error::HttpResponseBodySize(Some(MAX_BODY as u64)),
        }),
    }
}

fn full(body: bytes::Bytes) -> WasiBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::InternalError(Some(error.to_string()))
}

macro_rules! names {
    ($($error:ident),* $(,)?) => {
        /// An error of a request as it stands on the tape: what a plugin can tell apart.
        fn name(error: &Error) -> String {
            match error {
                $(Error::$error => stringify!($error).to_owned(),)*
                Error::Connect(_) => "ConnectionRefused".to_owned(),
                Error::Hyper(_) => "HttpProtocolError".to_owned(),
                Error::Tls(_) => "TlsProtocolError".to_owned(),
                Error::InternalError(Some(text)) => text.clone(),
                other => other.to_string(),
            }
        }

        /// The opposite of [`name`].
        fn named(name: &str) -> Error {
            match name {
                $(stringify!($error) => Error::$error,)*
                other => Error::InternalError(Some(other.to_owned())),
            }
        }
    };
}

names!(
    DnsTimeout,
    DestinationNotFound,
    DestinationUnavailable,
    DestinationIpProhibited,
    DestinationIpUnroutable,
    ConnectionRefused,
    ConnectionTerminated,
    ConnectionTimeout,
    ConnectionReadTimeout,
    ConnectionWriteTimeout,
    ConnectionLimitReached,
    TlsProtocolError,
    TlsCertificateError,
    HttpRequestDenied,
    HttpRequestLengthRequired,
    HttpRequestMethodInvalid,
    HttpRequestUriInvalid,
    HttpRequestUriTooLong,
    HttpResponseIncomplete,
    HttpResponseTimeout,
    HttpUpgradeFailed,
    HttpProtocolError,
    LoopDetected,
    ConfigurationError,
);
