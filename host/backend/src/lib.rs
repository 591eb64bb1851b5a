//! The boundary between Inferno and the code that runs a model.
//!
//! A *backend* runs one or more model formats. It is a library behind a small C ABI ([`abi`], described for C in
//! `sdk/backend/inferno_backend.h`), linked into the binary or opened at run time. A *worker* ([`worker`]) is a
//! process that holds one model of one backend and speaks [`frames`] with the host over one socket.
//!
//! Backends written in Rust implement [`Backend`] and [`Model`] and call [`export_backend!`]; they see no C.

pub mod abi;
mod backend;
mod backends;
mod callbacks;
mod confine;
mod detect;
mod error;
mod export;
pub mod frames;
pub mod gpu;
mod library;
mod loaded;
mod output;
mod processor;
mod reader;
mod request;
mod stop;
mod tools;
mod types;
mod utf8;
mod wire;
pub mod worker;

pub use backend::{Backend, Emit, Model};
pub use backends::{BackendInfo, Backends};
pub use detect::Detect;
pub use error::{Error, ErrorKind};
pub use export::Linked;
pub use library::Library;
pub use request::{
    Classify, Constraint, Detokenize, Embed, Generate, Image, Input, Message, Rank, Role, Sampling, Tensors,
    Tokenize, Tool, ToolCall, ToolChoice, Work,
};
pub use stop::{Stop, StopMatcher};
pub use tools::{ArgumentText, CallText, Section, Tags, ToolFormat, ToolParser};
pub use types::{
    Ability, Choice, Device, Event, Finish, LoadOptions, ModelInfo, Token, ToolCallDelta, Usage,
};
pub use utf8::Utf8Assembler;
