//! A worker in a process of its own, and the host's end of its socket.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, process};

use inferno_backend::frames::{self, Frame, Load};
use inferno_backend::{Backends, Event, Linked, LoadOptions, Work, worker};

use crate::abi::{model_file, options};
use crate::scripted::Scripted;

/// Set in the process that is to be the worker: its backends directory.
const BACKENDS: &str = "INFERNO_TEST_WORKER_BACKENDS";
/// The worker's exit status after an error.
pub(crate) const FAILED: i32 = 7;

/// What the other tests start as a worker; without the variable, it does nothing.
#[test]
fn worker_process() {
    let Some(dir) = env::var_os(BACKENDS) else { return };
    let backends = Backends::new(vec![Linked::of::<Scripted>()], Some(Path::new(&dir)));
    match worker::run(backends) {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("worker: {error}");
            process::exit(FAILED);
        }
    }
}

pub(crate) struct Host {
    pub(crate) socket: UnixStream,
    worker: Child,
    pub(crate) dir: tempfile::TempDir,
}

impl Host {
    /// Starts a worker that may use the backends that `fill` puts into its directory.
    pub(crate) fn start(fill: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backends = dir.path().join("backends");
        std::fs::create_dir(&backends).unwrap();
        fill(&backends);
        let (socket, theirs) = UnixStream::pair().unwrap();
        let worker = command(&backends).stdin(OwnedFd::from(theirs)).spawn().unwrap();
        // A test that waits for what never comes is to fail, not to hang.
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, worker, dir }
    }

    /// Starts a worker and loads the scripted backend's model.
    pub(crate) fn loaded() -> Self {
        Self::loaded_with(|_, options| options)
    }

    /// The same with other options, which may depend on the test's directory.
    pub(crate) fn loaded_with(change: impl FnOnce(&Path, LoadOptions) -> LoadOptions) -> Self {
        let mut host = Self::start(|_| {});
        let path = model_file(host.dir.path(), "");
        let options = change(host.dir.path(), options(&path));
        host.send(&Frame::Load(Load { backend: None, format: "script".into(), options }));
        loop {
            match host.receive() {
                Some(Frame::Progress(_)) => {}
                Some(Frame::Ready(_)) => return host,
                other => panic!("no Ready, but {other:?}"),
            }
        }
    }

    pub(crate) fn load(&mut self, format: &str, text: &str) -> PathBuf {
        let path = model_file(self.dir.path(), text);
        self.send(&Frame::Load(Load { backend: None, format: format.into(), options: options(&path) }));
        path
    }

    pub(crate) fn send(&mut self, frame: &Frame) {
        frames::write(&mut self.socket, frame).unwrap();
    }

    pub(crate) fn submit(&mut self, id: u64, work: Work) {
        self.send(&Frame::Submit { id, work });
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn receive(&mut self) -> Option<Frame> {
        frames::read_frame(&mut self.socket).unwrap()
    }

    /// The next event, and whose it is.
    pub(crate) fn event(&mut self) -> (u64, Event) {
        match self.receive() {
            Some(Frame::Event { id, event }) => (id, event),
            other => panic!("no event, but {other:?}"),
        }
    }

    /// Says that nothing more will come, and waits for the worker's end. What it still says is returned.
    pub(crate) fn hang_up(mut self) -> (Vec<u8>, Option<i32>) {
        self.socket.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).unwrap();
        (rest, self.end().code())
    }

    /// The worker's exit status once it has ended by itself.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.worker.wait().unwrap()
    }
}

/// This test program as a worker.
pub(crate) fn command(backends: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["host::worker_process", "--exact", "--nocapture"]);
    command.env(BACKENDS, backends).stdout(Stdio::null());
    command
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}
