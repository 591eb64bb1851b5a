//! The crate from outside: the ABI from both sides, libraries that are opened, and workers as processes of their own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod abi;
mod frames;
mod host;
mod libraries;
mod scripted;
mod worker;
