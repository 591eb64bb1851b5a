//! The listener as its clients see it: raw sockets in front, handlers made for each test behind.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod filters;
mod identity;
mod kit;
mod limits;
mod log;
mod observed;
mod requests;
mod shutdown;
mod site;
mod streams;
mod websockets;
