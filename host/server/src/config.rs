use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What the listener allows. Every limit is always on; the defaults suit a machine of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one, see [`crate::Server::local_addr`].
    pub addr: SocketAddr,
    /// Names by which this server may be asked besides those of this machine (`localhost`, `127.0.0.1`, ...); `*`: any.
    /// Others are answered 403, where `addr` is a loopback address or some are listed.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may use this server, such as `https://app.example`, and see its answers; `*`: any.
    /// Pages of other sites are answered 403; those of this machine and of the server itself are not.
    pub allowed_origins: Vec<String>,
    /// Open connections. One more is answered 503 and closed.
    pub max_connections: usize,
    /// Header fields of one request. More are answered 431.
    pub max_headers: usize,
    /// Bytes of all header names and values of one request, at most 64 KiB. More are answered 431.
    pub max_header_bytes: usize,
    /// Bytes of the request target. More are answered 414.
    pub max_uri_bytes: usize,
    /// How long a client may take for the head of one request, and how long a kept connection may wait idle for the
    /// next. A client that began a head is answered 408; an idle connection is closed without a word.
    pub header_timeout: Duration,
    /// Bytes of a request body, and of a message over a WebSocket. More are answered 413, or end the WebSocket (1009).
    pub max_body: u64,
    /// How long a client may send nothing in the middle of its body. Longer is answered 408.
    pub body_idle_timeout: Duration,
    /// How long the whole body may take, however steadily it trickles. Longer is answered 408.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer that waits for it. Longer closes the connection, and so frees
    /// what the answer holds.
    pub write_timeout: Duration,
    /// How often a WebSocket is asked whether its client is still there. One that has not answered twice is closed.
    pub ping_interval: Duration,
    /// Who may see `/metrics`.
    pub metrics: MetricsAccess,
    /// How long requests in flight may go on after a shutdown has begun.
    pub drain: Duration,
}

/// Who may see `/metrics`, which tells of all tenants. Where there are no keys, everybody may see what is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Whoever has a key of the default tenant.
    Key,
    /// Whoever is on this machine, and whoever has such a key. Behind a proxy everybody is on this machine.
    Loopback,
    /// Everybody.
    Anyone,
    /// Nobody.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 1024,
            max_headers: 64,
            max_header_bytes: 32 * 1024,
            max_uri_bytes: 8 * 1024,
            header_timeout: Duration::from_secs(30),
            max_body: 8 * 1024 * 1024,
            body_idle_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(30),
            metrics: MetricsAccess::Key,
            drain: Duration::from_secs(30),
        }
    }
}
