//! Model files on disk: where they are, what their headers say, what they are called and what they hash to.
//!
//! [`Models`] finds them, those of formats that only a backend knows included ([`Foreign`]), [`gguf`] reads the headers without trusting one length in them, and [`validate()`] says in
//! detail what is right and wrong with one file. Nothing here runs a model or reads tensor data.

mod catalog;
mod digest;
mod discover;
mod echo;
mod error;
mod foreign;
mod format;
pub mod gguf;
mod header;
mod inspect;
mod models;
mod names;
mod onnx;
mod projector;
mod summary;
mod validate;

pub use error::ModelsError;
pub use foreign::Foreign;
pub use format::{Format, NotAModel};
pub use header::Header;
pub use models::{Adapter, Builtin, Config, Listing, Model, Models};
pub use projector::Projector;
pub use validate::{Check, Report, validate};
