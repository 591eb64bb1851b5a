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
//! - What a request read and wrote stays in the cache of its sequence. A request that begins with the same tokens goes on
//!   from there, or from a copy of what another one has read that is still at work; `cached_tokens` says how many it did
//!   not need to read. Whoever can measure that can learn that somebody asked the model something that begins in this way.
//!   With a state directory it survives the process: a model saves when it is quiet and when it is unloaded.
//! - Likelihoods (`logprobs`) are those of the model's own logits, before biases, penalties, grammars and temperature.
//! - Grammars are llama.cpp's; JSON schemas become grammars. Both are looked at before llama.cpp is, which would abort, loop
//!   or leave out a part of them without a word. An answer whose grammar comes to a dead end fails, and no other does.
//! - Tools are shown in the chat template, and calls are found in the way in which its model was trained to write them. A
//!   template that does not show how is one without tools. Where a tool must be called, a grammar sees to it.
//! - Images: decoded here, then made into what the model reads by llama.cpp's multimodal library. They count as as many
//!   tokens as they take places in the cache. A step reads one image as a whole, between two decodes for all. What was
//!   read of a prompt with images is used again like any other, but for parts of an image, and is not saved to disk.
//! - Adapters: several for each request. Requests with different ones, or in another strength, take turns of a few steps.
//! - Reproducibility: a seed gives the same text again as long as rounding agrees. llama.cpp rounds differently when the
//!   same tokens are read in other pieces, or beside other requests, which can tip a near tie between two tokens. So a
//!   request that names a seed goes on from whole blocks only, that were read as they are read from the start. One
//!   without a seed, at temperature 0 too, goes on from wherever it can: the same state gives the same text, but one that
//!   went on from the cache may differ from one that did not.

mod adapters;
mod bound;
mod cache;
mod calls;
mod constrain;
mod embed;
mod facts;
mod gbnf;
mod generate;
mod load;
mod log;
mod model;
mod native;
mod offload;
mod pace;
mod pairs;
mod picture;
mod plan;
mod prefix;
mod prompt;
mod saved;
mod schema;
mod slot;
mod vision;

pub use load::Gguf;

/// This backend, linked into the program.
#[must_use]
pub fn backend() -> inferno_backend::Linked {
    inferno_backend::Linked::of::<Gguf>()
}
