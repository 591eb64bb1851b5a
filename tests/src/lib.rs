//!
pub mod gguf;
