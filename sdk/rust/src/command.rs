//! The `command` role: a program whose `main` is a verb of the command line.
//!
//! The program name is the first of [`std::env::args`], what the user typed after the verb is the rest. Standard
//! input, output and error are the user's.
//!
//! A plugin that asks for `workdir` finds the folder in which the user runs it: the paths that users type, relative or
//! whole, are for [`std::fs`] as they are.

mod output;
mod status;
mod waiting;

use std::error::Error;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

pub use output::{print, say, table};
pub use status::StatusLine;
pub use waiting::{Command, Exported, wait};

/// Whatever made a command fail: any error, or a text.
pub type Failure = Box<dyn Error>;

/// Does a command's work, in the folder where the user is if the plugin was granted that. A failure is written to standard error as people read it, and the status is 1.
///
/// ```
/// use std::io::Write;
/// use std::process::ExitCode;
/// use inferno_sdk::command::{self, Failure};
///
/// fn main() -> ExitCode {
///     command::run(greet)
/// }
///
/// fn greet() -> Result<(), Failure> {
///     let name = std::env::args().nth(1).unwrap_or("world".to_owned());
///     writeln!(std::io::stdout(), "Hello, {name}!")?;
///     Ok(())
/// }
/// ```
pub fn run(work: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    match told(begin().and_then(|()| work())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

/// The same for work that waits.
async fn run_here(work: impl Future<Output = Result<(), Failure>>) -> Result<(), ()> {
    match begin() {
        Ok(()) => told(work.await),
        failed => told(failed),
    }
}

/// Tells a failure, unless there is nothing to say that was not said.
fn told(result: Result<(), Failure>) -> Result<(), ()> {
    result.map_err(|failure| {
        let words = failure.to_string();
        if !words.is_empty() {
            // If even standard error is closed, the status still says it.
            let _unheard = writeln!(std::io::stderr(), "error: {words}");
        }
    })
}

/// Goes where the user is. Programs begin in `/`, where `data/x` would be `/data/x`.
fn begin() -> Result<(), Failure> {
    let folder = if cfg!(target_os = "wasi") { wasip2::cli::environment::initial_cwd() } else { None };
    if let Some(folder) = folder {
        std::env::set_current_dir(&folder).map_err(|error| format!("cannot work in {folder}: {error}"))?;
    }
    Ok(())
}
