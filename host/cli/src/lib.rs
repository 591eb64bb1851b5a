//! The command line of Inferno, where the program is put together.
//!
//! The way of a call is: [`cli::main`] -> arguments (what was typed) -> settings (what it means, with the
//! configuration) -> one file per verb under `commands`, a function of settings and printer. Verbs return a
//! failure instead of printing one; it is rendered in one place. Standard output carries the product and
//! nothing else.

mod args;
mod bundled;
pub mod cli;
mod commands;
mod demo_model;
mod failure;
mod host;
mod logging;
mod plugins;
mod port_owner;
mod printer;
mod progress;
mod session;
mod settings;
mod signals;
mod suggest;
