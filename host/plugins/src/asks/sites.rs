//! Where requests may go: `https://host`, `http://host:8080`, `https://*.example.com`.

use inferno_sandbox::Site;

use crate::text::visible;

/// A site in the one way in which it is written.
pub(crate) fn read(text: &str) -> Result<String, String> {
    text.parse::<Site>().map(|site| site.to_string()).map_err(|what| visible(&what))
}

/// Whether the first site covers every target of the second.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (Ok(wide), Ok(narrow)) = (read(wide), read(narrow)) else { return false };
    if wide == narrow {
        return true;
    }
    let parts = |site: &str| -> Option<(String, String, String)> {
        let (scheme, authority) = site.split_once("://")?;
        // Addresses in brackets have colons of their own; no pattern covers them.
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        Some((scheme.to_owned(), host.to_owned(), port.to_owned()))
    };
    let (Some(wide), Some(narrow)) = (parts(&wide), parts(&narrow)) else { return false };
    // "*.a.com" covers "b.a.com" and "*.b.a.com"; in both, something and a dot come before the rest.
    let under = wide.1.strip_prefix('*').is_some_and(|rest| {
        let narrow = narrow.1.strip_prefix("*.").unwrap_or(&narrow.1);
        narrow.strip_suffix(rest).is_some_and(|before| !before.is_empty() && !before.starts_with('['))
    });
    under && wide.0 == narrow.0 && wide.2 == narrow.2
}

/// Whether there is a target that both cover: then one covers the other.
pub(crate) fn meet(left: &str, right: &str) -> bool {
    covers(left, right) || covers(right, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_sites() {
        for (wide, narrow) in [
            ("https://a.com", "https://A.com:443"),
            ("https://*.a.com", "https://b.a.com"),
            ("https://*.a.com", "https://c.b.a.com"),
            ("https://*.a.com", "https://*.b.a.com"),
            ("http://*.a.com:8080", "http://b.a.com:8080"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert!(covers(wide, narrow) && meet(narrow, wide), "{wide} {narrow}");
        }
        for (one, other) in [
            ("https://a.com", "http://a.com"),
            ("https://a.com", "https://a.com:8443"),
            ("https://*.a.com", "https://a.com"),
            ("https://*.a.com", "https://evila.com"),
            ("https://*.a.com", "http://b.a.com"),
            ("https://*.a.com", "https://b.a.com:8443"),
            ("https://*.a.com", "https://b.c.com"),
            ("https://nonsense/x", "https://nonsense/x"),
        ] {
            assert!(!meet(one, other), "{one} {other}");
        }
        assert!(!covers("https://b.a.com", "https://*.a.com"));
    }
}
