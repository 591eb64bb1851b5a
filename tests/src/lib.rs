//! The test kit: the real `inferno` binary in directories of its own, talked to as a user or a client would.
//!
//! ```no_run
//! let context = inferno_tests::TestContext::new();
//! context.echo_model("parrot", r#"{"tokens_per_second": 50}"#);
//! let server = context.serve(&[]);
//! let models = server.get("/v1/models");
//! assert_eq!(models.status, 200);
//! ```
//!
//! Whatever goes wrong in it is a panic that says what was expected and what was there, since that is how a test fails.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub mod build;
mod context;
pub mod gguf;
mod http;
pub mod onnx;
mod origin;
mod serving;

pub use context::{Finished, TestContext};
pub use http::{Answer, Events, Head};
pub use origin::{Asked, Origin, Told};
pub use serving::{Server, within};
