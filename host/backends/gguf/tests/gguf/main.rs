//! The backend with a real model: the demo model of this repository.

#[cfg(test)] // where helpers may unwrap
mod adapters;
mod chats;
mod constraints;
mod embeddings;
#[cfg(test)] // where helpers may unwrap
mod encoder;
#[cfg(test)] // where helpers may unwrap
mod eyes;
mod files;
mod generation;
#[cfg(test)]
mod gguf_file;
#[cfg(test)]
mod harness;
mod likelihoods;
#[cfg(test)]
mod saved;
mod sharing;
mod tokens;
#[cfg(test)] // where helpers may unwrap
mod tools;
#[cfg(test)] // where helpers may unwrap
mod vision;
