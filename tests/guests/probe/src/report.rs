//! What the plugin sees, as text.

use crate::wit::inferno::host::types::Error;
use crate::wit::wasi::http::types::Request;

/// Everything about a request but its body, one line each.
pub(crate) fn request(request: &Request) -> String {
    let mut lines = vec![
        format!("method {:?}", request.get_method()),
        format!("scheme {:?}", request.get_scheme()),
        format!("authority {:?}", request.get_authority()),
        format!("path {:?}", request.get_path_with_query()),
    ];
    for (name, value) in request.get_headers().copy_all() {
        lines.push(format!("header {name}={}", String::from_utf8_lossy(&value)));
    }
    lines.join("\n")
}

/// An error with everything that came with it.
pub(crate) fn error(error: &Error) -> String {
    let hint = error.hint.as_deref().unwrap_or("-");
    format!("{:?}\n{}\n{hint}", error.kind, error.message)
}

/// What a plugin without grants can reach through the standard library.
pub(crate) fn surroundings() -> String {
    let tries = [
        ("env", std::env::vars().next().is_some()),
        ("args", std::env::args().next().is_some()),
        ("list", std::fs::read_dir("/").is_ok()),
        ("read", std::fs::read("/etc/passwd").is_ok()),
        ("write", std::fs::write("/tmp/x", "x").is_ok()),
        ("tcp", std::net::TcpStream::connect("127.0.0.1:80").is_ok()),
        ("listen", std::net::TcpListener::bind("127.0.0.1:0").is_ok()),
        ("udp", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("name", std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok()),
    ];
    let reached: Vec<&str> = tries.iter().filter(|(_, reached)| *reached).map(|(name, _)| *name).collect();
    format!("reached: {}", reached.join(" "))
}
