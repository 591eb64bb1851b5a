//! Which endpoint a request means.

use inferno_sdk::http::Method;

use crate::error::ApiError;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Models,
    /// The model's name, which may contain slashes.
    Model(String),
    Chat,
    Completions,
    Embeddings,
}

pub(crate) fn find(method: &Method, path: &str) -> Result<Route, ApiError> {
    const READ: &str = "GET, HEAD";
    const POST: &str = "POST";
    let (route, allow) = match path {
        "/v1/models" => (Route::Models, READ),
        "/v1/chat/completions" => (Route::Chat, POST),
        "/v1/completions" => (Route::Completions, POST),
        "/v1/embeddings" => (Route::Embeddings, POST),
        _ => match path.strip_prefix("/v1/models/") {
            Some(name) if !name.is_empty() => (Route::Model(decode(name)?), READ),
            _ => return Err(ApiError::unknown_url(method.as_str(), path)),
        },
    };
    let allowed = match method {
        Method::Get | Method::Head => allow == READ,
        Method::Post => allow == POST,
        _ => false,
    };
    if allowed { Ok(route) } else { Err(ApiError::method(method.as_str(), path, allow)) }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, ApiError> {
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
            None => return Err(ApiError::value("model", "the percent-encoding in the path is broken.")),
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::value("model", "the name in the path is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{refused, seen};

    #[test]
    fn each_path_has_its_route() {
        assert_eq!(find(&Method::Get, "/v1/models").unwrap(), Route::Models);
        assert_eq!(find(&Method::Head, "/v1/models").unwrap(), Route::Models);
        assert_eq!(find(&Method::Post, "/v1/chat/completions").unwrap(), Route::Chat);
        assert_eq!(find(&Method::Post, "/v1/completions").unwrap(), Route::Completions);
        assert_eq!(find(&Method::Post, "/v1/embeddings").unwrap(), Route::Embeddings);
    }

    #[test]
    fn a_model_name_may_have_slashes_and_percent_signs() {
        let name = |path| find(&Method::Get, path).unwrap();
        assert_eq!(name("/v1/models/org/name"), Route::Model("org/name".into()));
        assert_eq!(name("/v1/models/org%2Fname%20%C3%A4"), Route::Model("org/name ä".into()));
        refused(find(&Method::Get, "/v1/models/a%2"), 400, "model", "invalid_value", "broken");
        refused(find(&Method::Get, "/v1/models/a%+f"), 400, "model", "invalid_value", "broken");
        refused(find(&Method::Get, "/v1/models/%ff"), 400, "model", "invalid_value", "not UTF-8");
    }

    #[test]
    fn unknown_paths_are_404() {
        for path in ["/v1", "/v1/", "/v1/models/", "/v1/chat", "/v1/chat/completions/", "/v2/models"] {
            refused(find(&Method::Get, path), 404, "", "unknown_url", path);
        }
    }

    #[test]
    fn wrong_methods_say_which_are_right() {
        let allow = |method, path| {
            let error = find(&method, path).unwrap_err();
            let (status, .., message) = seen(find(&method, path).unwrap_err());
            assert_eq!(status, 405, "{message}");
            error.into_response().get_header("allow").map(str::to_owned)
        };
        assert_eq!(allow(Method::Post, "/v1/models").as_deref(), Some("GET, HEAD"));
        assert_eq!(allow(Method::Delete, "/v1/models/a").as_deref(), Some("GET, HEAD"));
        assert_eq!(allow(Method::Get, "/v1/chat/completions").as_deref(), Some("POST"));
        assert_eq!(allow(Method::Other("BREW".into()), "/v1/embeddings").as_deref(), Some("POST"));
    }
}
