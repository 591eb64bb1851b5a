//! `inferno batch-queue work`.

use std::time::Duration;

use inferno_store::Store;

use crate::failure::{Failure, Outcome};
use crate::jobs::{Runner, Until};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::{host, plugins};

/// How long writes that a plugin began may still take when it is stopped.
const LAST_WRITES: Duration = Duration::from_secs(1);

pub(super) fn work(settings: &Settings, store: Store, once: bool, printer: Printer) -> Outcome {
    let runtime = host::server_runtime()?;
    let outcome = runtime.block_on(async {
        let signals =
            Signals::listen().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
        let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
        let sandbox = plugins::sandbox(settings, inference.clone(), store.clone())?;
        let runner = Runner::alone(settings.clone(), store, sandbox);
        let until = if once { Until::Idle } else { Until::Stopped };
        if !once {
            printer.note("waiting for jobs; Ctrl-C ends that");
        }
        let stop = async {
            signals.clone().count(1).await;
            printer.note("stopping: jobs that run go back into the queue");
        };
        tokio::select! {
            () = runner.run(until, stop) => {}
            // The first signal gives jobs back, the second one means it.
            () = signals.clone().count(2) => return Err(Failure::interrupted()),
        }
        inference.shutdown(Duration::ZERO).await;
        Ok(0)
    });
    runtime.shutdown_timeout(LAST_WRITES);
    outcome
}
