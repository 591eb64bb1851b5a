//! Which endpoint a request means.

use inferno_sdk::http::Method;

use crate::endpoints::{ENDPOINTS, Route};
use crate::error::ApiError;
use crate::schema::{Field, Kind, Object};

/// A method that an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// And `HEAD`.
    Get,
    Post,
    Delete,
}

/// What an endpoint answers where all is well.
pub(crate) enum Output {
    Json(&'static Object),
    /// The same, or server-sent events, each of this kind.
    JsonOrEvents(&'static Object, Kind),
    /// The bytes of a file.
    Content,
    /// The OpenAPI document itself.
    Document,
    /// A WebSocket; the host upgrades the connection.
    Socket,
}

/// A path and a method, and what belongs to them.
pub(crate) struct Endpoint {
    pub(crate) verb: Verb,
    /// At most one part of it is a parameter, such as `{model}`.
    pub(crate) path: &'static str,
    /// Its name for generated clients.
    pub(crate) id: &'static str,
    pub(crate) about: &'static str,
    pub(crate) query: &'static [Field],
    pub(crate) body: Option<&'static Object>,
    pub(crate) output: Output,
    pub(crate) route: Route,
}

/// An endpoint, and what stands in the place of its parameter.
pub(crate) struct Found {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) argument: String,
}

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(method, Method::Get | Method::Head),
            Self::Post => *method == Method::Post,
            Self::Delete => *method == Method::Delete,
        }
    }
}

impl Endpoint {
    /// The name of the path's parameter.
    pub(crate) fn parameter(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        Some(rest.split_once('}')?.0)
    }

    /// What stands in the place of the parameter, if this is the path.
    fn fits<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, rest)) = self.path.split_once('{') else {
            return (self.path == path).then_some("");
        };
        let (name, after) = rest.split_once('}')?;
        let argument = path.strip_prefix(before)?.strip_suffix(after)?;
        // Names of models may have slashes.
        let fine = !argument.is_empty() && (name == "model" || !argument.contains('/'));
        fine.then_some(argument)
    }
}

pub(crate) fn find(method: &Method, path: &str) -> Result<Found, ApiError> {
    let mut allowed = Vec::new();
    for endpoint in ENDPOINTS {
        let Some(argument) = endpoint.fits(path) else { continue };
        if endpoint.verb.takes(method) {
            let argument = decode(argument, endpoint.parameter().unwrap_or_default())?;
            return Ok(Found { endpoint, argument });
        }
        allowed.push(if endpoint.verb == Verb::Get { "GET, HEAD" } else { endpoint.verb.as_str() });
    }
    if allowed.is_empty() {
        return Err(ApiError::unknown_url(method.as_str(), path));
    }
    Err(ApiError::method(method.as_str(), path, allowed.join(", ")))
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str, param: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let decoded = match byte {
            b'%' => digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()),
            _ => Some(byte),
        };
        match decoded {
            Some(byte) => bytes.push(byte),
            None => return Err(ApiError::value(param, "its percent-encoding is broken.")),
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::value(param, "it is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{refused, seen};

    fn found(method: &Method, path: &str) -> (Route, String) {
        let found = find(method, path).unwrap_or_else(|error| panic!("{path}: {error:?}"));
        (found.endpoint.route, found.argument)
    }

    #[test]
    fn each_path_has_its_route() {
        let route = |method, path| found(&method, path).0;
        assert_eq!(route(Method::Get, "/v1/models"), Route::Models);
        assert_eq!(route(Method::Head, "/v1/models"), Route::Models);
        assert_eq!(route(Method::Post, "/v1/chat/completions"), Route::Chat);
        assert_eq!(route(Method::Post, "/v1/responses"), Route::Respond);
        assert_eq!(found(&Method::Get, "/v1/responses/resp_1"), (Route::Response, "resp_1".into()));
        assert_eq!(found(&Method::Delete, "/v1/responses/resp_1"), (Route::DeleteResponse, "resp_1".into()));
        assert_eq!(found(&Method::Get, "/v1/responses/r/input_items"), (Route::InputItems, "r".into()));
    }

    #[test]
    fn a_model_name_may_have_slashes_and_percent_signs() {
        let name = |path| found(&Method::Get, path).1;
        assert_eq!(name("/v1/models/org/name"), "org/name");
        assert_eq!(name("/v1/models/org%2Fname%20%C3%A4"), "org/name ä");
        let find = |path| find(&Method::Get, path);
        refused(find("/v1/models/a%2"), 400, "model", "invalid_value", "broken");
        refused(find("/v1/models/a%+f"), 400, "model", "invalid_value", "broken");
        refused(find("/v1/models/%ff"), 400, "model", "invalid_value", "not UTF-8");
    }

    #[test]
    fn unknown_paths_are_404() {
        for path in [
            "/v1",
            "/v1/",
            "/v1/models/",
            "/v1/chat",
            "/v1/chat/completions/",
            "/v2/models",
            "/v1/responses/a/b",
        ] {
            refused(find(&Method::Get, path), 404, "", "unknown_url", path);
        }
    }

    #[test]
    fn wrong_methods_say_which_are_right() {
        let allow = |method, path| {
            let error = find(&method, path).err().unwrap();
            let (status, .., message) = seen(find(&method, path).err().unwrap());
            assert_eq!(status, 405, "{message}");
            error.into_response().get_header("allow").map(str::to_owned)
        };
        assert_eq!(allow(Method::Post, "/v1/models").as_deref(), Some("GET, HEAD"));
        assert_eq!(allow(Method::Delete, "/v1/models/a").as_deref(), Some("GET, HEAD"));
        assert_eq!(allow(Method::Get, "/v1/chat/completions").as_deref(), Some("POST"));
        assert_eq!(allow(Method::Put, "/v1/responses/a").as_deref(), Some("GET, HEAD, DELETE"));
        assert_eq!(allow(Method::Other("BREW".into()), "/v1/embeddings").as_deref(), Some("POST"));
    }
}
