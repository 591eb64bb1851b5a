//! Folders that are made here, and what becomes of them.

mod back;
mod carry;
mod families;
mod hostile;
mod maker;
mod to_gguf;
mod tokenizers;
