//! Whole plugins in the real engine, with a real store and real workers behind them: what works, what each limit
//! ends, what each grant refuses.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "in a test, that is how to fail")]

mod command;
mod grants;
mod guests;
mod http;
mod inference;
mod lab;
mod limits;
mod link;
mod log;
