//! The paths that the host answers itself: `/health`, `/ready`, `/metrics` and `/inferno/ps`.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use inferno_sandbox::Exposition;
use inferno_store::DEFAULT_TENANT;

use crate::access::Entry;
use crate::refusal::Refusal;
use crate::routes::Routes;
use crate::service::Service;
use crate::{Config, MetricsAccess, identity};

const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// A path of the host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Health,
    Ready,
    Metrics,
    /// What the host tells about itself, for whoever may ask anything.
    Report,
}

impl Own {
    const ALL: [Self; 4] = [Self::Health, Self::Ready, Self::Metrics, Self::Report];

    /// What a path is.
    pub(crate) fn at(path: &[Vec<u8>]) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.path()[1..].split('/').map(str::as_bytes).eq(path))
    }

    /// Whose everything is that begins with this segment.
    pub(crate) fn reserved(first: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.path()[1..].split('/').next() == std::str::from_utf8(first).ok())
    }

    /// Why nobody else may be there.
    pub(crate) fn reserves(self) -> &'static str {
        match self {
            Self::Health => "/health belongs to the host",
            Self::Ready => "/ready belongs to the host",
            Self::Metrics => "/metrics belongs to the host",
            Self::Report => "/inferno belongs to the host",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Metrics => "/metrics",
            Self::Report => "/inferno/ps",
        }
    }
}

impl Service {
    /// Answers for the host.
    pub(crate) fn own<B>(
        &self,
        own: Own,
        routes: &Routes,
        request: &Request<B>,
        peer: Option<IpAddr>,
        entry: &mut Entry,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => {
                let mut answer = Response::new(Full::default());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
                return Ok(answer);
            }
            _ => {
                let message = format!("{} does not take {}", own.path(), request.method());
                return Err(Refusal::method(message, ALLOWED));
            }
        }
        match own {
            Own::Health => Ok(self.health()),
            Own::Ready => Ok(self.ready(routes)),
            Own::Metrics => {
                self.may_see_figures(request.headers(), peer)?;
                Ok(self.figures())
            }
            Own::Report => {
                let report =
                    self.report.as_ref().ok_or_else(|| Refusal::not_found("nothing answers here"))?;
                entry.tenant = Some(identity::tenant(&self.store, request.headers())?);
                Ok(json(true, &report()))
            }
        }
    }

    /// It lives; and how it is with its model.
    fn health(&self) -> Response<Full<Bytes>> {
        let model = self.host.as_ref().and_then(|host| host.model());
        let loading = model.is_some_and(|model| model.awaited().is_some());
        let mut body = serde_json::json!({"status": if loading { "loading" } else { "ok" }});
        if let Some(model) = model {
            body["model"] = model.to_json();
        }
        json(!loading, &body)
    }

    /// Whether it makes sense to send it requests, and if not, why.
    fn ready(&self, routes: &Routes) -> Response<Full<Bytes>> {
        let mut reasons = Vec::new();
        if routes.mounts.paths().next().is_none() {
            reasons.push("there is no plugin that answers requests".to_owned());
        }
        let model = self.host.as_ref().and_then(|host| host.model());
        if let Some(progress) = model.and_then(crate::ModelState::awaited) {
            reasons.push(format!("the model is being loaded ({:.0} %)", progress * 100.0));
        }
        let body = if reasons.is_empty() {
            serde_json::json!({"status": "ready"})
        } else {
            serde_json::json!({"status": "not-ready", "reasons": reasons})
        };
        json(reasons.is_empty(), &body)
    }

    /// Figures tell of all tenants, so that the key of just any one is not enough.
    fn may_see_figures(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Refusal> {
        let Config { metrics, .. } = &self.config;
        let here = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        match metrics {
            MetricsAccess::Off => {
                Err(Refusal::not_found("there are no figures here; the setting serve.metrics turns them on"))
            }
            MetricsAccess::Anyone => Ok(()),
            MetricsAccess::Loopback if here => Ok(()),
            MetricsAccess::Loopback | MetricsAccess::Key => {
                let tenant = identity::tenant(&self.store, headers)?;
                if tenant == DEFAULT_TENANT {
                    return Ok(());
                }
                Err(Refusal::denied(format!(
                    "figures tell of all tenants and are for keys of the tenant {DEFAULT_TENANT} only; \
                     `inferno keys create prometheus` makes one"
                )))
            }
        }
    }

    fn figures(&self) -> Response<Full<Bytes>> {
        let mut text = Exposition::default();
        self.figures.write(&mut text);
        if let Some(host) = &self.host {
            host.figures(&mut text);
        }
        let mut answer = Response::new(Full::from(text.into_text()));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Exposition::CONTENT_TYPE));
        answer
    }
}

fn json(fine: bool, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body.to_string()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !fine {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}
