//! One exchange with a filter around it.
//!
//! Filters are nested like the layers of an onion: the first one sees the request as the client sent it, and the
//! answer as the client gets it. Each holds one instance for as long as its exchange lasts; a client that goes away
//! drops the outermost body, and with it everything inside.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};

use super::{FilterCall, RequestAction, RequestHead, ResponseAction, ResponseHead};
use crate::error::{BodyError, Error, ErrorKind};
use crate::manifest::OnError;
use crate::plugin::Plugin;
use crate::role::http::{Body, SECRET_HEADERS};
use crate::state::Caller;

impl Plugin {
    /// Stands around an exchange as a filter: has a look at the request, whose body it gathers, lets `next` answer,
    /// and has the answer's chunks go through the plugin while they are on their way.
    ///
    /// Where the plugin fails, `on_error` of its manifest says what becomes of the exchange: it is refused, or an
    /// answer under way breaks off; or it goes on without the filter.
    pub async fn filter_exchange<E, F>(
        &self,
        caller: Caller,
        request: http::Request<Body>,
        next: impl FnOnce(http::Request<Body>) -> F,
    ) -> Result<http::Response<Body>, E>
    where
        E: From<Error>,
        F: Future<Output = Result<http::Response<Body>, E>>,
    {
        let role = self.inner.manifest.roles.filter.as_ref().ok_or_else(|| self.plays_no("filter"))?;
        let guard = Guard { plugin: self.name().to_owned(), on_error: role.on_error, caller: caller.clone() };
        let (parts, body) = request.into_parts();
        let body = gather(body, self.inner.limits.host_call_data.0).await?;
        let mut request = http::Request::from_parts(parts, Full::new(body.clone()));
        let head = RequestHead {
            method: request.method().to_string(),
            path_with_query: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: shown(request.headers()),
        };
        let looked = async {
            let mut call = self.filter(caller).await?;
            let action = call.request(head, body).await?;
            Ok((call, action))
        };
        let mut call = None;
        if let Some((looking, action)) = guard.judge(looked.await)? {
            match action {
                RequestAction::Pass => call = Some(looking),
                RequestAction::Replace(body) => {
                    call = Some(looking);
                    request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
                    *request.body_mut() = Full::from(body);
                }
                RequestAction::Refuse(refusal) => {
                    return Err(Error::new(ErrorKind::Answer(refusal.status), refusal.message).into());
                }
            }
        }
        let bodiless = request.method() == Method::HEAD;
        let answer = next(request.map(|body| body.map_err(|never| match never {}).boxed_unsync())).await?;
        let Some(mut call) = call else { return Ok(answer) };
        let head = ResponseHead { status: answer.status().as_u16(), headers: shown(answer.headers()) };
        let action = guard.judge(call.response(head).await)?;
        let bodiless = bodiless
            || matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || action != Some(ResponseAction::Filter);
        if bodiless {
            return Ok(answer);
        }
        let (mut parts, body) = answer.into_parts();
        // It may become another one.
        parts.headers.remove(CONTENT_LENGTH);
        let pipe = Pipe { body, call: Some(call), guard, then: None, ended: false };
        let body = StreamBody::new(futures::stream::unfold(pipe, Pipe::next)).boxed_unsync();
        Ok(http::Response::from_parts(parts, body))
    }

    /// The paths around which the plugin stands as a filter; none if it does not play that role.
    pub fn filter_paths(&self) -> Vec<String> {
        self.inner.manifest.roles.filter.as_ref().map(|filter| filter.applies_to.clone()).unwrap_or_default()
    }
}

/// What becomes of an exchange in which the filter fails.
struct Guard {
    plugin: String,
    on_error: OnError,
    caller: Caller,
}

impl Guard {
    fn judge<T>(&self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match (result, self.on_error) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(error), OnError::Refuse) => Err(error),
            (Err(error), OnError::Pass) => {
                tracing::warn!(
                    plugin = self.plugin,
                    tenant = self.caller.tenant,
                    request_id = self.caller.request_id,
                    "the exchange goes on without a filter: {error}"
                );
                Ok(None)
            }
        }
    }
}

/// An answer's body on its way through the filter.
struct Pipe {
    body: Body,
    /// None: the filter has failed, and what comes passes.
    call: Option<FilterCall>,
    guard: Guard,
    /// Goes on after what is returned first.
    then: Option<Frame<Bytes>>,
    ended: bool,
}

type Next = Result<Frame<Bytes>, BodyError>;

impl Pipe {
    async fn next(mut self) -> Option<(Next, Self)> {
        loop {
            if let Some(frame) = self.then.take() {
                return Some((Ok(frame), self));
            }
            if self.ended {
                return None;
            }
            let filtered = match self.body.frame().await {
                None => {
                    self.ended = true;
                    self.chunk(Bytes::new(), true).await
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let last = self.body.is_end_stream();
                        self.ended = last;
                        self.chunk(data, last).await
                    }
                    // Trailers come after all data.
                    Err(trailers) => {
                        self.ended = true;
                        self.then = Some(trailers);
                        self.chunk(Bytes::new(), true).await
                    }
                },
                Some(Err(error)) => Err(error),
            };
            match filtered {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Some((Ok(Frame::data(data)), self)),
                Err(error) => {
                    self.ended = true;
                    self.then = None;
                    self.call = None;
                    return Some((Err(error), self));
                }
            }
        }
    }

    async fn chunk(&mut self, data: Bytes, last: bool) -> Result<Bytes, BodyError> {
        let Some(call) = &mut self.call else { return Ok(data) };
        let filtered = self.guard.judge(call.chunk(data.clone(), last).await)?;
        if filtered.is_none() || last {
            self.call = None;
        }
        Ok(filtered.unwrap_or(data))
    }
}

/// The headers for a filter to look at, without those that carry keys.
fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !SECRET_HEADERS.contains(name))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// The whole body.
async fn gather(mut body: Body, limit: u64) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken_off)?;
        let Some(data) = frame.data_ref() else { continue };
        if (whole.len() + data.len()) as u64 > limit {
            return Err(broken_off(BodyError::TooLarge { limit }));
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(frame.into_data().unwrap_or_default());
        }
        whole.extend_from_slice(data);
    }
    Ok(whole.freeze())
}

fn broken_off(error: BodyError) -> Error {
    let status = match &error {
        BodyError::TooLarge { .. } => 413,
        BodyError::TimedOut => 408,
        BodyError::Disconnected(_) => 400,
        BodyError::Plugin(error) => error.status(),
    };
    Error::new(ErrorKind::Answer(status), error.to_string())
}
