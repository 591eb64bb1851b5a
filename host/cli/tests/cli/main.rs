//! The built program as a user meets it: one temporary home for each test, no variables but ours.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod basics;
#[cfg(unix)]
mod chat;
mod config;
mod engine;
mod harness;
mod listings;
mod plugin_authors;
mod plugin_life;
mod plugins;
mod run;
mod serve;
#[cfg(unix)]
mod terminal;
