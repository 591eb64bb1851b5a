//! HTTP: what the source and the sink have in common.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fluent_uri::{Uri, UriRef};
use inferno_sdk::ErrorKind;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::error::Error;
use crate::file::settings::{Retry, Span};
use crate::host::{Call, Host, Reply};
use crate::node::Context;

/// How much of what a server says about a failure is told.
const SAID: usize = 200;

/// The headers that a pipeline file sets, by name.
pub(super) type Headers = BTreeMap<String, Spanned<Header>>;

/// What a header says.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a text, or a table such as { secret = \"NAME\", before = \"Bearer \" }"
)]
pub(super) enum Header {
    Text(String),
    Secret(Secret),
}

/// A secret of the user, which no pipeline file has in it.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    secret: String,
    /// What stands before it.
    #[serde(default)]
    before: String,
}

/// Why a request came to nothing.
pub(super) enum Failure {
    /// It may work later, and not before that time has passed.
    Later(String, Option<Duration>),
    /// The server will not have what was sent.
    Refused(String),
    /// Nothing that is sent so will ever work.
    Stop(Error),
}

/// The way to a server.
pub(super) struct Door {
    host: Rc<dyn Host>,
    url: String,
    headers: Vec<(String, String)>,
    timeout: Option<Duration>,
    retry: Retry,
}

impl Door {
    /// Checks what the file says, and looks up secrets. `own` are the headers that the node sets itself.
    pub(super) fn open(
        context: &Context,
        url: Spanned<String>,
        headers: Headers,
        own: &[&str],
        timeout: Option<Span>,
    ) -> Result<Self, Error> {
        check(url.get_ref()).map_err(|error| error.at(url.span()))?;
        let mut said = Vec::new();
        for (name, header) in headers {
            let span = header.span();
            if own.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
                return Err(Error::new(format!("the header `{name}` is not the file's to set")).at(span));
            }
            let value = match header.into_inner() {
                Header::Text(text) => text,
                Header::Secret(Secret { secret, before }) => {
                    let value = context.host.secret(&secret);
                    format!("{before}{}", value.map_err(|error| Error::from(error).at(span))?)
                }
            };
            said.push((name, value));
        }
        let (host, retry) = (context.host.clone(), context.retry.clone());
        let timeout = timeout.map(|timeout| timeout.0);
        Ok(Self { host, url: url.into_inner(), headers: said, timeout, retry })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn get(&self, url: &str) -> Result<Box<dyn Reply>, Failure> {
        self.send("GET", url, &[], Vec::new())
    }

    pub(super) fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Box<dyn Reply>, Failure> {
        self.send("POST", &self.url, headers, body)
    }

    /// Sends a request. The file's headers are for the site of its `url`, and for no other one.
    fn send(
        &self,
        method: &'static str,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Box<dyn Reply>, Failure> {
        let mut all: Vec<(String, String)> =
            if site(url) == site(&self.url) { self.headers.clone() } else { Vec::new() };
        for (name, value) in headers {
            // What the file says about a header goes before what is usual.
            if !all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                all.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let call = Call { method, url: url.to_owned(), headers: all, body, timeout: self.timeout };
        let mut reply = self.host.send(&call).map_err(|error| broken(error, url))?;
        match reply.status() {
            200..=399 => Ok(reply),
            // 409: what was sent before under the same key is being worked on.
            status @ (408 | 409 | 425 | 429 | 500..) => {
                let after = reply.header("retry-after").and_then(|value| value.trim().parse().ok());
                let why = answered(status, url, reply.as_mut());
                Err(Failure::Later(why, after.map(Duration::from_secs)))
            }
            status @ (401 | 403 | 404 | 405 | 407 | 410 | 415) => {
                let hint = match status {
                    401 | 403 | 407 => "does it want a key? `headers` sends one",
                    415 => "see which `format` it takes",
                    _ => "see that `url` is right",
                };
                Err(Failure::Stop(Error::new(answered(status, url, reply.as_mut())).hint(hint)))
            }
            status => Err(Failure::Refused(answered(status, url, reply.as_mut()))),
        }
    }

    /// Tries something as often as the file says.
    pub(super) fn patiently<T>(&self, mut work: impl FnMut() -> Result<T, Failure>) -> Result<T, Error> {
        let attempts = self.retry.attempts.get();
        for attempt in 1..attempts {
            match work() {
                Err(Failure::Later(_, after)) => self.host.sleep(self.wait(attempt, after)),
                other => return other.map_err(|failure| failure.for_good(attempt)),
            }
        }
        work().map_err(|failure| failure.for_good(attempts))
    }

    /// How long to wait after so many attempts, when a server said how long.
    fn wait(&self, attempts: u32, after: Option<Duration>) -> Duration {
        self.retry.wait(attempts).max(self.bounded(after.unwrap_or_default()))
    }

    /// What a server said, but never longer than the file has it.
    pub(super) fn bounded(&self, after: Duration) -> Duration {
        after.min(self.retry.max.0)
    }
}

impl Failure {
    fn for_good(self, attempts: u32) -> Error {
        match self {
            Self::Later(why, _) => Error::new(format!("{why} (after {attempts} attempts)")).hint(
                "go on with `inferno pipeline resume` when it answers again; `retry` says how long to try",
            ),
            Self::Refused(why) => Error::new(why),
            Self::Stop(error) => error,
        }
    }
}

/// A failure of the way, and not of the server.
pub(super) fn broken(error: inferno_sdk::Error, url: &str) -> Failure {
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Exhausted => {
            Failure::Later(error.message, error.retry_after)
        }
        ErrorKind::Denied => {
            let site = site(url).unwrap_or_default();
            let hint = format!(
                "`inferno plugin grant pipeline http={site}` grants it; `inferno plugin explain pipeline` says more"
            );
            Failure::Stop(Error::new(error.message).hint(hint))
        }
        _ => Failure::Stop(error.into()),
    }
}

