//! Runs GGUF models with llama.cpp.
//!
//! A loaded model works on several requests at once: every step decodes one token of each running request and a
//! piece of the prompts that are still being read, in one batch. A request keeps its whole documented context, since
//! the cache of each sequence is its own; requests beyond the sequences wait in the order in which they came.
//!
//! What counts as what:
//! - Context: what the model was trained with or what was asked for, whichever is less. Without a wish it is at most
//!   4,096 tokens, and less where the caches of all sequences together would need more than 4 GiB.
//! - Prompt tokens: all that the model reads, the chat template's included. A prompt that leaves no room for an answer
//!   is refused, never cut.
//! - Output tokens: what the model chose, without the token that ends an answer.
//! - Penalties look at the answer only, the whole of it; not at the prompt.
//! - Control tokens are recognised in raw prompts and in what a chat template writes, but not in what the messages of
//!   a chat say: there they are plain text.
//! - The beginning of a long prompt stays in the cache of its sequence after the answer. A request that begins in the
//!   same way, like the next turn of a chat, is answered sooner; nothing else about it differs. Whoever can measure
//!   that can learn that somebody asked the model something that begins in this way.
//! - Reproducibility: a seed (or temperature 0) gives the same text again as long as rounding agrees. llama.cpp may
//!   round differently when other requests share a batch, which can tip a near tie between two tokens.

mod answer;
mod bound;
mod chat;
mod clock;
mod constrain;
mod controls;
mod embed;
mod facts;
mod gbnf;
mod generate;
mod json;
mod kept;
mod likely;
mod load;
mod model;
mod native;
mod plan;
mod prefix;
mod prompt;
mod request;
mod sample;
mod schema;
mod template;
mod text;
mod tokens;

pub use load::Gguf;

/// This backend, linked into the program.
#[must_use]
pub fn backend() -> inferno_backend::Linked {
    inferno_backend::Linked::of::<Gguf>()
}
