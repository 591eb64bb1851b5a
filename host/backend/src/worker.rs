//! A process that holds one model of one backend.
//!
//! Its standard input is one end of a Unix socket pair; [`frames`] go both ways. Standard output is not
//! used and standard error is the log. It ends when the host closes its end, whatever it is doing by then.

use std::collections::HashSet;
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use crate::confine::confine;
use crate::frames::{self, Frame, FrameError, Load};
use crate::output::Output;
use crate::reader::Reader;
use crate::{Backends, Error, Event, Model};

/// How long there is nothing to do before a model may use the quiet for itself.
const QUIET: Duration = Duration::from_secs(2);

/// The smallest share of a load that is worth a frame.
const PROGRESS_STEP: f32 = 0.01;

/// Serves the host on standard input until it hangs up.
///
/// An error was told to the host where that was possible; it is for the log and the exit status.
pub fn run(backends: Backends) -> Result<(), Error> {
    let not_ours = |error: io::Error| {
        Error::invalid(format!("the worker's standard input is no socket to a host: {error}"))
            .hint("Inferno starts workers by itself; there is no need to start one by hand")
    };
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(not_ours)?);
    socket.local_addr().map_err(not_ours)?;
    serve(&backends, socket)
}

/// Serves the host at the other end of `socket` until it hangs up; if it does so while the model is loaded, the process
/// ends there and then. This thread, and those that the backend starts, stay confined for good.
fn serve(backends: &Backends, socket: UnixStream) -> Result<(), Error> {
    let input = BufReader::new(socket.try_clone().map_err(broken)?);
    let mut output = Output::new(socket.try_clone().map_err(broken)?);
    let Some((model, reader)) = load(backends, input, &mut output)? else { return Ok(()) };
    let mut session = Session { model, output, active: HashSet::new() };
    let outcome = session.run(&reader.frames);
    // Wakes the reader, which may wait for the host.
    let _ = socket.shutdown(Shutdown::Both);
    reader.join();
    outcome
}

fn broken(error: io::Error) -> Error {
    Error::internal(format!("the socket to the host broke: {error}"))
}

/// A model, and who reads what the host says to it.
type Loaded = (Box<dyn Model>, Reader);

/// Loads what the host's first frame asks for. `None`: the host hung up.
fn load(
    backends: &Backends,
    mut input: BufReader<UnixStream>,
    output: &mut Output,
) -> Result<Option<Loaded>, Error> {
    let outcome = match frames::read_frame(&mut input) {
        Ok(None) => return Ok(None),
        Ok(Some(Frame::Load(load))) => load_model(backends, &load, input, output),
        Ok(Some(_)) => Err(Error::invalid("the host's first frame is no Load")),
        Err(error) => Err(Error::invalid(format!("the host's first frame cannot be read: {error}"))),
    };
    let frame = match &outcome {
        Ok((model, _)) => Frame::Ready(model.info()),
        Err(error) => Frame::Failed(error.clone()),
    };
    output.add(&frame)?;
    let connected = output.flush()?;
    outcome.map(|loaded| connected.then_some(loaded))
}

fn load_model(
    backends: &Backends,
    load: &Load,
    input: BufReader<UnixStream>,
    output: &mut Output,
) -> Result<Loaded, Error> {
    let backend = backends.find(load.backend.as_deref(), &load.format)?;
    for missing in confine(&load.options, backends.dir(), backend.reads()) {
        log(format_args!("not fully confined: {missing}"));
    }
    // Not before the fence is up: a thread has no other one.
    let reader = Reader::start(input)?;
    let mut told = 0.0;
    let model = backend.load(&load.options, &mut |share| {
        if share - told >= PROGRESS_STEP {
            told = share;
            // A host that is gone is noticed by the reader, a socket that broke when the model is loaded.
            let _ = output.add(&Frame::Progress(share)).and_then(|()| output.flush());
        }
    });
    reader.loaded();
    Ok((model?, reader))
}

/// Says something on standard error, which is a worker's log.
fn log(line: impl std::fmt::Display) {
    use io::Write as _;
    let _ = writeln!(io::stderr(), "worker: {line}");
}

