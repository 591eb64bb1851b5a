//! The backend with a real runtime, on graphs whose answers can be foretold.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod harness;
mod hostile;
mod reading;
mod tensors;
mod writing;
