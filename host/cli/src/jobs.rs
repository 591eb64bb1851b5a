//! Running jobs: what `inferno serve` and `inferno batch-queue work` have in common.
//!
//! A runner takes jobs that are due, as many at once as it may, and has the sandbox run each as a command of its plugin:
//! in the background of whoever else asks for models, and with its output in a file. It renews its lease on a job while
//! that runs, and stops it when it is cancelled, takes too long, or belongs to somebody else now.

mod attempt;
mod log;
mod runner;

pub(crate) use log::{file, remove as remove_logs};
pub(crate) use runner::{Runner, Until};

use std::time::Duration;

use log::Log;

/// How long a job that could be begun may go unnoticed; so too that one is to be cancelled. A look reads a few rows.
const LOOK: Duration = Duration::from_millis(300);
