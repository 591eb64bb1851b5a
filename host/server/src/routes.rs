//! Where requests go: mounts and the filters around them, as they are at one moment. When plugins change, a new one
//! takes its place; requests that have begun end on the one that they began with.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use http::{Request, Response};
use inferno_sandbox::{Body, Caller, Registry};

use crate::Error;
use crate::handler::{Failure, Filter, Handler};
use crate::mounts::Mounts;

/// Where the plugins that serve come from.
pub trait Source: Send + Sync + 'static {
    /// Another number after each change.
    fn generation(&self) -> u64;
    /// The plugins that answer requests.
    fn handlers(&self) -> Vec<Arc<dyn Handler>>;
    /// The plugins that stand around them; the first one is the outermost.
    fn filters(&self) -> Vec<Arc<dyn Filter>>;
}

/// Handlers that never change, without filters.
pub(crate) struct Fixed(pub(crate) Vec<Arc<dyn Handler>>);

impl Source for Fixed {
    fn generation(&self) -> u64 {
        0
    }

    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        self.0.clone()
    }

    fn filters(&self) -> Vec<Arc<dyn Filter>> {
        Vec::new()
    }
}

/// The plugins of a registry: whatever is put in or taken out is served or not from the next request on.
pub struct Registered {
    registry: Registry,
    order: Vec<String>,
}

impl Registered {
    /// All plugins of a registry. `order` names filters, the outermost first; those that it does not name stand inside
    /// of them, ordered by name.
    pub fn new(registry: Registry, order: Vec<String>) -> Self {
        Self { registry, order }
    }
}

impl Source for Registered {
    fn generation(&self) -> u64 {
        self.registry.generation()
    }

    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let playing = self.registry.playing("http").into_iter();
        playing.map(|plugin| Arc::new(plugin) as Arc<dyn Handler>).collect()
    }

    fn filters(&self) -> Vec<Arc<dyn Filter>> {
        let mut playing = self.registry.playing("filter");
        let place = |name: &str| self.order.iter().position(|other| other == name).unwrap_or(usize::MAX);
        playing.sort_by_key(|plugin| place(plugin.name()));
        playing.into_iter().map(|plugin| Arc::new(plugin) as Arc<dyn Filter>).collect()
    }
}

/// A filter and the paths around which it stands, as segments.
struct Around {
    filter: Arc<dyn Filter>,
    paths: Vec<Vec<Vec<u8>>>,
}

/// Where requests go at one moment.
pub(crate) struct Routes {
    pub(crate) mounts: Mounts,
    filters: Vec<Around>,
}

impl Routes {
    /// `problem` decides whether a mount that cannot be is left out or is the end of it.
    fn new(source: &dyn Source, problem: impl FnMut(Error) -> Result<(), Error>) -> Result<Self, Error> {
        let segments = |path: &String| parts(path.as_bytes());
        let around = |filter: Arc<dyn Filter>| Around {
            paths: filter.applies_to().iter().map(segments).collect(),
            filter,
        };
        Ok(Self {
            mounts: Mounts::new(source.handlers(), problem)?,
            filters: source.filters().into_iter().map(around).collect(),
        })
    }

    /// The filters around a path, the outermost first. An encoded slash counts as one here, so that no spelling of a
    /// path that its plugin might understand gets around a filter.
    pub(crate) fn filters(&self, path: &[Vec<u8>]) -> Vec<Arc<dyn Filter>> {
        let path = parts(&path.join(&b'/'));
        let applies = |around: &&Around| around.paths.iter().any(|prefix| path.starts_with(prefix));
        self.filters.iter().filter(applies).map(|around| Arc::clone(&around.filter)).collect()
    }
}

fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Has a request answered, from the outermost filter to the plugin inside of all.
pub(crate) fn exchange<'a>(
    filters: &'a [Arc<dyn Filter>],
    handler: &'a Arc<dyn Handler>,
    caller: Caller,
    request: Request<Body>,
) -> BoxFuture<'a, Result<Response<Body>, Failure>> {
    let Some((outer, inner)) = filters.split_first() else { return handler.handle(caller, request) };
    let for_inner = caller.clone();
    let next = Box::new(move |request| exchange(inner, handler, for_inner, request));
    outer.handle(caller, request, next)
}

/// The routes as they are now.
pub(crate) struct Router {
    source: Box<dyn Source>,
    generation: AtomicU64,
    routes: RwLock<Arc<Routes>>,
}

impl Router {
    /// Fails where two plugins want the same path, or one a path that no request could reach.
    pub(crate) fn new(source: impl Source) -> Result<Self, Error> {
        let generation = AtomicU64::new(source.generation());
        let routes = RwLock::new(Arc::new(Routes::new(&source, Err)?));
        Ok(Self { source: Box::new(source), generation, routes })
    }

    pub(crate) fn current(&self) -> Arc<Routes> {
        let generation = self.source.generation();
        if generation != self.generation.load(SeqCst) {
            self.renew(generation);
        }
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn renew(&self, generation: u64) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if generation == self.generation.load(SeqCst) {
            return;
        }
        // While serving, one plugin that cannot be mounted is no reason not to serve the others.
        let leave_out = |error| {
            tracing::error!(%error, "a plugin is not served at one of its paths");
            Ok(())
        };
        if let Ok(new) = Routes::new(&*self.source, leave_out) {
            *routes = Arc::new(new);
        }
        self.generation.store(generation, SeqCst);
    }
}
