//! Text and vectors from models.
//!
//! [`complete`] is the simple way and works in every role. [`generate`] gives the text as it is written; it is
//! `async` and belongs in an http handler. Both need the `inference` grant for the model's name.
//!
//! ```no_run
//! use inferno_sdk::inference::{self, Message, Request};
//!
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! let mut request = Request::chat("storyteller", vec![Message::user("Tell me about a fox.")]);
//! request.max_tokens = Some(80);
//! request.temperature = Some(0.7);
//! let answer = inference::complete(&request)?;
//! assert!(answer.usage.output_tokens <= 80);
//! # Ok(())
//! # }
//! ```

mod answer;
mod generation;
mod message;
mod request;
mod vectors;

pub use answer::{Choice, Completion, End, Finish, Piece, Token, ToolCallDelta, Usage};
pub use generation::{Generation, generate};
pub use message::{Image, Message, Role, ToolCall};
pub use request::{Format, Input, Request, Tool, ToolChoice};
pub use vectors::{Embeddings, Ranking, embed, rank};

use crate::Error;
use crate::bindings::inferno::host::inference as wit;

/// Generates and returns when the answer is whole.
pub fn complete(request: &Request) -> Result<Completion, Error> {
    Ok(wit::complete(request.to_host())?.into())
}

/// How many tokens the prompt of a request has. Nothing is generated.
pub fn count(request: &Request) -> Result<u32, Error> {
    Ok(wit::count(request.to_host())?)
}

/// The tokens of a text. With `special`, control tokens in it are meant, and the token that begins every text is added
/// where the model wants it.
pub fn tokenize(model: &str, text: &str, special: bool) -> Result<Vec<u32>, Error> {
    Ok(wit::tokenize(model, text, special)?)
}

/// The text of tokens.
pub fn detokenize(model: &str, tokens: &[u32]) -> Result<String, Error> {
    Ok(wit::detokenize(model, tokens)?)
}
