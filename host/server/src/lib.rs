//! The HTTP listener: who asks, within which limits, and which plugin answers.
//!
//! The server knows no API dialect. It gives every request a name, finds the plugin that is mounted at its path and the
//! filters around it, finds out which tenant it is for, bounds its head, its body and its time, and streams the
//! plugin's answer back through the filters. Plugins may be replaced while they are served ([`Registered`]). If the
//! client hangs up, the answer's body is dropped and the work behind it ends. What the host itself refuses is worded
//! by the mount's own template, so that clients of any dialect understand it. Web pages of other sites are refused,
//! and so are names that somebody else gave this machine, unless they are listed.
//!
//! The host itself answers `/health`, `/ready` and `/metrics`. Where a plugin says that it speaks over WebSockets, the
//! connection becomes one, and the plugin sees a request whose bodies are the messages, line by line.
//!
//! A head that is not HTTP, or larger than the read buffer, is answered by hyper with a bare 400, 414 or 431.

mod access;
mod body;
mod config;
mod connection;
mod error;
mod figures;
mod handler;
mod host;
mod identity;
mod io;
mod mounts;
mod own;
mod refusal;
mod report;
mod request_id;
mod routes;
mod server;
mod service;
mod site;
mod websocket;

pub use config::{Config, MetricsAccess};
pub use error::Error;
pub use handler::{Failure, Filter, Handler, Next};
pub use host::{Host, ModelState};
pub use report::Report;
pub use routes::{Registered, Source};
pub use server::{Drained, Server};
