//! Write an Inferno plugin in Rust.
//!
//! A plugin is a WebAssembly component that plays a **role** and gets nothing but what its user granted. Two roles
//! exist: `http` answers requests under the paths that the manifest names, and `command` becomes a verb of the
//! command line.
//!
//! # An http plugin
//!
//! A library crate with `crate-type = ["cdylib"]`, built with `--target wasm32-wasip2`:
//!
//! ```
//! use inferno_sdk::http::{Handler, Request, Response};
//! use inferno_sdk::inference;
//!
//! struct Oracle;
//!
//! impl Handler for Oracle {
//!     async fn handle(mut request: Request) -> Response {
//!         let question = match request.read_body(64 * 1024).await {
//!             Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
//!             Err(error) => return Response::text(error.status(), error.to_string()),
//!         };
//!         let ask = inference::Request::prompt("storyteller", question);
//!         let mut generation = match inference::generate(&ask).await {
//!             Ok(generation) => generation,
//!             Err(error) => return Response::text(503, error.to_string()),
//!         };
//!         Response::stream(200, async move |mut body| {
//!             while let Some(piece) = generation.next().await {
//!                 body.write(&mut piece.into_bytes()).await?;
//!             }
//!             generation.end().await?;
//!             Ok(())
//!         })
//!     }
//! }
//!
//! inferno_sdk::export_http!(Oracle);
//! ```
//!
//! # A command plugin
//!
//! A program: its `main` is the verb. Arguments, standard input and output are those of the command line.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use inferno_sdk::command::{self, Failure};
//! use inferno_sdk::inference::{self, Request};
//!
//! fn main() -> ExitCode {
//!     command::run(ask)
//! }
//!
//! fn ask() -> Result<(), Failure> {
//!     let prompt = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
//!     println!("{}", inference::complete(&Request::prompt("storyteller", prompt))?.text);
//!     Ok(())
//! }
//! ```
//!
//! # What the host lends
//!
//! | module | gives | the manifest asks with |
//! |---|---|---|
//! | [`inference`] | text and vectors from models | `inference = { models = ["*"] }` |
//! | [`models`] | the installed models | `models = true` |
//! | [`kv`] | small durable values, for each plugin and tenant apart | `kv = true` |
//! | [`settings`] | what the user set for this plugin | nothing |
//! | [`log`] | lines in the host's log | nothing |
//!
//! The clock and randomness are Rust's own (`std::time`, `std::hash::RandomState`); there is no file and no network.
//! A component imports only the interfaces whose functions it calls.
//!
//! # Testing
//!
//! Everything compiles natively, so logic that calls no host function is tested with plain `cargo test`:
//! [`http::Request::new`] makes requests and [`http::Response::into_bytes`] runs streaming bodies in memory.
//! A call of a host function outside of Inferno panics.

pub mod command;
mod error;
pub mod http;
pub mod inference;
pub mod kv;
pub mod log;
pub mod models;
pub mod settings;

pub use error::{Error, ErrorKind};

/// What wit-bindgen makes of the WIT packages; the export macros refer to it.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, reason = "generated")]

    // One world is enough for all roles: with `pub_export_macro` its exports are only demanded where `export_http!`
    // is called, so that a command may use the same imports. Paths are in order of dependence.
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-clocks",
            "../../wit/deps/wasi-random",
            "../../wit/deps/wasi-filesystem",
            "../../wit/deps/wasi-sockets",
            "../../wit/deps/wasi-cli",
            "../../wit/deps/wasi-http",
            "../../wit/host",
            "../../wit/plugin",
        ],
        world: "inferno:plugin/http",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_http_world",
        default_bindings_module: "inferno_sdk::bindings",
    });
}