/// What the host says, or that it cannot be understood.
type Command = Result<Frame, FrameError>;

/// A loaded model and its requests.
struct Session {
    model: Box<dyn Model>,
    output: Output,
    /// Requests that have not ended. What a backend says about others is not passed on.
    active: HashSet<u64>,
}

impl Session {
    fn run(&mut self, commands: &Receiver<Command>) -> Result<(), Error> {
        loop {
            // With nothing to compute, wait; else only take what has already come.
            let mut next = if self.active.is_empty() { self.wait(commands)? } else { commands.try_recv() };
            loop {
                match next {
                    Ok(command) => self.obey(command)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
                next = commands.try_recv();
            }
            self.step()?;
            if !self.output.pace()? {
                return Ok(());
            }
        }
    }

    /// Waits for a command while there is nothing to compute. A model that has something to do for itself, such as
    /// saving what it knows, is stepped when it was quiet for a while.
    fn wait(&mut self, commands: &Receiver<Command>) -> Result<Result<Command, TryRecvError>, Error> {
        match commands.recv_timeout(QUIET) {
            Ok(command) => return Ok(Ok(command)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Err(TryRecvError::Disconnected)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        loop {
            match self.model.step(&mut |_, _| {}) {
                Ok(true) => {}
                Ok(false) => return Ok(commands.recv().map_err(|_| TryRecvError::Disconnected)),
                Err(error) => self.fail(error)?,
            }
            match commands.try_recv() {
                Err(TryRecvError::Empty) => {}
                other => return Ok(other),
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Ok(Frame::Submit { id, work }) if !self.active.contains(&id) => {
                self.active.insert(id);
                match self.model.submit(id, work) {
                    Ok(()) => Ok(()),
                    Err(error) => self.pass(id, Event::Failed(error)),
                }
            }
            Ok(Frame::Submit { id, .. }) => {
                self.fail(Error::internal(format!("the host submitted request {id}, which has not ended")))
            }
            Ok(Frame::Cancel { id }) => {
                self.model.cancel(id);
                Ok(())
            }
            Ok(_) => self
                .fail(Error::internal("the host sent a frame that only a worker may send, or loaded twice")),
            Err(FrameError::Io(error)) if is_hang_up(&error) => Ok(()),
            Err(error) => {
                self.fail(Error::internal(format!("cannot go on after what the host sent: {error}")))
            }
        }
    }

    fn step(&mut self) -> Result<(), Error> {
        if self.active.is_empty() {
            return Ok(());
        }
        let mut events = Vec::new();
        let more = self.model.step(&mut |id, event| events.push((id, event)));
        for (id, event) in events {
            self.pass(id, event)?;
        }
        match more {
            Ok(true) => Ok(()),
            Ok(false) => {
                // Without this, a request that the backend forgot would wait for ever.
                let forgotten = std::mem::take(&mut self.active);
                for id in forgotten {
                    let error = Error::internal("the backend went idle before it ended this request");
                    self.output.add(&Frame::Event { id, event: Event::Failed(error) })?;
                }
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }

    /// Passes an event on, if its request has not ended.
    fn pass(&mut self, id: u64, event: Event) -> Result<(), Error> {
        if let Event::Failed(error) = &event {
            // The host's log says which caller's request has this number.
            log(format_args!("request {id} failed: {error}"));
        }
        let known = match event {
            Event::Done { .. } | Event::Failed(_) => self.active.remove(&id),
            _ => self.active.contains(&id),
        };
        if known { self.output.add(&Frame::Event { id, event }) } else { Ok(()) }
    }

    /// Ends every request and the worker with `error`.
    fn fail(&mut self, error: Error) -> Result<(), Error> {
        for id in std::mem::take(&mut self.active) {
            self.output.add(&Frame::Event { id, event: Event::Failed(error.clone()) })?;
        }
        self.output.add(&Frame::Failed(error.clone()))?;
        self.output.flush()?;
        Err(error)
    }
}

/// The host is gone; that is how a worker's life ends, and no fault.
pub(crate) fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
