//! Pipelines: records from sources through steps into sinks, each exactly once.
//!
//! # The map
//!
//! | module | what it does |
//! |---|---|
//! | [`file`] | reads the pipeline file, with a place in it for every error |
//! | [`kind`] | the kinds of nodes that are built in, one file each |
//! | [`plan`] | makes the nodes, which checks them |
//! | [`node`] | what sources, steps and sinks promise: the contract |
//! | [`engine`] | runs a plan: batches, attempts, checkpoints |
//! | [`checkpoint`], [`journal`], [`dead`] | what outlives the process |
//! | [`models`], [`cache`] | models, and what they answered before |
//! | [`session`], [`trial`] | from a file to a run, or to one that is only tried |
//! | [`args`], [`verb`], [`report`], [`progress`] | the command line |
//! | [`disk`], [`host`] | what is written to, and what is lent; traits, so that tests can have them fail |
//!
//! # Adding a kind
//!
//! A file in `kind/` with a type that implements [`kind::Kind`] and one of [`node::Source`], [`node::Step`] and
//! [`node::Sink`], and a line in the list of `kind.rs`. Its fields are a struct that derives `Deserialize` and
//! `JsonSchema` with `deny_unknown_fields`; their documentation is what people read.
//!
//! - `open` checks and has no effect. An error says where it is in the file: `Error::at(field.span())`.
//! - A source gives the same records with the same ids whenever it is started at the same position.
//! - A step puts what is wrong with one record into its outcome. One with a memory says what is new in it in `save`, and
//!   takes that back in `restore`; one without implements `process` alone.
//! - A sink goes back to the mark that it is started with, and is durable up to the mark that `commit` gives.
//! - Whatever writes goes through [`disk::Disk`], whatever is lent through [`host::Host`], models through
//!   [`models::Models`], which keeps what they answer.

mod args;
mod cache;
mod checkpoint;
mod dead;
mod disk;
mod engine;
mod error;
mod file;
mod host;
mod journal;
mod kind;
mod models;
mod node;
mod plan;
mod progress;
mod record;
mod report;
mod session;
#[cfg(test)]
mod testing;
mod trial;
mod verb;

use std::io::Write as _;
use std::rc::Rc;

use clap::Parser as _;
use inferno_sdk::command::{Command, Failure};

use crate::args::Arguments;
use crate::disk::RealDisk;
use crate::host::Lent;
use crate::session::Tools;

/// `inferno pipeline`.
struct Pipeline;

inferno_sdk::export_command!(Pipeline);

impl Command for Pipeline {
    async fn run() -> Result<(), Failure> {
        let arguments = match Arguments::try_parse() {
            Ok(arguments) => arguments,
            Err(words) => {
                words.print()?;
                return if words.use_stderr() { Err("".into()) } else { Ok(()) };
            }
        };
        let tools = Tools { disk: Rc::new(RealDisk), host: Rc::new(Lent) };
        verb::perform(&arguments.verb, &tools).map_err(|failed| {
            // It was told with the line of the file that it is about.
            let _unheard = writeln!(std::io::stderr(), "{}", failed.0.trim_end());
            "".into()
        })
    }
}
