//! `inferno batch`: batches on the command line, from a file beside its user or those of the API.

mod args;
mod progress;
mod run;
mod show;

use std::io::Write as _;

use clap::Parser as _;
use inferno_sdk::command::{Command, Failure};
use inferno_sdk::settings;

use args::{Arguments, Verb};

use crate::batches::{self, Gateway, Record};
use crate::disk::Folder;
use crate::error::ApiError;

/// How many requests the job of a batch answers at once.
const PARALLEL: usize = 16;

struct Batch;

inferno_sdk::export_command!(Batch);

impl Command for Batch {
    async fn run() -> Result<(), Failure> {
        let arguments = match Arguments::try_parse() {
            Ok(arguments) => arguments,
            Err(words) => {
                words.print()?;
                return if words.use_stderr() { Err("".into()) } else { Ok(()) };
            }
        };
        match arguments.verb {
            Verb::Run(run) => run::run(&run).await,
            Verb::List { json } => show::list(json),
            Verb::Show { id, json } => show::show(&id, json),
            Verb::Cancel { id } => show::cancel(&id),
            Verb::Work { id } => work(&id).await,
        }
    }
}

/// What the job of a batch does.
async fn work(id: &str) -> Result<(), Failure> {
    let folder = Folder::lent().map_err(words)?;
    let found = Record::find(&folder, id).map_err(words)?;
    let done = batches::work_on(&folder, found, PARALLEL, default_model()?, &Gateway).await;
    done.map_err(|error| format!("{id} stopped: {error}; it goes on where it stopped").into())
}

/// The model of requests that name none.
fn default_model() -> Result<Option<String>, Failure> {
    Ok(settings::get("default_model")?)
}

fn words(error: ApiError) -> Failure {
    error.message().into()
}

/// Prints the product.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| format!("cannot write to standard output: {error}").into())
}
