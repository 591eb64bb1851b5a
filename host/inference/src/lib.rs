//! The one door to a model: a request goes in, events come out.
//!
//! [`Inference`] finds the model, starts one worker process for it when it is first wanted, hands the request over
//! and returns a [`Generation`]: a stream of text that ends in [`Event::Done`] or in an [`Error`]. Dropping it ends
//! the work at the next token.
//!
//! What stands between a request and the tokens, one file each:
//!
//! - `check`: requests that no model could answer are refused before a process is involved;
//! - `slot`: one per model file: its bounded queue, its one load that all wait for, its pause after crashes;
//! - `worker`: one per loaded model: how it is loaded, and how requests come to it;
//! - `supervisor`: the task that watches a worker until its process has ended;
//! - `process`: how that process is started, and what its end means;
//! - `wire`: frames on the socket, as bytes;
//! - `requests` and `mailbox`: from a frame to the one who waits for it.
//!
//! **The way of a token.** One task per worker reads the socket with a large buffer, so one read takes in everything
//! that the worker wrote. Each text is appended to its request's mailbox, and a consumer is woken once per read at
//! most, and only if it waits: a slow one finds all that has come as one piece, and never holds up the others. No
//! JSON is parsed and nothing is allocated on that way but the text itself, and no lock outlives a few instructions.
//!
//! A mailbox has no bound of its own, since what it can hold is bounded already: by `max_tokens` and the context.

mod check;
mod completion;
mod config;
mod generation;
mod inference;
mod mailbox;
mod process;
mod requests;
mod slot;
mod supervisor;
mod wire;
mod worker;

pub use completion::{Completion, Draft};
pub use config::{Config, WorkerCommand};
pub use generation::Generation;
pub use inference::{Embeddings, Inference, Loaded, Ranking};
pub use inferno_backend::{
    Ability, Choice, Constraint, Detokenize, Embed, Error, ErrorKind, Event, Finish, Generate, Input,
    Message, ModelInfo, Rank, Role, Sampling, Token, Tokenize, Tool, ToolCall, ToolCallDelta, ToolChoice,
    Usage,
};
pub use inferno_models as models;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even after a panic elsewhere: every holder leaves the data whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
