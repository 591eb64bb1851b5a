//! One loaded model: its process, the requests at it, and the tasks between them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use inferno_backend::{Error, ErrorKind, ModelInfo, frames::Frame};
use inferno_models::Model;
use tokio::{io::AsyncWriteExt, sync::mpsc, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Config,
    generation::Ticket,
    line::Place,
    machine,
    memory::{Held, Reservation},
    process,
    requests::{Closed, Requests},
    supervisor::{LastWords, Supervisor, Trouble, send, shutting_down},
    wire::{self, Wire},
};

/// What starting a worker takes.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) config: Config,
    /// Every task that owns a process; empty means that no process is left.
    pub(crate) tasks: TaskTracker,
    /// Ends every worker, loading ones too.
    pub(crate) closing: CancellationToken,
}

/// How to load a model, this time.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) model: &'a Model,
    /// The first thing that the worker is told.
    pub(crate) load: Vec<u8>,
    pub(crate) memory: Reservation,
    /// Gives up.
    pub(crate) stop: &'a CancellationToken,
}

/// A process that holds a model. When the last reference is gone, it ends.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) info: ModelInfo,
    pub(crate) pid: u32,
    pub(crate) since: SystemTime,
    /// Bytes that were estimated before it was loaded.
    pub(crate) estimated: u64,
    pub(crate) memory: Arc<Held>,
    /// Its process has been reaped.
    pub(crate) gone: CancellationToken,
    /// It ends, or has.
    pub(crate) retired: CancellationToken,
    requests: Arc<Requests>,
    outbox: mpsc::UnboundedSender<Vec<u8>>,
    _alive: DropGuard,
}

impl Worker {
    /// Starts a process and has it load a model. Must run to its end: it is what reaps the process.
    pub(crate) async fn start(
        start: Start<'_>,
        launcher: &Launcher,
        progress: impl FnMut(f32),
    ) -> Result<Self, Error> {
        let Start { model, load, memory, stop } = start;
        let name = &model.name;
        let (mut child, socket) = process::spawn(&launcher.config)?;
        let pid = child.id().unwrap_or_default();
        let words = LastWords::follow(child.stderr.take(), name, pid);
        let (read, mut write) = socket.into_split();
        let mut wire = Wire::new(read);
        let loading = async {
            // A worker that has ended already is noticed, with its status, by reading.
            write.write_all(&load).await.ok();
            follow(name, &mut wire, launcher.config.load_timeout, progress).await
        };
        let outcome = tokio::select! {
            outcome = loading => outcome,
            () = stop.cancelled() => Err(Trouble::Said(stopped(name, launcher))),
        };
        let info = match outcome {
            Ok(info) => info,
            Err(trouble) => {
                drop((wire, write));
                let error = trouble.told(name, &mut child).await;
                let last_words = words.get().await;
                tracing::warn!(model = name, pid, last_words, %error, "model not loaded");
                return Err(error);
            }
        };

        let (held, estimated) = (memory.held(), memory.held().bytes());
        // Weights that are mapped and caches that are not filled yet do not count as resident; the backend knows them.
        let told = if info.memory == 0 { estimated } else { info.memory };
        held.measured(machine::resident(pid).unwrap_or_default().max(told));
        let (device, context, bytes) = (&info.device, info.context, held.bytes());
        tracing::info!(model = name, pid, device, context, memory = bytes, "model loaded");

        let requests = Arc::new(Requests::default());
        let (retired, gone) = (launcher.closing.child_token(), CancellationToken::new());
        let (outbox, mail) = mpsc::unbounded_channel();
        launcher.tasks.spawn(send(write, mail, retired.clone()));
        let supervisor = Supervisor {
            name: name.clone(),
            pid,
            child,
            requests: Arc::clone(&requests),
            words,
            memory,
            gone: gone.clone(),
        };
        launcher.tasks.spawn(supervisor.run(wire, retired.clone()));
        Ok(Self {
            info,
            pid,
            since: SystemTime::now(),
            estimated,
            memory: held,
            gone,
            requests,
            outbox,
            _alive: retired.clone().drop_guard(),
            retired,
        })
    }

