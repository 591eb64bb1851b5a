//! What the backends that write text share, so that a request means the same whichever engine computes: chat templates,
//! the choice of tokens, and what becomes of the chosen ones.
//!
//! The samplers are llama.cpp's, applied to logits from anywhere.

mod answer;
mod chat;
mod clock;
mod controls;
mod json;
mod kept;
mod likely;
mod replies;
mod request;
mod sample;
mod template;
mod text;
mod tools;
mod vocabulary;

pub use answer::Answer;
pub use chat::Chat;
pub use controls::{Controls, Piece};
pub use kept::{Grammar, Kept, Stuck};
pub use likely::choice;
pub use replies::Replies;
pub use request::{check, too_long};
pub use sample::Chooser;
pub use template::Template;
pub use text::Text;
pub use tools::offered;
pub use vocabulary::{Token, Vocabulary};
