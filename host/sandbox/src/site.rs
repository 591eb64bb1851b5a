//! Where plugins may send HTTP requests: patterns of scheme, host and port, and the targets that they are compared with.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// What can be written, for errors.
const FORM: &str = "write a scheme and a host, such as \"https://api.example.com\", \"http://localhost:8080\" or \"https://*.example.com\"";

/// A pattern of targets: `https://host`, `http://host:8080`, `https://*.example.com`. The scheme and the port always
/// count; without a port the scheme's own is meant. `*.` stands for one or more names before the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    tls: bool,
    host: Pattern,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    This(Host),
    /// Every name that ends in a dot and this.
    Under(String),
}

/// Who a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name in lower case, without a dot at its end.
    Name(String),
    Address(IpAddr),
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// An entry of the list `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sites {
    /// Those that fit a pattern.
    Like(Site),
    /// In a manifest, as `*`: those that the user names in the grant.
    NamedByUser,
}

impl Sites {
    pub(crate) fn of(target: &Target) -> Self {
        Self::Like(Site::of(target))
    }

    /// Whether they are known to have this target among them.
    pub(crate) fn covers(&self, target: &Target) -> bool {
        match self {
            Self::Like(site) => site.covers(target),
            Self::NamedByUser => false,
        }
    }
}

impl Site {
    /// Whether a request to this address is one to this site. Which addresses its host stands for is another matter,
    /// which is looked at when the request is made.
    pub fn allows(&self, uri: &http::Uri) -> bool {
        Target::of(uri).is_ok_and(|target| self.covers(&target))
    }

    pub(crate) fn covers(&self, target: &Target) -> bool {
        let host = match (&self.host, &target.host) {
            (Pattern::This(this), host) => this == host,
            (Pattern::Under(rest), Host::Name(name)) => {
                name.strip_suffix(rest).is_some_and(|before| before.len() > 1 && before.ends_with('.'))
            }
            (Pattern::Under(_), Host::Address(_)) => false,
        };
        host && self.tls == target.tls && self.port == target.port
    }

    /// The pattern that covers this target and nothing else.
    pub(crate) fn of(target: &Target) -> Self {
        Self { tls: target.tls, host: Pattern::This(target.host.clone()), port: target.port }
    }
}

impl Target {
    /// Reads where a request goes; the error says what is wrong with it.
    pub(crate) fn of(uri: &http::Uri) -> Result<Self, String> {
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("its scheme is neither http nor https".to_owned()),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it has a user name before its host".to_owned());
        }
        let (host, port) = split(authority.as_str())?;
        Ok(Self { tls, host: Host::parse(host)?, port: port.unwrap_or(default_port(tls)) })
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// Takes host and port apart.
fn split(authority: &str) -> Result<(&str, Option<u16>), String> {
    let end_of_host = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end_of_host);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
            Ok(port) if port != 0 => Ok((host, Some(port))),
            _ => Err(format!("\"{digits}\" is no port")),
        },
        _ => Err(format!("{rest:?} is no port")),
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').unwrap_or_default();
            return match inside.parse::<Ipv6Addr>() {
                Ok(address) => Ok(Self::Address(address.into())),
                Err(_) => Err(format!("{text:?} is no IPv6 address")),
            };
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if is_name(&name) { Ok(Self::Name(name)) } else { Err(format!("{text:?} is no host name")) }
    }
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // Resolvers take 127.1 and 0x7f000001 for addresses; no name ends in a number.
    let number = |label: &str| label.starts_with(|c: char| c.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_some_and(number)
}

impl FromStr for Site {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no site: {why}; {FORM}");
        let (scheme, authority) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let (host, port) = split(authority).map_err(|why| wrong(&why))?;
        let host = match host.strip_prefix("*.") {
            None => Pattern::This(Host::parse(host).map_err(|why| wrong(&why))?),
            Some(rest) => match Host::parse(rest).map_err(|why| wrong(&why))? {
                Host::Name(rest) if rest.contains('.') => Pattern::Under(rest),
                _ => return Err(wrong("after \"*.\" there must be a name with a dot in it")),
            },
        };
        Ok(Self { tls, host, port: port.unwrap_or(default_port(tls)) })
    }
}

