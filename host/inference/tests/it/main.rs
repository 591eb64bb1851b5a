//! Real worker processes with the `echo` backend: what comes out of them, and what happens when they do not behave.

#![expect(clippy::expect_used, clippy::panic, reason = "in a test, that is how to fail")]

mod fair;
mod kit;
mod loading;
mod odd;
mod pool;
mod queue;
mod stream;
mod supervision;
