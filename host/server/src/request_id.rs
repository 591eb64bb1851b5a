//! The name of one request, in every answer and every log line: the client's own where it is fit for both.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LEN: usize = 128;

/// A request's name, as a header value that is known to be visible ASCII.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The client's, or a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).filter(|value| {
            let bytes = value.as_bytes();
            (1..=MAX_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        });
        given.map_or_else(Self::new, |value| Self(value.clone()))
    }

    /// A new one that nobody can guess.
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // A name that may repeat is better than a request refused.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            bytes = now.unwrap_or_default().as_nanos().to_le_bytes();
        }
        let mut text = String::with_capacity(36);
        text.push_str("req_");
        for byte in bytes {
            text.extend(
                [byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)])),
            );
        }
        Self(HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("req_")))
    }

    pub(crate) fn value(&self) -> &HeaderValue {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(given).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn a_fit_name_is_kept_and_others_are_replaced() {
        assert_eq!(of(b"abc-123").as_str(), "abc-123");
        assert_eq!(of(&[b'x'; MAX_LEN]).as_str().len(), MAX_LEN);
        for unfit in [&b""[..], b"two words", "\u{e9}".as_bytes(), &[b'x'; MAX_LEN + 1]] {
            let id = of(unfit);
            assert!(id.as_str().starts_with("req_") && id.as_str().len() == 36, "{id:?}");
        }
    }

    #[test]
    fn new_names_differ() {
        assert_ne!(RequestId::new().as_str(), RequestId::new().as_str());
    }
}
