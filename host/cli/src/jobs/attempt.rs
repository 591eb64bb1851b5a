//! One attempt at a job, from its plugin to what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inferno_sandbox::{Caller, CommandRun, ErrorKind, Plugin, Streams};
use inferno_store::{Beat, Job, JobEnd, Lease, Store, StoreError, Submitter};
use tokio::sync::watch;

use super::{LOOK, Log, Runner, log};
use crate::failure::Failure;
use crate::plugins::Installation;
use crate::verbs;

impl Runner {
    /// Runs a job and writes down what came of it; `stopped` turns true when the runner has to end.
    pub(super) async fn attempt(self: Arc<Self>, job: Job, lease: Lease, mut stopped: watch::Receiver<bool>) {
        tracing::info!(job = job.id, verb = job.verb, run = lease.run(), "a job begins");
        let timeout = async {
            match job.timeout_ms {
                Some(limit) => tokio::time::sleep(Duration::from_millis(limit)).await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            end = self.work(&job, lease.run()) => end,
            beat = self.keep(&job.id, &lease) => match beat {
                Beat::Cancel => JobEnd::Cancelled,
                Beat::Held | Beat::Lost => {
                    tracing::warn!(job = job.id, "a job is run by somebody else now, and stopped here");
                    return;
                }
            },
            () = timeout => JobEnd::Failed {
                exit_code: None,
                error: format!("it took longer than its limit of {} ms", job.timeout_ms.unwrap_or_default()),
                retry: true,
            },
            _ = stopped.wait_for(|stopped| *stopped) => JobEnd::Released,
        };
        let store = self.store.clone();
        // Whoever stops the process waits for this: a job that is not given back looks like one that crashed.
        let told = tokio::task::spawn_blocking(move || store.end_job(&lease, &end)).await;
        match told {
            Ok(Ok(Some(after))) => {
                tracing::info!(job = job.id, state = %after.state, error = after.error, "a job ended");
            }
            Ok(Ok(None)) => tracing::warn!(job = job.id, "a job ended that is run by somebody else now"),
            Ok(Err(error)) => tracing::error!(job = job.id, %error, "how a job ended was not written down"),
            Err(error) => tracing::error!(job = job.id, %error, "how a job ended was not written down"),
        }
    }

    async fn work(self: &Arc<Self>, job: &Job, run: u32) -> JobEnd {
        let refused = |failure: &Failure| JobEnd::Failed {
            exit_code: None,
            error: told(&failure.message, failure.hint.as_deref()),
            retry: false,
        };
        let path = log::file(&self.settings.data_dir, &job.id, run);
        let log = match Log::create(&path, self.settings.jobs_log_bytes.0) {
            Ok(log) => log,
            Err(error) => {
                let error = format!("cannot write {}: {error}", path.display());
                return JobEnd::Failed { exit_code: None, error, retry: true };
            }
        };
        let (runner, asked) = (self.clone(), job.clone());
        let loaded = tokio::task::spawn_blocking(move || runner.load(&asked)).await;
        let plugin = match loaded {
            Ok(Ok(plugin)) => plugin,
            Ok(Err(failure)) => return refused(&failure),
            Err(error) => return refused(&Failure::new(format!("loading the plugin failed: {error}"))),
        };
        let caller = Caller { tenant: job.tenant.clone(), request_id: job.id.clone(), background: true };
        let command = CommandRun {
            // A plugin that submits a job means itself, by whatever verb it is called.
            verb: if matches!(job.submitter, Submitter::Plugin(_)) {
                String::new()
            } else {
                job.verb.clone()
            },
            args: job.args.clone(),
            workdir: job.workdir.as_ref().map(Into::into),
            streams: Streams::Written { stdout: log.stdout(), stderr: log.stderr() },
        };
        match plugin.command(caller, command).await {
            Ok(0) => JobEnd::Succeeded,
            Ok(code) => {
                let reason = log.last_error().unwrap_or_else(|| format!("it ended with exit code {code}"));
                JobEnd::Failed { exit_code: Some(code), error: reason, retry: true }
            }
            Err(error) => JobEnd::Failed {
                exit_code: None,
                error: told(&error.to_string(), error.hint()),
                retry: may_go_better(error.kind()),
            },
        }
    }

    /// Finds the plugin of a job as it is installed now. Blocks.
    fn load(&self, job: &Job) -> Result<Plugin, Failure> {
        let installation = Installation::read(&self.settings)?;
        let installed = match &job.submitter {
            Submitter::Plugin(name) => installation.find(name)?,
            Submitter::User | Submitter::Schedule(_) => verbs::find(&installation, &job.verb)?,
        };
        let name = installed.name();
        if !installed.enabled {
            return Err(Failure::new(format!("the plugin `{name}` is turned off")));
        }
        if !self.sandbox.registry().is_for(&job.tenant, name) {
            let message = format!("the tenant `{}` does not have the plugin `{name}`", job.tenant);
            return Err(Failure::new(message).hint("its set of plugins is `tenants.TENANT.plugins`"));
        }
        if self.loads_callees {
            installation.load_callees(&self.sandbox, &self.settings, installed)?;
        }
        installation.load(&self.sandbox, &self.settings, installed)
    }

    /// Renews the lease on a job, until the job is to be stopped.
    async fn keep(&self, job: &str, lease: &Lease) -> Beat {
        let length = self.settings.jobs_lease.0;
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(LOOK.min(length / 3)).await;
            let due = renewed.elapsed() >= length / 3;
            let (store, lease, id) = (self.store.clone(), lease.clone(), job.to_owned());
            let began = Instant::now();
            let heard = tokio::task::spawn_blocking(move || beat(&store, &id, &lease, length, due)).await;
            match heard {
                Ok(Ok(Beat::Held)) if due => renewed = began,
                Ok(Ok(Beat::Held)) => {}
                Ok(Ok(other)) => return other,
                // The disk may be back in time.
                Ok(Err(error)) => tracing::warn!(job, %error, "a lease was not renewed"),
                Err(error) => tracing::warn!(job, %error, "a lease was not renewed"),
            }
            if renewed.elapsed() >= length {
                return Beat::Lost;
            }
        }
    }
}

/// Renews a lease where that is due; looks whether the job is to be cancelled in any case. Blocks.
fn beat(store: &Store, job: &str, lease: &Lease, length: Duration, due: bool) -> Result<Beat, StoreError> {
    // Whose the job is, only the lease tells; looking writes nothing.
    if due || store.job(job)?.cancel_asked { store.renew_job(lease, length) } else { Ok(Beat::Held) }
}

/// Whether the same bytes and the same rights may do better next time.
fn may_go_better(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Limit(_) | ErrorKind::Trap | ErrorKind::Busy | ErrorKind::Host)
}

fn told(message: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{message}; {hint}"),
        None => message.to_owned(),
    }
}
