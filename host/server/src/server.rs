use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use inferno_store::Store;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handler::Handler;
use crate::host::Host;
use crate::report::Report;
use crate::routes::{Fixed, Router, Source};
use crate::service::Service;
use crate::site::Site;
use crate::{Config, Error, connection};

/// Connections that wait in the system until they are accepted.
const BACKLOG: u32 = 1024;

/// How many clients may be told at once that there is no room; beyond that they are just closed.
const REFUSALS: usize = 64;

/// A pause after the system could not give a connection, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut at the deadline, in the middle of a request.
    pub cut: usize,
}

/// A listener that is bound; connections wait until [`Server::run`].
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    service: Service,
}

/// What all connections of a running server share.
struct Running {
    service: Arc<Service>,
    room: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Finish the request at hand, then close.
    drain: CancellationToken,
    /// Close now.
    cut: CancellationToken,
}

impl Server {
    /// Checks the mounts and takes the address. Must be called inside a Tokio runtime.
    pub fn bind<H: Handler>(config: Config, handlers: Vec<H>, store: Store) -> Result<Self, Error> {
        let handlers = handlers.into_iter().map(|handler| Arc::new(handler) as Arc<dyn Handler>).collect();
        Self::bind_to(config, Fixed(handlers), store)
    }

    /// As [`Server::bind`], for plugins that may change while they are served, and filters around them.
    pub fn bind_to(config: Config, source: impl Source, store: Store) -> Result<Self, Error> {
        let router = Router::new(source)?;
        let addr = config.addr;
        let listener = listen(addr).map_err(|source| Error::listen(addr, source))?;
        let addr = listener.local_addr().map_err(|source| Error::listen(addr, source))?;
        let site = Site::new(&config);
        let service =
            Service { config, site, router, store, report: None, figures: Arc::default(), host: None };
        Ok(Self { listener, addr, service })
    }

    /// With what `host` knows in the answers of `/health`, `/ready` and `/metrics`.
    #[must_use]
    pub fn with_host(mut self, host: impl Host) -> Self {
        self.service.host = Some(Box::new(host));
        self
    }

    /// Tells about the host at `/inferno/ps`, to those who have a key where keys are needed.
    #[must_use]
    pub fn reporting(mut self, report: Report) -> Self {
        self.service.report = Some(report);
        self
    }

    /// Where it listens, with the port that the system chose if none was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `shutdown` resolves; then takes no more connections, lets requests in flight go on for
    /// [`Config::drain`], and cuts those that are left.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { listener, service, .. } = self;
        let deadline = service.config.drain;
        let running = Running {
            room: Arc::new(Semaphore::new(service.config.max_connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            service: Arc::new(service),
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => running.admit(stream),
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        running.drain(deadline).await
    }
}

impl Running {
    fn admit(&self, stream: TcpStream) {
        let max = self.service.config.max_connections;
        if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
            let served = connection::serve(stream, Arc::clone(&self.service), self.drain.clone());
            let cut = self.cut.clone();
            self.tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    () = served => {}
                    () = cut.cancelled() => {}
                }
            });
        } else if let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() {
            tracing::warn!(max_connections = max, "no room for another connection");
            let drain = self.drain.clone();
            self.tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    () = connection::refuse(stream, max) => {}
                    () = drain.cancelled() => {}
                }
            });
        }
    }

    async fn drain(self, deadline: Duration) -> Drained {
        self.tasks.close();
        self.drain.cancel();
        if timeout(deadline, self.tasks.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.tasks.len();
        tracing::warn!(connections = cut, ?deadline, "requests in flight were cut at the deadline");
        self.cut.cancel();
        self.tasks.wait().await;
        Drained { cut }
    }
}

fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the old connections' last packets; elsewhere this would let two programs share it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// The client left while it was being accepted.
fn is_of_one_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
