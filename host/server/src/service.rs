//! The way of one request: name, limits, mount, identity, plugin, answer.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use inferno_sandbox::{Body, Caller, Conversation};
use inferno_store::Store;
use tracing::Instrument;
use tracing::field::Empty;

use crate::access::{Entry, Logged};
use crate::body::{Guarded, Limits};
use crate::figures::Figures;
use crate::handler::Filter;
use crate::host::Host;
use crate::mounts::{Mount, segments};
use crate::own::Own;
use crate::refusal::Refusal;
use crate::report::Report;
use crate::request_id::{self, RequestId};
use crate::routes::{Router, Routes, exchange};
use crate::site::{self, Site};
use crate::websocket::{self, Handshake, Upgrade};
use crate::{Config, identity};

/// They concern one connection and not the message, so they end here in both directions.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What the requests of all connections share.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) site: Site,
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) report: Option<Report>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) host: Option<Box<dyn Host>>,
}

/// One connection, as far as its requests have to do with it.
pub(crate) struct Peer {
    address: Option<IpAddr>,
    /// What becomes of it once the answer is out that says so.
    upgrade: Mutex<Option<Upgrade>>,
}

impl Peer {
    pub(crate) fn new(address: Option<IpAddr>) -> Self {
        Self { address, upgrade: Mutex::default() }
    }

    pub(crate) fn take_upgrade(&self) -> Option<Upgrade> {
        self.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn upgrade(&self, upgrade: Upgrade) {
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    }
}

/// Whose a path is.
enum Target<'a> {
    Own(Own),
    Plugin(Place<'a>),
}

/// Where a plugin answers.
struct Place<'a> {
    mount: &'a Mount,
    /// The filters around it, the outermost first.
    filters: Vec<Arc<dyn Filter>>,
    has_websocket: bool,
}

/// What comes of a request.
enum Outcome {
    Answer(Response<Body>),
    /// The connection goes on with a WebSocket, over which this is said and that is heard.
    Switch(Response<()>, websocket::Said, Body),
}

impl Service {
    /// Answers a request, whatever happens.
    pub(crate) async fn answer(&self, mut request: Request<Incoming>, peer: &Peer) -> Response<Logged<Body>> {
        let id = RequestId::of(request.headers());
        let mut entry = Entry::new(&request, id.clone(), &self.figures);
        let head = request.method() == Method::HEAD;
        let routes = self.router.current();
        let target = target(&routes, &request);
        let template = match &target {
            Ok(Target::Plugin(place)) => {
                entry.mount = Arc::clone(&place.mount.path);
                place.mount.handler.error_body()
            }
            Ok(Target::Own(own)) => {
                entry.mount = own.path().into();
                None
            }
            Err(_) => {
                routes.mounts.spelled_under(request.uri().path()).and_then(|handler| handler.error_body())
            }
        };
        self.trace(&mut request, &mut entry);
        let admitted = self.check_head(&request).and_then(|()| self.site.admit(request.headers()));
        let page = admitted.as_ref().ok().cloned().flatten();
        let outcome = match (admitted, target) {
            (Err(refusal), _) => Err(refusal),
            (Ok(Some(_)), _) if site::is_preflight(&request) => {
                Ok(Outcome::Answer(site::preflight::<Full<Bytes>>(request.headers()).map(boxed)))
            }
            (Ok(_), Ok(Target::Own(own))) => {
                let answer = self.own(own, &routes, &request, peer.address, &mut entry);
                answer.map(|answer| Outcome::Answer(answer.map(boxed)))
            }
            (Ok(_), Ok(Target::Plugin(place))) => {
                let span = entry.span.clone();
                self.pass(&place, request, &id, &mut entry).instrument(span).await
            }
            (Ok(_), Err(refusal)) => Err(refusal),
        };
        let (mut answer, conversation) = match outcome {
            Ok(Outcome::Switch(answer, said, body)) => {
                (answer.map(|()| boxed(Full::default())), Some((said, body)))
            }
            Ok(Outcome::Answer(answer)) => (cleaned(answer, head), None),
            Err(refusal) => (cleaned(refusal.render(template, &id).map(boxed), head), None),
        };
        answer.headers_mut().insert(request_id::HEADER, id.value().clone());
        if let Some(page) = page {
            site::share(answer.headers_mut(), page);
        }
        entry.answered(answer.status(), answer.headers());
        match conversation {
            None => answer.map(|body| Logged::new(body, entry)),
            Some((said, body)) => {
                peer.upgrade(Upgrade { said, answer: body, entry });
                answer.map(Logged::without_entry)
            }
        }
    }

