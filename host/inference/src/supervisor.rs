//! Watches a worker until its process has ended, and tells its requests why.

use std::{sync::Arc, task::Waker, time::Duration};

use inferno_backend::{
    Error, ErrorKind,
    frames::{Frame, FrameError},
};
use tokio::{
    io::AsyncWriteExt,
    net::unix::OwnedWriteHalf,
    process::{Child, ChildStderr},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{memory::Reservation, process, requests::Requests, wire::Wire};

/// How long to wait for the rest of a log after its process has ended: a grandchild may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A worker's process and what hangs on it.
pub(crate) struct Supervisor {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) child: Child,
    pub(crate) requests: Arc<Requests>,
    pub(crate) words: LastWords,
    pub(crate) memory: Reservation,
    /// Says that the process is gone.
    pub(crate) gone: CancellationToken,
}

impl Supervisor {
    /// Hands out events until the worker ends, or until `retired` says that nobody wants it any more; returns when
    /// the process has been reaped.
    pub(crate) async fn run(mut self, mut wire: Wire, retired: CancellationToken) {
        let trouble = tokio::select! {
            trouble = hand_out(&mut wire, &self.requests) => trouble,
            () = retired.cancelled() => {
                // Only a shutdown retires a worker that has requests, but for those who say so before.
                self.requests.close(shutting_down(&self.name));
                drop(wire);
                let status = process::end(&mut self.child).await;
                drop(self.memory);
                self.gone.cancel();
                tracing::info!(model = self.name, pid = self.pid, how = process::describe(&status), "model unloaded");
                return;
            }
        };
        let error = trouble.told(&self.name, &mut self.child).await;
        // The memory first: whoever reads the error may ask again at once.
        drop(self.memory);
        self.gone.cancel();
        self.requests.close(error.clone());
        let last_words = self.words.get().await;
        tracing::warn!(model = self.name, pid = self.pid, last_words, %error, "worker lost");
    }
}

/// The way of every token: from the socket to the mailboxes.
async fn hand_out(wire: &mut Wire, requests: &Requests) -> Trouble {
    let mut wake: Vec<Waker> = Vec::new();
    loop {
        match wire.fill().await {
            Ok(true) => {}
            // A socket whose other end is gone with unread bytes in it says that it was reset.
            Ok(false) | Err(_) => return Trouble::Ended,
        }
        let mut delivery = requests.deliver(&mut wake);
        let trouble = loop {
            match wire.next() {
                Ok(Some(Frame::Event { id, event })) => delivery.event(id, event),
                Ok(Some(Frame::Failed(error))) => break Some(Trouble::Said(error)),
                Ok(Some(frame)) => break Some(Trouble::out_of_turn(&frame)),
                Ok(None) => break None,
                Err(error) => break Some(error.into()),
            }
        };
        drop(delivery);
        wake.drain(..).for_each(Waker::wake);
        if let Some(trouble) = trouble {
            return trouble;
        }
    }
}

/// Writes what is for the worker until it is retired.
pub(crate) async fn send(
    mut write: OwnedWriteHalf,
    mut mail: mpsc::UnboundedReceiver<Vec<u8>>,
    retired: CancellationToken,
) {
    let work = async {
        while let Some(frame) = mail.recv().await {
            // The reader notices a worker that takes nothing any more, with its status.
            if write.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = retired.cancelled() => {}
    }
}

pub(crate) fn shutting_down(model: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("model {model} was stopped, since Inferno is shutting down"))
}

/// The log of a worker, and its last line when it has ended.
#[derive(Debug)]
pub(crate) struct LastWords(Option<JoinHandle<String>>);

impl LastWords {
    pub(crate) fn follow(log: Option<ChildStderr>, model: &str, pid: u32) -> Self {
        Self(log.map(|log| tokio::spawn(process::log(log, model.to_owned(), pid))))
    }

    pub(crate) async fn get(self) -> String {
        let Some(log) = self.0 else { return String::new() };
        match timeout(LAST_WORDS, log).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }
}

/// Why a worker could not be used any longer, or at all.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It, or we, said so.
    Said(Error),
    /// It closed its socket: how it ended tells why.
    Ended,
    /// It sent what is no frame, or one out of turn.
    Babble(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl From<FrameError> for Trouble {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Cut => Self::Ended,
            error => Self::Babble(error.to_string()),
        }
    }
}

impl Trouble {
    /// For a frame that has no place where it came.
    pub(crate) fn out_of_turn(frame: &Frame) -> Self {
        Self::Babble(match frame {
            Frame::Load(_) | Frame::Submit { .. } | Frame::Cancel { .. } => "what only a host says".into(),
            Frame::Event { id, .. } => format!("an event of request {id} before the model was loaded"),
            Frame::Progress(_) | Frame::Ready(_) => "news of a load that was over".into(),
            Frame::Failed(error) => error.to_string(),
        })
    }

    /// Ends the process if it has not ended, and says what happened.
    pub(crate) async fn told(self, model: &str, child: &mut Child) -> Error {
        match self {
            Self::Said(error) => {
                process::kill(child).await.ok();
                error
            }
            Self::Ended => {
                let status = process::end(child).await;
                let how = process::describe(&status);
                Error::new(ErrorKind::Unavailable, format!("the worker of model {model} ended ({how})"))
                    .hint(process::advice(&status))
            }
            Self::Babble(what) => {
                process::kill(child).await.ok();
                Error::new(
                    ErrorKind::Unavailable,
                    format!("the worker of model {model} was stopped, since it sent {what}"),
                )
                .hint("Host and worker must be of the same version.")
            }
        }
    }
}
