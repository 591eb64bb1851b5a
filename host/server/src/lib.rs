//! The HTTP listener: who asks, within which limits, and which plugin answers.
//!
//! The server knows no API dialect. It gives every request a name, finds the plugin that is mounted at its path and the
//! filters around it, finds out which tenant it is for, bounds its head, its body and its time, and streams the
//! plugin's answer back through the filters. Plugins may be replaced while they are served ([`Registered`]). If the
//! client hangs up, the answer's body is dropped and the work behind it ends. What the host itself refuses is worded
//! by the mount's own template, so that clients of any dialect understand it. Web pages of other sites are refused,
//! and so are names that somebody else gave this machine, unless they are listed.
//!
//! A head that is not HTTP, or larger than the read buffer, is answered by hyper with a bare 400, 414 or 431.

mod access;
mod body;
mod config;
mod connection;
mod error;
mod handler;
mod identity;
mod io;
mod mounts;
mod refusal;
mod request_id;
mod routes;
mod server;
mod service;
mod site;

pub use config::Config;
pub use error::Error;
pub use handler::{Failure, Filter, Handler, Next};
pub use routes::{Registered, Source};
pub use server::{Drained, Server};
