//! The verbs, one file each.

use std::path::Path;

use inferno_sdk::command::{self, say, table};

use crate::args::Verb;
use crate::error::Error;
use crate::report::{self, Pointed};
use crate::session::{Script, Tools};

mod graph;
mod list;
mod new;
mod run;
mod search;
mod status;
mod steps;
mod test;
mod validate;

/// Why a verb failed, in words for people; empty if everything was said already.
pub(crate) struct Failed(pub(crate) String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(report::render(&error, None, styled()))
    }
}

/// Does what was typed.
pub(crate) fn perform(verb: &Verb, tools: &Tools) -> Result<(), Failed> {
    match verb {
        Verb::New(new) => Ok(new::new(new)?),
        Verb::Validate { file } => with(file, |script| validate::validate(script, tools)),
        Verb::Graph(graph) => with(&graph.file, |script| graph::graph(script, graph.format)),
        Verb::Run(run) if run.dry_run => with(&run.file, |script| run::dry_run(script, run, tools)),
        Verb::Run(run) => with(&run.file, |script| run::run(script, run, tools)),
        Verb::Resume(resume) => with(&resume.file, |script| run::resume(script, resume, tools)),
        Verb::Test(test) => {
            let mut passed = true;
            with(&test.file, |script| {
                passed = test::test(script, test.sample, tools)?;
                Ok(())
            })?;
            if passed { Ok(()) } else { Err(Failed(String::new())) }
        }
        Verb::Status(status) => with(&status.file, |script| status::status(script, status.json)),
        Verb::List(list) => Ok(list::list(list)?),
        Verb::Steps(steps) => Ok(steps::steps(steps, tools)?),
        Verb::Search(search) => Ok(search::search(search, tools)?),
    }
}

/// Works on a pipeline file, into which errors may point.
fn with(path: &Path, work: impl FnOnce(&Script) -> Result<(), Error>) -> Result<(), Failed> {
    let script = Script::read(path)?;
    work(&script).map_err(|error| {
        let path = path.display().to_string();
        let file = Pointed { path: &path, text: &script.text };
        Failed(report::render(&error, Some(file), styled()))
    })
}

/// Whether standard error shows colours.
fn styled() -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    wanted && std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// The product.
fn print(text: &str) -> Result<(), Error> {
    command::print(text).map_err(|error| Error::new(format!("cannot write to standard output: {error}")))
}

fn print_json(value: &serde_json::Value) -> Result<(), Error> {
    print(&format!("{value:#}\n"))
}
