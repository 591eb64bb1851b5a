//! The command line of Inferno, where the program is put together.
//!
//! The way of a call is: [`cli::main`] -> arguments (what was typed) -> settings (what it means, with the
//! configuration) -> one file per verb under `commands`, a function of settings and printer. Verbs return a
//! failure instead of printing one; it is rendered in one place. Standard output carries the product and
//! nothing else.

mod args;
mod builder;
mod bundled;
pub mod cli;
mod commands;
mod consent;
mod demo_model;
mod denials;
mod download;
mod failure;
mod figures;
mod host;
mod installing;
mod jobs;
mod logging;
mod plugins;
mod port_owner;
mod printer;
mod progress;
mod report;
mod roles;
mod scaffold;
mod sdk;
mod serving;
mod session;
mod settings;
mod signals;
mod suggest;
mod tenants;
mod times;
mod traces;
mod uses;
mod verbs;