    /// Hands a request over. A worker that has ended gives it back.
    pub(crate) fn submit(
        self: &Arc<Self>,
        id: u64,
        frame: Vec<u8>,
        place: Place,
    ) -> Result<Ticket, (Vec<u8>, Place)> {
        let mailbox = match self.requests.open(id, place) {
            Ok(mailbox) => mailbox,
            Err(place) => return Err((frame, place)),
        };
        // Where nobody sends any more, the worker has ended, and the request learns it from its mailbox.
        self.outbox.send(frame).ok();
        Ok(Ticket::new(id, mailbox, Arc::clone(self)))
    }

    /// Asks the worker to end a request at the next token.
    pub(crate) fn cancel(&self, id: u64) {
        if let Ok(frame) = wire::cancel(id) {
            self.outbox.send(frame).ok();
        }
    }

    /// Ends it now, and its requests with `error`.
    pub(crate) fn stop(&self, error: Error) {
        self.memory.leaving();
        self.requests.close(error);
        self.retired.cancel();
    }

    /// Why it takes nothing any more, if so.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.requests.closed()
    }

    /// It has answered some request.
    pub(crate) fn served(&self) -> bool {
        self.requests.served()
    }
}

/// Why a load was given up.
pub(crate) fn stopped(model: &str, launcher: &Launcher) -> Error {
    if launcher.closing.is_cancelled() { shutting_down(model) } else { unloaded(model) }
}

/// Why a request ended with the model.
pub(crate) fn unloaded(model: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("model {model} was unloaded by whoever runs this server"))
        .hint("The next request loads it again.")
}

/// What a backend says of a load is for whoever asked for something else: no request is at fault, and either the cause
/// may pass, such as a lack of memory, or the model is broken.
fn not_loaded(model: &str, error: Error) -> Error {
    let kind = match error.kind {
        ErrorKind::Exhausted | ErrorKind::Unavailable | ErrorKind::Cancelled => ErrorKind::Unavailable,
        ErrorKind::Timeout => ErrorKind::Timeout,
        ErrorKind::Denied
        | ErrorKind::NotFound
        | ErrorKind::Invalid
        | ErrorKind::ContextLength
        | ErrorKind::Internal => ErrorKind::Internal,
    };
    let message = format!("model {model} could not be loaded: {}", error.message);
    Error { kind, message, ..error }
}

/// Follows a load to its end. `patience` is the longest time without a sign of progress.
async fn follow(
    model: &str,
    wire: &mut Wire,
    patience: Duration,
    mut progress: impl FnMut(f32),
) -> Result<ModelInfo, Trouble> {
    loop {
        let frame = timeout(patience, wire.wait()).await.map_err(|_| {
            let seconds = patience.as_secs_f32();
            Error::new(ErrorKind::Timeout, format!("loading model {model} made no progress for {seconds} s"))
                .hint("Raise the load timeout, or look at the disk that the model is on.")
        })?;
        match frame? {
            None => return Err(Trouble::Ended),
            Some(Frame::Progress(share)) => progress(share),
            Some(Frame::Ready(info)) => return Ok(info),
            Some(Frame::Failed(error)) => return Err(not_loaded(model, error).into()),
            Some(frame) => return Err(Trouble::out_of_turn(&frame)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_worth_trying_again() {
        let kind = |kind| not_loaded("m", Error::new(kind, "it is so")).kind;
        assert_eq!(kind(ErrorKind::Exhausted), ErrorKind::Unavailable);
        assert_eq!(kind(ErrorKind::Unavailable), ErrorKind::Unavailable);
        assert_eq!(kind(ErrorKind::Invalid), ErrorKind::Internal);
        assert_eq!(kind(ErrorKind::NotFound), ErrorKind::Internal);
        let error = not_loaded("m", Error::invalid("no tensors").hint("look"));
        assert_eq!(error.message, "model m could not be loaded: no tensors");
        assert_eq!(error.hint.as_deref(), Some("look"));
    }
}