impl<'de> Deserialize<'de> for Sites {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "*" {
            return Ok(Self::NamedByUser);
        }
        text.parse().map(Self::Like).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Like(site) => site.fmt(f),
            Self::NamedByUser => f.write_str("*"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn write(f: &mut fmt::Formatter<'_>, tls: bool, host: &dyn fmt::Display, port: u16) -> fmt::Result {
    write!(f, "{}://{host}", if tls { "https" } else { "http" })?;
    if port == default_port(tls) { Ok(()) } else { write!(f, ":{port}") }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Pattern::This(host) => write(f, self.tls, host, self.port),
            Pattern::Under(rest) => write(f, self.tls, &format_args!("*.{rest}"), self.port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.tls, &self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        text.parse().unwrap()
    }

    fn target(text: &str) -> Result<Target, String> {
        Target::of(&text.parse().unwrap())
    }

    #[test]
    fn sites_read_as_they_are_written() {
        for text in [
            "https://api.example.com",
            "http://localhost:8080",
            "https://*.example.com",
            "http://127.0.0.1:9",
            "http://[::1]",
        ] {
            assert_eq!(site(text).to_string(), text);
        }
        assert_eq!(site("https://EXAMPLE.com.:443").to_string(), "https://example.com");
        for text in [
            "example.com",
            "ftp://example.com",
            "https://",
            "*",
            "https://*",
            "https://*.com",
            "https://a.*.com",
            "https://example.com/path",
            "https://user@example.com",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:",
            "https://127.1",
            "https://0x7f000001",
            "https://2130706433",
            "https://[::1",
            "https://-a.com",
            "https://exämple.com",
        ] {
            let error = text.parse::<Site>().unwrap_err();
            assert!(error.contains("write a scheme and a host"), "{text}: {error}");
        }
    }

    #[test]
    fn a_site_covers_its_scheme_host_and_port_only() {
        let covers = |pattern: &str, uri: &str| site(pattern).covers(&target(uri).unwrap());
        assert!(covers("https://example.com", "https://example.com/x?y"));
        assert!(covers("https://example.com", "https://EXAMPLE.com.:443/"));
        assert!(covers("https://*.example.com", "https://a.b.example.com/"));
        assert!(covers("http://[::1]:8080", "http://[0:0::1]:8080/"));
        for (pattern, uri) in [
            ("https://example.com", "http://example.com/"),
            ("https://example.com", "https://example.com:8443/"),
            ("https://example.com", "https://a.example.com/"),
            ("https://example.com", "https://example.com.evil.net/"),
            ("https://*.example.com", "https://example.com/"),
            ("https://*.example.com", "https://evilexample.com/"),
            ("https://*.example.com", "https://.example.com.evil.net/"),
            ("http://localhost", "http://127.0.0.1/"),
            ("http://127.0.0.1", "http://127.0.0.2/"),
        ] {
            assert!(!target(uri).is_ok_and(|target| site(pattern).covers(&target)), "{pattern} {uri}");
        }
    }

    #[test]
    fn odd_targets_are_none() {
        for uri in [
            "https://a@b.com/",
            "https://a:b@c.com/",
            "ftp://a.com/",
            "/x",
            "https://127.1/",
            "http://0x7f.1/",
            "http://1/",
        ] {
            assert!(target(uri).is_err(), "{uri}");
        }
        // Some that `Uri` lets through or not, but that may never pass.
        for uri in ["https://a b/", "https://a\u{0}b/", "https://[::1]x/", "https://a:b:c/"] {
            assert!(!uri.parse::<http::Uri>().is_ok_and(|uri| Target::of(&uri).is_ok()), "{uri:?}");
        }
    }

    /// Pieces of which hostile addresses are made.
    const PIECES: [&str; 24] = [
        "http://",
        "https://",
        "example.com",
        "evil.net",
        "EXAMPLE.COM",
        ".",
        "@",
        ":",
        "/",
        "\\",
        "#",
        "?",
        "%40",
        "%2e",
        ":443",
        ":8443",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "a.",
        "*",
        " ",
        "xn--",
    ];

    #[test]
    fn no_address_made_of_odd_pieces_gets_elsewhere() {
        let sites = ["https://example.com", "https://*.example.com"].map(site);
        let (mut seed, mut allowed) = (0x9e37_79b9_7f4a_7c15_u64, 0);
        for _ in 0..200_000 {
            let mut text = String::new();
            for _ in 0..5 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                text.push_str(PIECES[usize::try_from(seed % 24).unwrap()]);
            }
            let Ok(uri) = text.parse::<http::Uri>() else { continue };
            if !sites.iter().any(|site| site.allows(&uri)) {
                continue;
            }
            allowed += 1;
            // Read by hand: between the scheme and the first character that ends an authority.
            let rest = text.strip_prefix("https://").unwrap_or_else(|| panic!("{text}"));
            let authority = rest.split(['/', '?', '#', '\\']).next().unwrap().to_ascii_lowercase();
            let host = authority.strip_suffix(":443").unwrap_or(&authority);
            let host = host.strip_suffix('.').unwrap_or(host);
            assert!(host == "example.com" || host.ends_with(".example.com"), "{text}");
            assert!(!host.contains(['@', ':', '%', '*', '[']), "{text}");
        }
        assert!(allowed > 100, "{allowed}");
    }
}
