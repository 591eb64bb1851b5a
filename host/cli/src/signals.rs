//! How a server, or a plugin's command, is told to stop.

use tokio::sync::watch;

/// What asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, where there is one.
    Terminate,
}

/// Those that have come.
#[derive(Clone)]
pub(crate) struct Signals(watch::Receiver<Vec<Signal>>);

impl Signals {
    /// Listens from now on; must be called inside a runtime.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(Vec::new());
        let mut next = stream()?;
        tokio::spawn(async move {
            while let Some(signal) = next.recv().await {
                sender.send_modify(|seen| seen.push(signal));
            }
        });
        Ok(Self(receiver))
    }

    /// Resolves when this many signals have come.
    pub(crate) async fn count(mut self, count: usize) {
        if self.0.wait_for(|seen| seen.len() >= count).await.is_err() {
            // Nobody listens any more: no signal will come.
            std::future::pending::<()>().await;
        }
    }

    /// The first one.
    pub(crate) async fn first(self) -> Signal {
        self.clone().count(1).await;
        let first = self.0.borrow().first().copied();
        first.unwrap_or(Signal::Interrupt)
    }
}

struct Stream {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn stream() -> std::io::Result<Stream> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Stream { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
}

#[cfg(unix)]
impl Stream {
    async fn recv(&mut self) -> Option<Signal> {
        tokio::select! {
            signal = self.interrupt.recv() => signal.map(|()| Signal::Interrupt),
            signal = self.terminate.recv() => signal.map(|()| Signal::Terminate),
        }
    }
}

#[cfg(not(unix))]
fn stream() -> std::io::Result<Stream> {
    Ok(Stream {})
}

#[cfg(not(unix))]
impl Stream {
    async fn recv(&mut self) -> Option<Signal> {
        tokio::signal::ctrl_c().await.ok().map(|()| Signal::Interrupt)
    }
}