    /// Begins the request's part of its trace. The headers name it from here on, for the plugin.
    fn trace<B>(&self, request: &mut Request<B>, entry: &mut Entry) {
        if let Some(host) = &self.host {
            entry.span = tracing::info_span!(
                target: "traces",
                "request",
                otel.name = format_args!("{} {}", request.method(), entry.mount),
                otel.kind = "server",
                otel.status_code = Empty,
                http.request.method = request.method().as_str(),
                http.route = &*entry.mount,
                http.response.status_code = Empty,
                http.response.body.size = Empty,
                url.path = request.uri().path(),
                inferno.request_id = entry.id(),
                inferno.plugin = Empty,
                inferno.tenant = Empty,
            );
            host.join_trace(&entry.span, request.headers_mut());
        }
        entry.trace = trace_id(request.headers());
    }

    fn check_head<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let Config { max_headers, max_header_bytes, max_uri_bytes, .. } = self.config;
        let uri = request.uri();
        let uri_len = uri.path().len() + uri.query().map_or(0, str::len);
        if uri_len > max_uri_bytes {
            return Err(Refusal::uri_too_long(max_uri_bytes));
        }
        let headers = request.headers();
        if headers.len() > max_headers {
            let message =
                format!("the request has {} headers, but this server takes {max_headers}", headers.len());
            return Err(Refusal::headers_too_large(message));
        }
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > max_header_bytes {
            let message =
                format!("the request's headers have {bytes} bytes, but this server takes {max_header_bytes}");
            return Err(Refusal::headers_too_large(message));
        }
        if request.version() == Version::HTTP_11 && !headers.contains_key(HOST) {
            return Err(Refusal::bad_request("the request has no Host header, which HTTP/1.1 requires"));
        }
        Ok(())
    }

    /// Hands a request to a plugin.
    async fn pass(
        &self,
        place: &Place<'_>,
        request: Request<Incoming>,
        id: &RequestId,
        entry: &mut Entry,
    ) -> Result<Outcome, Refusal> {
        entry.plugin = Some(place.mount.handler.name().to_owned());
        let tenant = identity::tenant(&self.store, request.headers())?;
        entry.tenant = Some(tenant.clone());
        let caller = Caller { tenant, request_id: id.as_str().to_owned(), background: false };
        if place.has_websocket
            && let Some(handshake) = Handshake::of(&request)?
        {
            return converse(place, handshake, caller, request, id).await;
        }
        self.exchange(place, caller, request, id, entry).await.map(Outcome::Answer)
    }

    /// One request and its answer. If the client broke a limit meanwhile, and the plugin did not say so in its own
    /// words, the host does.
    async fn exchange(
        &self,
        place: &Place<'_>,
        caller: Caller,
        request: Request<Incoming>,
        id: &RequestId,
        entry: &Entry,
    ) -> Result<Response<Body>, Refusal> {
        let max_body = self.config.max_body;
        if request.body().size_hint().lower() > max_body {
            return Err(Refusal::body_too_large(max_body));
        }
        let (mut parts, body) = request.into_parts();
        clean_request(&mut parts.headers, id);
        websocket::clean(&mut parts.headers, false);
        let limits =
            Limits { bytes: max_body, idle: self.config.body_idle_timeout, total: self.config.body_timeout };
        let (body, fault) = Guarded::new(body, limits, Arc::clone(&entry.received));
        let request = Request::from_parts(parts, body.boxed_unsync());
        match (ask(place, &place.filters, caller, request, id).await, fault.get()) {
            (Ok(answer), None) => Ok(answer),
            (Ok(answer), Some(_)) if answer.status().is_client_error() => Ok(answer),
            (_, Some(fault)) => Err(Refusal::from(*fault)),
            (Err(refusal), None) => {
                if refusal.status().is_server_error() {
                    let plugin = place.mount.handler.name();
                    tracing::warn!(request_id = id.as_str(), plugin, ?refusal, "a plugin failed");
                }
                Err(refusal)
            }
        }
    }
}

