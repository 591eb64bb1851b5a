//! The `command` role: a program whose `main` is a verb of the command line.
//!
//! The program name is the first of [`std::env::args`], what the user typed after the verb is the rest. Standard
//! input, output and error are the user's.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

/// Whatever made a command fail: any error, or a text.
pub type Failure = Box<dyn Error>;

/// Does a command's work. A failure is written to standard error as people read it, and the status is 1.
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
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If even standard error is closed, the status still says it.
            let _unheard = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
