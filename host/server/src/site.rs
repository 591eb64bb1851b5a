//! Which web pages may ask. A browser sends what any page tells it to; without this, a page could reach a server that
//! listens on this machine only, by a name of its own that it lets stand for 127.0.0.1 (DNS rebinding), or by requests
//! whose answers it does not even need to see.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::refusal::Refusal;
use crate::{Config, request_id};

/// Stands for every host, or every origin.
const ANY: &str = "*";
/// How much of a header a refusal repeats.
const SHOWN: usize = 200;
/// What a plugin may be asked by a listed page.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// For how many seconds a browser need not ask again.
const MAX_AGE: &str = "600";

/// The rules.
pub(crate) struct Site {
    /// Names that the server answers to besides those of this machine; none: to all.
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
}

impl Site {
    pub(crate) fn new(config: &Config) -> Self {
        let Config { addr, allowed_hosts, allowed_origins, .. } = config;
        let checked = addr.ip().is_loopback() || !allowed_hosts.is_empty();
        Self { hosts: checked.then(|| allowed_hosts.clone()), origins: allowed_origins.clone() }
    }

    /// Refuses what no page may ask. The origin of a page that is listed is returned: it may see the answer.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        for host in headers.get_all(HOST) {
            self.check_host(text(host))?;
        }
        let Some(origin) = headers.get(ORIGIN) else { return Ok(None) };
        let named = text(origin);
        if self.origins.iter().any(|listed| listed == ANY || listed.eq_ignore_ascii_case(named)) {
            return Ok(Some(origin.clone()));
        }
        let own = headers.get(HOST).is_some_and(|host| is_same(named, text(host)));
        if own || is_local(named) {
            return Ok(None);
        }
        let named = shown(named);
        Err(Refusal::denied(format!(
            "a page of {named} may not use this server; to let it, add {named} to the setting serve.allowed_origins"
        )))
    }

    fn check_host(&self, host: &str) -> Result<(), Refusal> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let name = host.parse::<Authority>().map(|authority| bare(authority.host()).to_owned());
        let known = name.as_ref().is_ok_and(|name| {
            is_loopback(name) || hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
        });
        if known || hosts.iter().any(|listed| listed == ANY) {
            return Ok(());
        }
        let name = shown(name.as_deref().unwrap_or(host));
        Err(Refusal::denied(format!(
            "this server does not answer to the name {name}; to let it, add {name} to the setting serve.allowed_hosts"
        )))
    }
}

/// Text, or nothing that anything is equal to.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

fn shown(text: &str) -> String {
    let text: String = text.chars().take(SHOWN).collect();
    format!("{text:?}")
}

/// A host without the brackets of IPv6 and the dot of the root.
fn bare(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

/// Nobody else can make these stand for another machine, or this machine stand for them.
fn is_loopback(host: &str) -> bool {
    let host = bare(host).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A page, or an application, of this machine.
fn is_local(origin: &str) -> bool {
    origin.parse::<Uri>().is_ok_and(|origin| origin.host().is_some_and(is_loopback))
}

/// The page comes from this very server.
fn is_same(origin: &str, host: &str) -> bool {
    let (Ok(origin), Ok(host)) = (origin.parse::<Uri>(), host.parse::<Authority>()) else { return false };
    let usual = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    origin.host().is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && origin.port_u16().unwrap_or(usual) == host.port_u16().unwrap_or(usual)
}

/// A browser's question whether a page may send a request.
pub(crate) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Yes, it may.
pub(crate) fn preflight<B: Default>(asked: &HeaderMap) -> Response<B> {
    let mut answer = Response::new(B::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer
}

/// Lets a page see an answer.
pub(crate) fn share(headers: &mut HeaderMap, page: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from(request_id::HEADER));
    headers.append(VARY, HeaderValue::from(ORIGIN));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "[::2]", ""]
        {
            assert!(!is_loopback(host), "{host}");
        }
        // Whoever is named before an @ is not the host.
        let site = Site { hosts: Some(Vec::new()), origins: Vec::new() };
        assert!(site.check_host("localhost@example.org").is_err());
        assert!(site.check_host("localhost:14633").is_ok());
    }

    #[test]
    fn a_page_of_the_server_itself() {
        assert!(is_same("http://box.lan:14633", "BOX.lan:14633"));
        assert!(is_same("https://box.lan", "box.lan") && is_same("http://box.lan:80", "box.lan"));
        assert!(!is_same("http://box.lan:8080", "box.lan:14633"));
        assert!(!is_same("http://other.lan", "box.lan") && !is_same("null", "box.lan"));
        assert!(is_local("http://localhost:3000") && is_local("tauri://localhost"));
        assert!(!is_local("null") && !is_local("http://localhost.example.org"));
    }
}
