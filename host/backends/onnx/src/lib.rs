//! Runs ONNX models with ONNX Runtime.
//!
//! The runtime is no part of this program: it is found on the machine, in the order that [`Settings`] describes, and its
//! version is checked before it is used. Its telemetry is off.
//!
//! What a graph is for is told by its inputs and outputs, as Optimum names them:
//! - A *decoder* takes `input_ids`, `attention_mask`, maybe `position_ids`, and `past_key_values.N.key` and `.value`; it gives
//!   `logits` and `present.N.key` and `.value`. It writes text. Each request has a cache of its own; one step reads a piece of
//!   a prompt or writes one token for each of them, one after the other. Tokens are chosen by the samplers that the GGUF
//!   backend uses too.
//! - An *encoder* gives a vector for each token, or one for the text. Vectors of tokens become one as `1_Pooling/config.json`
//!   says, else by their mean without padding; vectors have unit length.
//! - A *classifier* gives `logits` for each text. With one label it ranks documents.
//! - Every model takes tensors as they are. One that is none of the above, or that has no `tokenizer.json`, does nothing else.
//!
//! Not here: grammars and JSON schemas, calls that must be made, adapters, images, and prompts that are kept. Each is
//! refused in words.

mod classify;
mod config;
mod embed;
mod facts;
mod find;
mod generate;
mod graph;
mod load;
mod model;
mod prompt;
mod providers;
mod runtime;
mod settings;
mod spelling;
mod tensors;
mod texts;
mod tokenizer;

pub use load::Onnx;
pub use settings::Settings;

/// This backend, linked into the program. The first settings of a process hold for all of it.
#[must_use]
pub fn backend(settings: Settings) -> inferno_backend::Linked {
    settings::set(settings);
    inferno_backend::Linked::of::<Onnx>()
}
