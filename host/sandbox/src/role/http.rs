//! The http role: a plugin answers requests under the paths that its manifest names.

mod answer;
mod p2;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderName;
use http::header::{AUTHORIZATION, HOST, PROXY_AUTHORIZATION};
use http::uri::{Authority, Scheme};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::oneshot;
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error as WasiError, FieldMap, WasiBody};

use crate::call::{Call, Deadline, Turn};
use crate::error::{BodyError, Error, ErrorKind};
use crate::link;
use crate::plugin::Plugin;
use crate::state::{Caller, NoOutgoing, State, Surroundings};
use answer::Answer;

/// A body on its way in or out.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// As an extension of a request: its bodies are a conversation, which lasts as long as somebody says something. The
/// limit `wall` is then the time from one piece of either body to the next.
#[derive(Clone, Copy, Debug)]
pub struct Conversation;

/// Who asks is the host's business; a plugin learns nothing that it could use elsewhere.
pub(crate) const SECRET_HEADERS: [HeaderName; 3] =
    [AUTHORIZATION, PROXY_AUTHORIZATION, HeaderName::from_static("x-api-key")];

/// A component that was found to play the role.
#[derive(Clone)]
pub(crate) enum Service {
    P2(p2::ProxyPre<State>),
    P3(ServicePre<State>),
}

impl Service {
    pub(crate) fn new(
        plugin: &str,
        component: &Component,
        instance: &InstancePre<State>,
    ) -> Result<Self, Error> {
        if let Ok(service) = ServicePre::new(instance.clone()) {
            return Ok(Self::P3(service));
        }
        match p2::ProxyPre::new(instance.clone()) {
            Ok(proxy) => Ok(Self::P2(proxy)),
            Err(_) => {
                let expected = "wasi:http/handler@0.3.0 or wasi:http/incoming-handler of WASI 0.2";
                Err(link::missing_role(plugin, "http", expected, component))
            }
        }
    }

    /// Runs one exchange to its end; the answer's head goes to `sender` as soon as there is one.
    async fn answer(
        self,
        plugin: &str,
        mut store: wasmtime::Store<State>,
        request: http::Request<Body>,
        sender: oneshot::Sender<http::Response<WasiBody>>,
    ) -> wasmtime::Result<()> {
        let service = match self {
            Self::P2(proxy) => return p2::answer(proxy, plugin, store, request, sender).await,
            Self::P3(service) => service.instantiate_async(&mut store).await?,
        };
        let request = incoming(request);
        let answering = async |access: &wasmtime::component::Accessor<State>| {
            let response = match service.handle(access, request).await? {
                Ok(response) => response,
                Err(code) => return Err(wasmtime::Error::from(refused(plugin, &code.into()))),
            };
            let response = access.with(|mut access| response.into_http(&mut access, async { Ok(()) }))?;
            // Nobody waits any longer if the client has gone away; then this future is about to be dropped.
            let _ = sender.send(response);
            poll_fn(|cx| access.poll_no_interesting_tasks(cx)).await;
            Ok(())
        };
        store.run_concurrent(answering).await?
    }
}

impl Plugin {
    /// Has the plugin answer a request.
    ///
    /// An error means that there is no answer. Once there is one, its body streams as the plugin writes it, and ends
    /// in [`BodyError::Plugin`] if the plugin fails on the way. Dropping the body before its end drops the instance,
    /// and with it whatever the plugin had under way, such as a generation.
    ///
    /// The body drives the instance, so it must be polled for the plugin to get on, and not from inside another
    /// plugin's call. The plugin does not see who asks: the headers that carry keys are taken out.
    pub async fn handle(
        &self,
        caller: Caller,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Error> {
        let service = self.inner.roles.http.clone().ok_or_else(|| self.plays_no("http"))?;
        let conversation = request.extensions().get::<Conversation>().is_some();
        let (store, terms) = self.begin(caller.into(), &self.inner.limits, &Surroundings::Service)?;
        let (sender, mut receiver) = oneshot::channel::<http::Response<WasiBody>>();
        let name = self.name().to_owned();
        let deadline = Arc::new(Deadline::after(terms.limits.wall.0));
        let putting_off = conversation.then(|| deadline.clone());
        let request = request.map(|body| heard(body, putting_off.clone()));
        let call = Call::until(&self.inner.engine, terms, deadline, async move {
            service.answer(&name, store, request, sender).await
        });
        let response = poll_fn(|cx| {
            let turn = call.turn(cx);
            // A plugin that fails at once has not answered, even if it had begun to.
            if let Turn::Ends = turn
                && let Turn::Over(Err(error)) = call.turn(cx)
            {
                return Poll::Ready(Err(error));
            }
            match (Pin::new(&mut receiver).poll(cx), turn) {
                (Poll::Ready(Ok(response)), _) => Poll::Ready(Ok(response)),
                (_, Turn::Waits) => Poll::Pending,
                (_, Turn::Over(Err(error))) => Poll::Ready(Err(error)),
                (_, Turn::Ends | Turn::Over(Ok(()))) => Poll::Ready(Err(Error::new(
                    ErrorKind::Trap,
                    format!("plugin \"{}\" ended without an answer", self.name()),
                ))),
            }
        })
        .await?;
        let answer = |body| heard(Answer::new(body, call, self.name()).boxed_unsync(), putting_off);
        Ok(response.map(answer))
    }
}

/// The body; in a conversation each of its pieces puts the deadline off.
fn heard(body: Body, deadline: Option<Arc<Deadline>>) -> Body {
    let Some(deadline) = deadline else { return body };
    body.map_frame(move |frame| {
        deadline.put_off();
        frame
    })
    .boxed_unsync()
}

fn incoming(request: http::Request<Body>) -> Request {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    let uri = parts.uri.into_parts();
    let from_header = || headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let authority = uri.authority.or_else(from_header);
    for name in &SECRET_HEADERS {
        headers.remove(name);
    }
    let (request, _sent) = Request::new(
        parts.method,
        uri.scheme.or(Some(Scheme::HTTP)),
        authority,
        uri.path_and_query,
        FieldMap::new_immutable(&mut NoOutgoing, headers),
        None,
        body.map_err(to_wasi),
    );
    request
}

/// How the end of a request's body looks to the plugin, which words the refusal in its own dialect.
fn to_wasi(error: BodyError) -> WasiError {
    match error {
        BodyError::TooLarge { limit } => WasiError::HttpRequestBodySize(Some(limit)),
        BodyError::TimedOut => WasiError::ConnectionReadTimeout,
        BodyError::Disconnected(_) => WasiError::ConnectionTerminated,
        BodyError::Plugin(error) => WasiError::InternalError(Some(error.to_string())),
    }
}

/// The plugin chose to end the call with an error in place of a response.
fn refused(plugin: &str, error: &WasiError) -> Error {
    let status = match error {
        WasiError::HttpRequestBodySize(_) => 413,
        WasiError::ConnectionReadTimeout => 408,
        WasiError::HttpRequestUriTooLong => 414,
        WasiError::HttpRequestHeaderSectionSize(_) | WasiError::HttpRequestHeaderSize { .. } => 431,
        WasiError::HttpRequestMethodInvalid => 405,
        WasiError::HttpRequestDenied => 403,
        WasiError::HttpRequestLengthRequired => 411,
        WasiError::HttpRequestUriInvalid | WasiError::HttpProtocolError => 400,
        _ => 500,
    };
    let text = match error {
        WasiError::InternalError(Some(text)) => text.clone(),
        error => error.to_string(),
    };
    Error::new(ErrorKind::Answer(status), format!("plugin \"{plugin}\" answered with an error: {text}"))
}
