//! How a server is told to stop.

use tokio::sync::watch;

/// Counts the signals that ask the process to end: Ctrl-C and, where there is one, SIGTERM.
#[derive(Clone)]
pub(crate) struct Signals(watch::Receiver<u32>);

impl Signals {
    /// Listens from now on; must be called inside a runtime.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(0);
        let mut next = stream()?;
        tokio::spawn(async move {
            while next.recv().await {
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Resolves when this many signals have come.
    pub(crate) async fn count(mut self, count: u32) {
        if self.0.wait_for(|seen| *seen >= count).await.is_err() {
            // Nobody listens any more: no signal will come.
            std::future::pending::<()>().await;
        }
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
    async fn recv(&mut self) -> bool {
        tokio::select! {
            signal = self.interrupt.recv() => signal.is_some(),
            signal = self.terminate.recv() => signal.is_some(),
        }
    }
}

#[cfg(not(unix))]
fn stream() -> std::io::Result<Stream> {
    Ok(Stream {})
}

#[cfg(not(unix))]
impl Stream {
    async fn recv(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }
}
