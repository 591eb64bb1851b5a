//! The backend with a real model: the demo model of this repository.

mod chats;
mod embeddings;
mod files;
mod generation;
#[cfg(test)] // where helpers may unwrap
mod harness;
mod sharing;
