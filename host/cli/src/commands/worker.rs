//! `inferno worker`: the process that holds one model for its parent.

use crate::args::Worker;
use crate::failure::Outcome;
use crate::host;

pub(crate) fn worker(worker: &Worker) -> Outcome {
    inferno_backend::worker::run(host::backends(&worker.backends_dir))?;
    Ok(0)
}
