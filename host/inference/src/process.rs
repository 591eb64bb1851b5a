//! A worker's process: how it is started, and what its end means.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as Socket, process::CommandExt, process::ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use inferno_backend::Error;
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    process::{Child, ChildStderr},
    time::timeout,
};

use crate::Config;

/// How the threads of a worker wait for one another, where they are OpenMP's. Between two pieces of a token that takes
/// microseconds, in which going to sleep would cost more than the work: measured, 90 tokens per second instead of 260.
/// Spinning for long would take the cores from the host and from other models: then 50 instead of 100, with one of two
/// cores busy. So they spin for a few thousand rounds, and sleep after that.
pub const WAITING: [(&str, &str); 2] = [("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "5000")];

/// How long a worker that was asked to end may take for it.
const GRACE: Duration = Duration::from_secs(3);

/// A line of a worker's log beyond this is cut.
const LINE: usize = 4096;

/// Starts a worker. Its standard input is the other end of the socket, its standard error the log.
pub(crate) fn spawn(config: &Config) -> Result<(Child, UnixStream), Error> {
    let program = &config.worker.program;
    start(config).map_err(|error| {
        Error::internal(format!("the worker program {} could not be started: {error}", program.display()))
            .hint("Is it still where it was when this process started?")
    })
}

fn start(config: &Config) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = Socket::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = Command::new(&config.worker.program);
    command
        .args(&config.worker.args)
        .envs(WAITING)
        // Where ggml gives up it would start a debugger, if one is installed, to print a backtrace.
        .env("GGML_NO_BACKTRACE", "1")
        .envs(config.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal goes to a whole process group; the host has to drain before its workers end.
        .process_group(0);
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

/// Waits until a process whose socket is closed has ended, and kills it when it takes too long.
pub(crate) async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    match timeout(GRACE, child.wait()).await {
        Ok(status) => status,
        Err(_) => kill(child).await,
    }
}

/// Kills a process and waits until it has ended.
pub(crate) async fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    // It fails where the process has ended already, and then there is only its status to take.
    child.start_kill().ok();
    child.wait().await
}

/// `signal 9 (SIGKILL)`, `exit status 3`: how a process ended.
pub(crate) fn describe(status: &io::Result<ExitStatus>) -> String {
    let status = match status {
        Ok(status) => status,
        Err(error) => return format!("its status is unknown: {error}"),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => match name(signal) {
            Some(name) => format!("signal {signal} ({name})"),
            None => format!("signal {signal}"),
        },
        (None, None) => status.to_string(),
    }
}

/// What people can do about an end.
pub(crate) fn advice(status: &io::Result<ExitStatus>) -> &'static str {
    match status.as_ref().ok().and_then(ExitStatusExt::signal) {
        Some(9) => "If nobody killed it, the machine may have run out of memory.",
        _ => "The next request starts a new one; the log has the worker's last words.",
    }
}

fn name(signal: i32) -> Option<&'static str> {
    // The same numbers on every Linux that we run on.
    Some(match signal {
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// Passes a worker's log on line by line until it ends, and returns its last line.
pub(crate) async fn log(mut stderr: ChildStderr, model: String, pid: u32) -> String {
    let (mut buffer, mut line, mut last) = (vec![0; LINE], Vec::new(), String::new());
    let mut say = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line);
        if !text.trim().is_empty() {
            tracing::debug!(model, pid, "worker: {}", text.trim_end());
            text.trim().clone_into(&mut last);
        }
        line.clear();
    };
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || line.len() >= LINE {
                say(&mut line);
            }
        }
    }
    say(&mut line);
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(describe(&Ok(ExitStatus::from_raw(9))), "signal 9 (SIGKILL)");
        assert_eq!(describe(&Ok(ExitStatus::from_raw(34))), "signal 34");
        assert_eq!(describe(&Ok(ExitStatus::from_raw(3 << 8))), "exit status 3");
        assert!(advice(&Ok(ExitStatus::from_raw(9))).contains("memory"));
    }

    #[tokio::test]
    async fn the_last_line_of_a_log_is_kept() {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", "echo first >&2; echo >&2; printf 'GGML_ASSERT failed' >&2"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let stderr = child.stderr.take().expect("it is piped");
        assert_eq!(log(stderr, "m".into(), 1).await, "GGML_ASSERT failed");
    }
}
