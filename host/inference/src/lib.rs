//! The one door to a model: a request goes in, events come out.
//!
//! [`Inference`] finds the model, starts one worker process for it when it is first wanted, hands the request over
//! and returns a [`Generation`]: a stream of text that ends in [`Event::Done`] or in an [`Error`]. Dropping it ends
//! the work at the next token.
//!
//! What stands between a request and the tokens, one file each:
//!
//! - `check`: requests that no model could answer are refused before a process is involved;
//! - `line` and `queue`: one per model file: its bounded seats, and whose turn it is;
//! - `slot`: one per model file: its one load that all wait for, its pause after crashes, its end when it is idle;
//! - `pool` and `memory`: which models are loaded, and which must go so that another one fits; `machine` says what
//!   there is;
//! - `worker`: one per loaded model: how it is loaded, and how requests come to it;
//! - `supervisor`: the task that watches a worker until its process has ended;
//! - `process`: how that process is started, and what its end means;
//! - `wire`: frames on the socket, as bytes;
//! - `requests` and `mailbox`: from a frame to the one who waits for it;
//! - `figures`: what is counted meanwhile;
//! - `prompt_cache`: what workers keep of prompts for those that come after them.
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
mod figures;
mod generation;
mod inference;
mod line;
mod machine;
mod mailbox;
mod memory;
mod pool;
mod process;
mod prompt_cache;
mod queue;
mod requests;
mod slot;
mod status;
mod supervisor;
mod terms;
mod trace;
mod wire;
mod worker;

pub use completion::{Completion, Draft};
pub use config::{Config, WorkerCommand};
pub use figures::{Figures, Histogram, ModelFigures, Outcome, TenantFigures};
pub use generation::Generation;
pub use inference::{Embeddings, Inference, Ranking};
pub use inferno_backend::{
    Ability, Choice, Classify, Constraint, Detokenize, Embed, Error, ErrorKind, Event, Finish, Generate,
    Image, Input, Message, ModelInfo, Rank, Role, Sampling, Tensors, Token, Tokenize, Tool, ToolCall,
    ToolCallDelta, ToolChoice, Usage,
};
pub use inferno_models as models;
pub use process::WAITING;
pub use prompt_cache::{Compression, Kept, PromptCache};
pub use status::{Loaded, State, Status};
pub use terms::{KeepAlive, Terms};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even after a panic elsewhere: every holder leaves the data whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
