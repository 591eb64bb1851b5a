//! Write an Inferno plugin in Rust.
//!
//! A plugin is a WebAssembly component that plays a **role** and gets nothing but what its user granted.
//!
//! | role | does | how |
//! |---|---|---|
//! | [`http`] | answers requests under the paths that the manifest names | [`http::Handler`], [`export_http!`] |
//! | [`command`] | is a verb of the command line | a program's `main`, or [`command::Command`], [`export_command!`] |
//! | [`filter`] | sees and changes the requests and answers of http plugins, each streamed chunk too | [`filter::Filter`], [`export_filter!`] |
//! | [`step`] | works on the records of a pipeline | [`step::Step`], [`export_step!`] |
//! | [`judge`] | scores answers of a model | [`judge::Judge`], [`export_judge!`] |
//! | [`converter`] | turns models from one format into another | [`converter::Converter`], [`export_converter!`] |
//! | [`catalog`] | says what can be installed | [`catalog::Catalog`], [`export_catalog!`] |
//!
//! Each has a guide in its module; the first two begin here. A component may play several.
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
//! | [`models`] | the installed models, and those in memory | `models = true` |
//! | [`models::load`], [`models::unload`] | which models are in memory, and for how long | `model_control = true` |
//! | [`kv`] | small durable values, for each plugin and tenant apart | `kv = true` |
//! | [`jobs`] | runs of its own command for later | `jobs = true` |
//! | [`plugins`] | steps, judges and converters of other plugins | `plugins = ["acme-*"]` |
//! | [`quota`] | budgets that the user set, reserved and settled | `quota = ["NAME"]` |
//! | [`secrets`] | secrets that the user keeps | `secrets = ["NAME"]` |
//! | [`settings`] | what the user set for this plugin | nothing |
//! | [`web`] | HTTP requests to other machines | `http = ["https://api.example.com"]` |
//! | [`log`] | lines in the host's log | nothing |
//! | [`metrics`] | counters and histograms in the host's metrics | nothing |
//!
//! Files are `std::fs`, below the directories that the manifest asks for, such as
//! `files = [{ path = "/docs", access = "read", why = "the documents to index" }]`; which directory that is on the
//! user's machine, the user says. The clock and randomness are Rust's own (`std::time`, `std::hash::RandomState`).
//! A component imports only the interfaces whose functions it calls.
//!
//! [`json`] reads what clients send field by field; it needs nothing of the host.
//!
//! # Testing
//!
//! Everything compiles natively, so logic that calls no host function is tested with plain `cargo test`:
//! [`http::Request::new`] makes requests and [`http::Response::into_bytes`] runs streaming bodies in memory; steps,
//! judges, filters, converters and catalogs are called as the traits that they are.
//! A call of a host function outside of Inferno panics.

#[doc(hidden)]
pub mod bindings;
pub mod catalog;
pub mod command;
mod config;
pub mod converter;
mod error;
pub mod filter;
pub mod http;
pub mod inference;
pub mod jobs;
pub mod json;
pub mod judge;
pub mod kv;
pub mod log;
pub mod media;
pub mod metrics;
pub mod models;
pub mod plugins;
pub mod quota;
pub mod secrets;
pub mod settings;
pub mod step;
pub mod web;

pub use error::{Error, ErrorKind};
