use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

/// On what terms requests are made: for whom, until when, and how urgently. See [`crate::Inference::under`].
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Whose requests they are. Where requests wait for a model, tenants take turns.
    pub tenant: Arc<str>,
    /// When a request that still waits, for its model or for its turn, is given up. One that has begun goes on.
    pub deadline: Option<Instant>,
    /// Only has its turn when no other request waits for the model.
    pub background: bool,
    /// How long a request waits for a model that is not loaded yet; absent: as long as it takes.
    pub wait_for_load: Option<Duration>,
    /// How long the model stays loaded after this request, and after those that say nothing about it.
    pub keep_alive: Option<KeepAlive>,
    /// What the caller calls the request that this one serves, for traces and the log.
    pub request_id: Option<Arc<str>>,
}

impl Terms {
    /// Those of a tenant, else the usual ones.
    #[must_use]
    pub fn of(tenant: impl Into<Arc<str>>) -> Self {
        Self { tenant: tenant.into(), ..Self::default() }
    }
}

impl Default for Terms {
    /// Of nobody in particular, who is patient.
    fn default() -> Self {
        Self {
            tenant: Arc::from(""),
            deadline: None,
            background: false,
            wait_for_load: None,
            keep_alive: None,
            request_id: None,
        }
    }
}

/// How long a model stays loaded that nobody asks for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// So long after its last request; zero: it is unloaded as soon as it has nothing to do.
    For(Duration),
    /// Until its memory is wanted for another model.
    Forever,
}
