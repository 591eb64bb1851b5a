//! Tests of the public interface, on real files.

#![expect(clippy::expect_used, reason = "a test ends where its premises do")]

mod bytes;
mod digests;
mod discovery;
mod hostile;
mod onnx;
mod storyteller;
mod validation;
