//! Packages and installed state, seen from outside.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod concurrent;
mod effect;
mod kit;
mod packages;
