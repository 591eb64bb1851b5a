//! Where plugins may send requests: a site and an address, on a line each. Whatever both are, a request that is allowed
//! goes to the scheme, host and port that the site names.
#![no_main]

use inferno_sandbox::Site;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some((site, address)) = text.split_once('\n') else { return };
    let (Ok(site), Ok(uri)) = (site.parse::<Site>(), address.parse::<http::Uri>()) else { return };
    let written = site.to_string();
    assert_eq!(written.parse::<Site>().expect("what is written can be read"), site);
    if !site.allows(&uri) {
        return;
    }
    let (scheme, wanted) = written.split_once("://").expect("a site has a scheme");
    assert_eq!(uri.scheme_str(), Some(scheme), "{text}");
    let authority = uri.authority().expect("an allowed address has a host");
    assert!(!authority.as_str().contains('@'), "{text}");
    let port = if scheme == "https" { 443 } else { 80 };
    let (wanted, wanted_port) = match wanted.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => (host, digits.parse().expect("a port")),
        _ => (wanted, port),
    };
    assert_eq!(authority.port_u16().unwrap_or(port), wanted_port, "{text}");
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let same = match (wanted.strip_prefix("*."), host.strip_prefix('[')) {
        (Some(rest), _) => host.ends_with(&format!(".{rest}")),
        // One address can be written in several ways.
        (None, Some(inside)) => {
            let address: std::net::Ipv6Addr = inside.trim_end_matches(']').parse().expect("an address");
            wanted == format!("[{address}]")
        }
        (None, None) => wanted == host,
    };
    assert!(same, "{text}");
});
