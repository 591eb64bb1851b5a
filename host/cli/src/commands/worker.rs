//! `inferno worker`: the process that holds one model for its parent.

use inferno_backend_onnx::Settings;

use crate::args::Worker;
use crate::failure::Outcome;
use crate::host;

pub(crate) fn worker(worker: &Worker) -> Outcome {
    let onnx = Settings { runtime: worker.onnx_runtime.clone(), providers: worker.onnx_providers.clone() };
    inferno_backend::worker::run(host::backends(&worker.backends_dir, onnx))?;
    Ok(0)
}
