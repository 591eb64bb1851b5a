//! The command role: a plugin as a verb of the command line. Programs for WASI 0.2, such as a Rust program's `main`,
//! play it as they are; so do those that export `wasi:cli/run` of WASI 0.3.

use std::path::PathBuf;

use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::{p2, p3};

use crate::call::Call;
use crate::error::{Error, ErrorKind};
use crate::link;
use crate::plugin::Plugin;
use crate::state::{Caller, State, Surroundings};
use crate::writer::Writer;

/// How a command is run. Arguments alone will do: then it is the plugin's first verb, on the standard streams of this
/// process and in no folder.
#[derive(Clone, Debug, Default)]
pub struct CommandRun {
    /// The verb by which it is called, which is what the plugin finds before its arguments; empty: its first one.
    pub verb: String,
    /// The arguments.
    pub args: Vec<String>,
    /// The folder in which it is run: a plugin that was granted `workdir` is lent it, unless the host keeps files of its
    /// own there, which is an error.
    pub workdir: Option<PathBuf>,
    /// What it reads and where it prints.
    pub streams: Streams,
}

/// The standard streams of a command.
#[derive(Clone, Debug, Default)]
pub enum Streams {
    /// Those of this process.
    #[default]
    Process,
    /// Nothing to read, and these to print to.
    Written {
        /// For what it has to say.
        stdout: Writer,
        /// For what went wrong.
        stderr: Writer,
    },
}

impl From<Vec<String>> for CommandRun {
    fn from(args: Vec<String>) -> Self {
        Self { args, ..Self::default() }
    }
}

/// A component that was found to play the role.
#[derive(Clone)]
pub(crate) enum Command {
    P2(p2::bindings::CommandPre<State>),
    P3(p3::bindings::CommandPre<State>),
}

impl Command {
    pub(crate) fn new(
        plugin: &str,
        component: &Component,
        instance: &InstancePre<State>,
    ) -> Result<Self, Error> {
        if let Ok(command) = p3::bindings::CommandPre::new(instance.clone()) {
            return Ok(Self::P3(command));
        }
        match p2::bindings::CommandPre::new(instance.clone()) {
            Ok(command) => Ok(Self::P2(command)),
            Err(_) => {
                Err(link::missing_role(plugin, "command", "wasi:cli/run of WASI 0.2 or 0.3", component))
            }
        }
    }

    async fn run(self, mut store: wasmtime::Store<State>) -> wasmtime::Result<Result<(), ()>> {
        match self {
            Self::P2(command) => {
                let command = command.instantiate_async(&mut store).await?;
                command.wasi_cli_run().call_run(&mut store).await
            }
            Self::P3(command) => {
                let command = command.instantiate_async(&mut store).await?;
                store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await?
            }
        }
    }
}

impl Plugin {
    /// Runs the plugin as a command and returns its exit code. WASI's own interfaces, and so a Rust program's `main`,
    /// tell success (0) from failure (1) and no more. Dropping the future ends the plugin, and what it has under way.
    pub async fn command(&self, caller: Caller, run: impl Into<CommandRun>) -> Result<u8, Error> {
        let mut run = run.into();
        if run.verb.is_empty() {
            run.verb = self.manifest().verbs().first().copied().unwrap_or_default().to_owned();
        }
        let command = self.inner.roles.command.clone().ok_or_else(|| self.plays_no("command"))?;
        let (store, terms) =
            self.begin(caller.into(), &self.inner.command_limits, &Surroundings::Command(&run))?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        Call::new(&self.inner.engine, terms, async move {
            let code = match command.run(store).await {
                Ok(Ok(())) => 0,
                Ok(Err(())) => 1,
                Err(error) => match error.downcast_ref::<I32Exit>() {
                    // Exit codes beyond a byte do not exist in the systems that we run on.
                    Some(exit) => u8::try_from(exit.0).unwrap_or(u8::MAX),
                    None => return Err(error),
                },
            };
            // The receiver is read below, after this future has ended.
            let _ = sender.send(code);
            Ok(())
        })
        .await?;
        receiver.await.map_err(|_| Error::new(ErrorKind::Host, "a command ended without an exit code"))
    }
}
