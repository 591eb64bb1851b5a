//! Calls of tools in what a model writes.
//!
//! Models were trained to write calls in different ways, and which one it is shows in the chat template. What a
//! template does not show is refused rather than guessed.

mod channels;
mod format;
mod json;
mod objects;
mod parser;
mod prose;
mod python;
mod tags;
#[cfg(test)]
mod tests;
mod text;
mod values;

pub use format::{Section, Tags, ToolFormat};
pub use parser::ToolParser;
pub use text::{ArgumentText, CallText};
