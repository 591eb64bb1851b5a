//! The way of one request: name, limits, mount, identity, plugin, answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use inferno_sandbox::{Body, Caller};
use inferno_store::Store;

use crate::access::{Entry, Logged};
use crate::body::{Guarded, Limits};
use crate::handler::{Filter, Handler};
use crate::mounts::{HEALTH, segments};
use crate::refusal::Refusal;
use crate::request_id::{self, RequestId};
use crate::routes::{Router, Routes, exchange};
use crate::site::{self, Site};
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
}

/// Whose a path is.
enum Target<'a> {
    Health,
    /// A plugin's, with these filters around it, the outermost first.
    Plugin(&'a Arc<dyn Handler>, Vec<Arc<dyn Filter>>),
}

impl Service {
    /// Answers a request, whatever happens.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Logged<Body>> {
        let id = RequestId::of(request.headers());
        let mut entry = Entry::new(&request, id.clone());
        let head = request.method() == Method::HEAD;
        let routes = self.router.current();
        let target = target(&routes, &request);
        let template = match &target {
            Ok(Target::Plugin(handler, _)) => handler.error_body(),
            Ok(Target::Health) => None,
            Err(_) => {
                routes.mounts.spelled_under(request.uri().path()).and_then(|handler| handler.error_body())
            }
        };
        let admitted = self.check_head(&request).and_then(|()| self.site.admit(request.headers()));
        let page = admitted.as_ref().ok().cloned().flatten();
        let answer = match (admitted, &target) {
            (Err(refusal), _) => Err(refusal),
            (Ok(Some(_)), _) if site::is_preflight(&request) => {
                Ok(site::preflight::<Full<Bytes>>(request.headers()).map(boxed))
            }
            (Ok(_), Ok(Target::Health)) => health(request.method()),
            (Ok(_), Ok(Target::Plugin(handler, filters))) => {
                self.pass(handler, filters, request, &id, &mut entry).await
            }
            (Ok(_), Err(_)) => Err(target.err().unwrap_or_else(|| Refusal::internal("no target"))),
        };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => refusal.render(template, &id).map(boxed),
        };
        clean_answer(&mut answer, head);
        answer.headers_mut().insert(request_id::HEADER, id.value().clone());
        if let Some(page) = page {
            site::share(answer.headers_mut(), page);
        }
        entry.answered(answer.status(), answer.headers());
        answer.map(|body| Logged::new(body, entry))
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

    /// Hands a request to a plugin. If the client broke a limit meanwhile, and the plugin did not say so in its own
    /// words, the host does.
    async fn pass(
        &self,
        handler: &Arc<dyn Handler>,
        filters: &[Arc<dyn Filter>],
        request: Request<Incoming>,
        id: &RequestId,
        entry: &mut Entry,
    ) -> Result<Response<Body>, Refusal> {
        entry.plugin = Some(handler.name().to_owned());
        let tenant = identity::tenant(&self.store, request.headers())?;
        entry.tenant = Some(tenant.clone());
        let max_body = self.config.max_body;
        if request.body().size_hint().lower() > max_body {
            return Err(Refusal::body_too_large(max_body));
        }
        let (mut parts, body) = request.into_parts();
        clean_request(&mut parts.headers, id);
        let limits =
            Limits { bytes: max_body, idle: self.config.body_idle_timeout, total: self.config.body_timeout };
        let (body, fault) = Guarded::new(body, limits);
        let request = Request::from_parts(parts, body.boxed_unsync());
        let caller = Caller { tenant, request_id: id.as_str().to_owned() };
        let answer = AssertUnwindSafe(exchange(filters, handler, caller, request)).catch_unwind().await;
        let refusal = match answer {
            Ok(Ok(answer)) if answer.status().is_informational() => Refusal::internal(format!(
                "plugin {} answered with status {}, which cannot end a request",
                handler.name(),
                answer.status().as_u16()
            )),
            Ok(Ok(answer)) if fault.get().is_none() || answer.status().is_client_error() => {
                return Ok(answer);
            }
            Ok(Ok(answer)) => Refusal::internal(format!("plugin answered {}", answer.status())),
            Ok(Err(error)) => Refusal::from(error),
            Err(_) => Refusal::internal("the host failed while it ran a plugin; its log says more"),
        };
        if let Some(fault) = fault.get() {
            return Err(Refusal::from(*fault));
        }
        if refusal.status().is_server_error() {
            tracing::warn!(request_id = id.as_str(), plugin = handler.name(), ?refusal, "a plugin failed");
        }
        Err(refusal)
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
    if segments.len() == 1 && segments[0] == HEALTH.as_bytes() {
        return Ok(Target::Health);
    }
    let Some(handler) = routes.mounts.find(&segments) else {
        let mounted = routes.mounts.paths().collect::<Vec<_>>().join(", ");
        return Err(Refusal::not_found(format!(
            "nothing answers at {path}; plugins are mounted at: {mounted}"
        )));
    };
    Ok(Target::Plugin(handler, routes.filters(&segments)))
}

fn boxed(body: Full<Bytes>) -> Body {
    body.map_err(|never| match never {}).boxed_unsync()
}

fn health(method: &Method) -> Result<Response<Body>, Refusal> {
    const ALLOWED: &str = "GET, HEAD, OPTIONS";
    let mut answer = Response::new(boxed(Full::default()));
    match *method {
        Method::GET | Method::HEAD => {
            let json = HeaderValue::from_static("application/json");
            answer.headers_mut().insert(CONTENT_TYPE, json);
            *answer.body_mut() = boxed(Full::from(r#"{"status":"ok"}"#));
        }
        Method::OPTIONS => {
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
        }
        _ => return Err(Refusal::method(format!("/health does not take {method}"), ALLOWED)),
    }
    Ok(answer)
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
fn clean_answer(answer: &mut Response<Body>, head: bool) {
    let closes = answer.headers().get(CONNECTION).is_some_and(|value| value == "close");
    for name in &HOP_BY_HOP {
        answer.headers_mut().remove(name);
    }
    if closes {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if !head && answer.body().size_hint().exact().is_some() {
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
}
