//! What the host says, read on a thread of its own, so that its end is noticed whatever the model does.

use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use rustix::process::{Signal, getpid, kill_process};

use crate::Error;
use crate::frames::{self, Frame, FrameError};
use crate::worker::is_hang_up;

/// Commands that wait while the model computes. The host is read no further than this: it feels back pressure.
const WAITING: usize = 256;

/// The frames that came, in order; they end with the connection, or with the first that is malformed.
pub(crate) struct Reader {
    pub(crate) frames: Receiver<Result<Frame, FrameError>>,
    loading: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Starts to read. Until [`Reader::loaded`] the process ends as soon as the host hangs up: nobody can interrupt a
    /// backend that loads.
    pub(crate) fn start(input: BufReader<UnixStream>) -> Result<Self, Error> {
        let (sender, frames) = sync_channel(WAITING);
        let loading = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&loading);
        let thread = Builder::new()
            .name("frames".into())
            .spawn(move || read(input, &sender, &seen))
            .map_err(|error| Error::internal(format!("cannot start a thread: {error}")))?;
        Ok(Self { frames, loading, thread })
    }

    /// From now on the session ends by itself when the host hangs up.
    pub(crate) fn loaded(&self) {
        self.loading.store(false, Ordering::SeqCst);
    }

    /// Waits for the thread's end. The socket must be shut down.
    pub(crate) fn join(self) {
        drop(self.frames);
        // It does not panic, and if it did there would be nothing left to do.
        let _ = self.thread.join();
    }
}

fn read(
    mut input: BufReader<UnixStream>,
    sender: &SyncSender<Result<Frame, FrameError>>,
    loading: &AtomicBool,
) {
    loop {
        let frame = frames::read_frame(&mut input);
        let hung_up = match &frame {
            Ok(frame) => frame.is_none(),
            Err(FrameError::Io(error)) => is_hang_up(error),
            Err(_) => false,
        };
        if hung_up && loading.load(Ordering::SeqCst) {
            vanish();
        }
        let Some(frame) = frame.transpose() else { return };
        let last = frame.is_err();
        if sender.send(frame).is_err() || last {
            return;
        }
    }
}

/// Ends the process at once. An orderly exit would tidy up what the loading thread works with.
fn vanish() {
    // A signal to oneself cannot fail; if it did, the worker would end when the model is loaded.
    let _ = kill_process(getpid(), Signal::KILL);
}
