//! The backend with a real model: the demo model of this repository.

mod chats;
mod constraints;
mod embeddings;
#[cfg(test)] // where helpers may unwrap
mod encoder;
mod files;
mod generation;
#[cfg(test)]
mod harness;
mod likelihoods;
mod sharing;
mod tokens;
mod tools;
