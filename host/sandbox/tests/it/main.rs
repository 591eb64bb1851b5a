//! Whole plugins in the real engine, with a real store and real workers behind them: what works, what each limit
//! ends, what each grant refuses.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "in a test, that is how to fail")]

mod chains;
mod command;
mod contract;
mod conversions;
mod data;
mod files;
mod filters;
mod grants;
mod guests;
mod http;
mod http_p2;
mod inference;
mod lab;
mod limits;
mod link;
mod log;
mod network;
mod offers;
mod steps;
mod stores;
mod tapes;
mod tenants;
mod web;
mod workdir;