/// What a server said, for people.
fn answered(status: u16, url: &str, reply: &mut dyn Reply) -> String {
    let mut said = Vec::new();
    while said.len() < SAID {
        match reply.chunk() {
            Ok(Some(chunk)) => said.extend_from_slice(&chunk),
            _ => break,
        }
    }
    let said = String::from_utf8_lossy(&said);
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID).collect();
    match said.is_empty() {
        true => format!("{url} answers with status {status}"),
        false => format!("{url} answers with status {status}: {said}"),
    }
}

/// Whether it is an address of the web.
fn check(url: &str) -> Result<(), Error> {
    let fine = Uri::parse(url).is_ok_and(|uri| {
        let web = matches!(uri.scheme().as_str(), "http" | "https");
        web && uri
            .authority()
            .is_some_and(|authority| !authority.host().is_empty() && !authority.has_userinfo())
    });
    match fine {
        true => Ok(()),
        false => Err(Error::new(format!("{url:?} is no address of the web"))
            .hint("write all of it, such as \"https://api.example.com/v1/items\"")),
    }
}

/// The scheme, host and port of an address, as a grant names them.
fn site(url: &str) -> Option<String> {
    let uri = Uri::parse(url).ok()?;
    Some(format!("{}://{}", uri.scheme(), uri.authority()?.as_str().to_ascii_lowercase()))
}

/// Where a reference in a document leads.
pub(super) fn resolve(base: &str, reference: &str) -> Result<String, Error> {
    let lost = || Error::new(format!("{base} leads on to {reference:?}, which is no address of the web"));
    let (uri, to) = (Uri::parse(base).map_err(|_| lost())?, UriRef::parse(reference).map_err(|_| lost())?);
    let mut found = to.resolve_against(&uri).map_err(|_| lost())?.into_string();
    found.truncate(found.find('#').unwrap_or(found.len()));
    check(&found).map_err(|_| lost())?;
    Ok(found)
}

/// The target of a `Link` header with a relation, such as `<https://a.example/?page=2>; rel="next"`.
pub(super) fn link<'h>(header: &'h str, relation: &str) -> Option<&'h str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let says = |parameter: &str| {
            let (name, value) = parameter.trim().trim_end_matches(',').trim_end().split_once('=')?;
            let found =
                value.trim().trim_matches('"').split(' ').any(|word| word.eq_ignore_ascii_case(relation));
            (name.trim().eq_ignore_ascii_case("rel") && found).then_some(())
        };
        if after[..end].split(';').any(|parameter| says(parameter).is_some()) {
            return Some(target);
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole() {
        for url in ["https://a.example", "http://127.0.0.1:8080/x?y=z", "http://[::1]/"] {
            check(url).unwrap();
        }
        for url in ["", "a.example", "ftp://a.example/", "http:///x", "https://u@a.example/", "https://a b/"]
        {
            assert!(check(url).unwrap_err().message.ends_with("is no address of the web"), "{url}");
        }
        assert_eq!(site("https://A.example:8443/x?y").unwrap(), "https://a.example:8443");
    }

    #[test]
    fn references_lead_on() {
        let next = |reference| resolve("https://a.example/v1/items?page=1", reference);
        assert_eq!(next("?page=2").unwrap(), "https://a.example/v1/items?page=2");
        assert_eq!(next("/x#y").unwrap(), "https://a.example/x");
        assert_eq!(next("http://b.example").unwrap(), "http://b.example");
        assert!(next("ftp://b.example").is_err() && next("a b").is_err());
    }

    #[test]
    fn links_are_found_by_their_relation() {
        let header =
            "<https://a.example/?a=1,2;3>; rel=\"prev first\", </?p=3>; title=x; REL=next, </9>; rel=last";
        assert_eq!(link(header, "first"), Some("https://a.example/?a=1,2;3"));
        assert_eq!(link(header, "next"), Some("/?p=3"));
        assert_eq!(link(header, "last"), Some("/9"));
        assert_eq!(link(header, "up"), None);
        assert_eq!(link("<x; rel=next", "next"), None);
    }
}
