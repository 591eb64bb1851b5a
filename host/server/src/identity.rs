//! Who a request is for. Keys are not asked for until the first one exists, and from then on always.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use inferno_store::{DEFAULT_TENANT, Store, StoreError};

use crate::refusal::Refusal;

/// The other header in which clients send their key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The tenant that a request's key belongs to. A store that cannot answer lets nobody in.
///
/// The store is asked on this very thread: it answers from memory after it has read one number, which takes less time
/// than to wake another thread for it.
pub(crate) fn tenant(store: &Store, headers: &HeaderMap) -> Result<String, Refusal> {
    look_up(store, secret(headers)).unwrap_or_else(|error| {
        tracing::error!(%error, "API keys cannot be read");
        Err(Refusal::internal("API keys cannot be read; the server's log says why"))
    })
}

fn look_up(store: &Store, secret: Option<&str>) -> Result<Result<String, Refusal>, StoreError> {
    if !store.any_keys()? {
        return Ok(Ok(DEFAULT_TENANT.to_owned()));
    }
    let Some(secret) = secret else {
        return Ok(Err(Refusal::unauthenticated(
            "this server needs an API key: send it as `Authorization: Bearer inf-...`",
        )));
    };
    Ok(match store.identify(secret)? {
        Some(key) => Ok(key.tenant),
        None => Err(Refusal::unauthenticated("this API key is not known here, or it was removed")),
    })
}

/// What was sent as a key, from whichever header has one.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
    });
    bearer.or_else(|| headers.get(API_KEY)?.to_str().ok().map(str::trim))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn keys_are_found_in_both_headers() {
        let of = |pairs: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            secret(&headers).map(str::to_owned)
        };
        assert_eq!(of(&[(AUTHORIZATION, "Bearer inf-a")]).as_deref(), Some("inf-a"));
        assert_eq!(of(&[(AUTHORIZATION, "bearer  inf-a")]).as_deref(), Some("inf-a"));
        assert_eq!(of(&[(API_KEY, "inf-b")]).as_deref(), Some("inf-b"));
        assert_eq!(of(&[(AUTHORIZATION, "Basic eA=="), (API_KEY, "inf-b")]).as_deref(), Some("inf-b"));
        assert_eq!(of(&[(AUTHORIZATION, "inf-a")]), None);
        assert_eq!(of(&[]), None);
    }
}
