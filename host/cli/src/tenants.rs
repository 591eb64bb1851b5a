//! Which plugins serve which tenant, and in which order filters stand: a plugin that a tenant does not have is not there
//! for it.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use inferno_sandbox::{Body, Caller, Plugin, Registry};
use inferno_server::{Failure, Filter, Handler, Next, Source};

use crate::settings::Settings;

/// The plugins of a registry, each for the tenants that have it.
pub(crate) struct PerTenant {
    registry: Registry,
    /// Filters, the outermost first; others stand inside of them, ordered by name.
    order: Vec<String>,
}

impl PerTenant {
    pub(crate) fn new(registry: Registry, settings: &Settings) -> Self {
        Self { registry, order: settings.serve_filters.0.clone() }
    }

    fn served(&self, plugin: Plugin) -> Served {
        Served { plugin, registry: self.registry.clone() }
    }
}

impl Source for PerTenant {
    fn generation(&self) -> u64 {
        self.registry.generation()
    }

    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let wrap = |plugin| Arc::new(self.served(plugin)) as Arc<dyn Handler>;
        self.registry.playing("http").into_iter().map(wrap).collect()
    }

    fn filters(&self) -> Vec<Arc<dyn Filter>> {
        let mut playing = self.registry.playing("filter");
        let place = |name: &str| self.order.iter().position(|other| other == name).unwrap_or(usize::MAX);
        playing.sort_by_key(|plugin| place(plugin.name()));
        let wrap = |plugin| Arc::new(self.served(plugin)) as Arc<dyn Filter>;
        playing.into_iter().map(wrap).collect()
    }
}

struct Served {
    plugin: Plugin,
    registry: Registry,
}

impl Served {
    fn is_for(&self, tenant: &str) -> bool {
        self.registry.is_for(tenant, self.plugin.name())
    }
}

impl Handler for Served {
    fn name(&self) -> &str {
        self.plugin.name()
    }

    fn mounts(&self) -> Vec<String> {
        self.plugin.http_mounts()
    }

    fn exact(&self) -> Vec<String> {
        self.plugin.http_exact()
    }

    fn error_body(&self) -> Option<&str> {
        self.plugin.error_body()
    }

    fn websockets(&self) -> Vec<String> {
        self.plugin.websockets()
    }

    fn handle(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        if Served::is_for(self, &caller.tenant) {
            return Handler::handle(&self.plugin, caller, request);
        }
        let message = "there is nothing at this path for whom the key belongs to".to_owned();
        Box::pin(async { Err(Failure { status: StatusCode::NOT_FOUND, message }) })
    }
}

impl Filter for Served {
    fn applies_to(&self) -> Vec<String> {
        Filter::applies_to(&self.plugin)
    }

    fn is_for(&self, tenant: &str) -> bool {
        Served::is_for(self, tenant)
    }

    fn handle<'a>(
        &'a self,
        caller: Caller,
        request: Request<Body>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response<Body>, Failure>> {
        if Served::is_for(self, &caller.tenant) {
            Filter::handle(&self.plugin, caller, request, next)
        } else {
            next(request)
        }
    }
}
