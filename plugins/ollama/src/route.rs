//! Which endpoint a request means.

use inferno_sdk::http::Method;

use crate::error::ApiError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Root,
    Version,
    Tags,
    Ps,
    Show,
    Chat,
    Generate,
    Embed,
    Embeddings,
}

/// Path, route, and whether it is read with GET rather than asked with POST.
const ROUTES: &[(&str, Route, bool)] = &[
    ("/", Route::Root, true),
    ("/api/version", Route::Version, true),
    ("/api/tags", Route::Tags, true),
    ("/api/ps", Route::Ps, true),
    ("/api/show", Route::Show, false),
    ("/api/chat", Route::Chat, false),
    ("/api/generate", Route::Generate, false),
    ("/api/embed", Route::Embed, false),
    ("/api/embeddings", Route::Embeddings, false),
];

/// What Ollama offers beyond this, by its first word.
const MANAGING: &[&str] = &["pull", "push", "create", "copy", "delete", "blobs"];

pub(crate) fn find(method: &Method, path: &str) -> Result<Route, ApiError> {
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    let Some((_, route, read)) = ROUTES.iter().find(|(known, ..)| *known == path) else {
        let word = path.strip_prefix("/api/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        return Err(if MANAGING.contains(&word) {
            ApiError::managing(path)
        } else {
            ApiError::unknown_path(path)
        });
    };
    match (method, read) {
        (Method::Get | Method::Head, true) | (Method::Post, false) => Ok(*route),
        _ => Err(ApiError::method(method.as_str(), path, if *read { "GET, HEAD" } else { "POST" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn each_path_has_its_route() {
        assert_eq!(find(&Method::Head, "/").unwrap(), Route::Root);
        assert_eq!(find(&Method::Get, "/api/version").unwrap(), Route::Version);
        assert_eq!(find(&Method::Head, "/api/tags/").unwrap(), Route::Tags);
        assert_eq!(find(&Method::Get, "/api/ps").unwrap(), Route::Ps);
        assert_eq!(find(&Method::Post, "/api/show").unwrap(), Route::Show);
        assert_eq!(find(&Method::Post, "/api/chat").unwrap(), Route::Chat);
        assert_eq!(find(&Method::Post, "/api/generate").unwrap(), Route::Generate);
        assert_eq!(find(&Method::Post, "/api/embed").unwrap(), Route::Embed);
        assert_eq!(find(&Method::Post, "/api/embeddings").unwrap(), Route::Embeddings);
    }

    #[test]
    fn what_is_not_there_says_what_is() {
        let refused = |method, path| seen(find(&method, path).unwrap_err());
        assert_eq!(refused(Method::Get, "/api").0, 404);
        assert_eq!(refused(Method::Post, "/").0, 405);
        let (status, message) = refused(Method::Get, "/api/nothing");
        assert!(status == 404 && message.contains("/api/chat"), "{message}");
        let (status, message) = refused(Method::Post, "/api/pull");
        assert!(status == 404 && message.contains("inferno models list"), "{message}");
        let (status, message) = refused(Method::Get, "/api/chat");
        assert!(status == 405 && message.contains("POST"), "{message}");
        let error = find(&Method::Post, "/api/tags").unwrap_err();
        assert_eq!(error.into_response().get_header("allow"), Some("GET, HEAD"));
    }
}
