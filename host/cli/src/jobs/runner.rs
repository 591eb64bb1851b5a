//! Taking jobs from the queue, as many at once as the configuration says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inferno_sandbox::Sandbox;
use inferno_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{LOOK, log};
use crate::settings::Settings;

/// How often jobs that ended long ago are looked for.
const PRUNE: Duration = Duration::from_secs(3600);

/// When a runner ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// When no job is due, and none runs.
    Idle,
    /// Never.
    Stopped,
}

/// Runs jobs.
pub(crate) struct Runner {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) sandbox: Arc<Sandbox>,
    /// The plugins that others call are loaded for each job; otherwise somebody else looks after them.
    pub(super) loads_callees: bool,
    /// Who that is, for people.
    owner: String,
}

impl Runner {
    /// One that looks after a sandbox of its own.
    pub(crate) fn alone(settings: Settings, store: Store, sandbox: Sandbox) -> Self {
        let owner = format!("batch-queue work, process {}", std::process::id());
        Self { settings, store, sandbox: Arc::new(sandbox), loads_callees: true, owner }
    }

    /// One that shares the sandbox of a server.
    pub(crate) fn serving(settings: Settings, store: Store, sandbox: Arc<Sandbox>) -> Self {
        let owner = format!("serve, process {}", std::process::id());
        Self { settings, store, sandbox, loads_callees: false, owner }
    }

    /// Runs jobs until `stop`, or until there is nothing to do; those that run then are given back.
    pub(crate) async fn run(self, until: Until, stop: impl Future<Output = ()>) {
        let runner = Arc::new(self);
        let (stopping, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        let mut pruned: Option<Instant> = None;
        tokio::pin!(stop);
        loop {
            if pruned.is_none_or(|pruned| pruned.elapsed() >= PRUNE) {
                pruned = Some(Instant::now());
                runner.prune().await;
            }
            let idle = runner.fill(&mut running, &stopped).await;
            if until == Until::Idle && idle && running.is_empty() {
                return;
            }
            tokio::select! {
                () = &mut stop => break,
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        // Nobody is gone who could hear it as long as jobs run.
        let _ = stopping.send(true);
        while running.join_next().await.is_some() {}
    }

    /// Begins jobs as long as some are due and may run; says whether none is due.
    async fn fill(self: &Arc<Self>, running: &mut JoinSet<()>, stopped: &watch::Receiver<bool>) -> bool {
        while running.len() < self.settings.jobs_concurrent as usize {
            let runner = self.clone();
            let claimed =
                blocking(move || runner.store.claim_job(&runner.owner, runner.settings.jobs_lease.0));
            match claimed.await {
                Ok(Some((job, lease))) => {
                    running.spawn(self.clone().attempt(job, lease, stopped.clone()));
                }
                Ok(None) => return true,
                Err(error) => {
                    tracing::warn!(%error, "the queue of jobs could not be looked at");
                    return false;
                }
            }
        }
        false
    }

    async fn prune(self: &Arc<Self>) {
        let runner = self.clone();
        let pruned = blocking(move || {
            let ids = runner.store.prune_jobs(runner.settings.jobs_keep.0)?;
            for id in ids {
                log::remove(&runner.settings.data_dir, &id);
            }
            Ok(())
        });
        if let Err(error) = pruned.await {
            tracing::warn!(%error, "old jobs could not be removed");
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
