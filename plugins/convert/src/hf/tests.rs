//! Folders that are made here, and what becomes of them.

mod carry;
mod maker;
mod to_gguf;