/// A conversation over a WebSocket, if the plugin wants one.
async fn converse(
    place: &Place<'_>,
    handshake: Handshake,
    caller: Caller,
    request: Request<Incoming>,
    id: &RequestId,
) -> Result<Outcome, Refusal> {
    // Filters see whole requests; what is said in a conversation would go past them.
    if place.filters.iter().any(|filter| filter.is_for(&caller.tenant)) {
        return Err(Refusal::denied(
            "a filter stands around this path, and filters cannot look into WebSockets; use requests instead",
        ));
    }
    let (mut parts, _) = request.into_parts();
    clean_request(&mut parts.headers, id);
    websocket::clean(&mut parts.headers, true);
    parts.extensions.insert(Conversation);
    let (said, lines) = websocket::channel();
    let answer = ask(place, &[], caller, Request::from_parts(parts, lines.boxed_unsync()), id).await?;
    if answer.status() != StatusCode::OK {
        return Ok(Outcome::Answer(answer));
    }
    let (mut answer, body) = handshake.accept(answer);
    clean_headers(answer.headers_mut());
    Handshake::switch(answer.headers_mut());
    Ok(Outcome::Switch(answer, said, body))
}

/// Has a plugin answer, with these filters around it.
async fn ask(
    place: &Place<'_>,
    filters: &[Arc<dyn Filter>],
    caller: Caller,
    request: Request<Body>,
    id: &RequestId,
) -> Result<Response<Body>, Refusal> {
    let handler = &place.mount.handler;
    match AssertUnwindSafe(exchange(filters, handler, caller, request)).catch_unwind().await {
        Ok(Ok(answer)) if answer.status().is_informational() => Err(Refusal::internal(format!(
            "plugin {} answered with status {}, which cannot end a request",
            handler.name(),
            answer.status().as_u16()
        ))),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Refusal::from(error)),
        Err(_) => {
            tracing::error!(request_id = id.as_str(), plugin = handler.name(), "the host panicked");
            Err(Refusal::internal("the host failed while it ran a plugin; its log says more"))
        }
    }
}

fn target<'a, B>(routes: &'a Routes, request: &Request<B>) -> Result<Target<'a>, Refusal> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        let message = format!("{} is not supported", request.method());
        return Err(Refusal::method(message, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    let path = request.uri().path();
    let segments = segments(path).map_err(|bad| {
        Refusal::bad_request(format!("{bad}; paths are only taken in their plain form, such as /v1/models"))
    })?;
    if let Some(own) = Own::at(&segments) {
        return Ok(Target::Own(own));
    }
    let Some(mount) = routes.mounts.find(&segments) else {
        let mounted = routes.mounts.paths().collect::<Vec<_>>().join(", ");
        return Err(Refusal::not_found(format!(
            "nothing answers at {path}; plugins are mounted at: {mounted}"
        )));
    };
    let has_websocket = mount.has_websocket(&segments);
    Ok(Target::Plugin(Place { mount, filters: routes.filters(&segments), has_websocket }))
}

fn boxed(body: Full<Bytes>) -> Body {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// The trace that `traceparent` names, by W3C's Trace Context: version, trace, parent and flags in hexadecimal digits.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let id = parts.nth(1).filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some(id.to_owned())
}

/// A plugin sees neither keys nor what concerns the connection, and the request's final name.
fn clean_request(headers: &mut HeaderMap, id: &RequestId) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, identity::API_KEY] {
        headers.remove(name);
    }
    headers.insert(request_id::HEADER, id.value().clone());
}

/// A plugin does not decide about the connection, nor about a length that the host knows.
fn cleaned(mut answer: Response<Body>, head: bool) -> Response<Body> {
    let closes = answer.headers().get(CONNECTION).is_some_and(|value| value == "close");
    clean_headers(answer.headers_mut());
    if closes {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if !head && answer.body().size_hint().exact().is_some() {
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    answer
}

fn clean_headers(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
