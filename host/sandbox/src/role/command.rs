//! The command role: a plugin as a verb of the command line. Programs for WASI 0.2, such as a Rust program's `main`,
//! play it as they are; so do those that export `wasi:cli/run` of WASI 0.3.

use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::{p2, p3};

use crate::call::Call;
use crate::error::{Error, ErrorKind};
use crate::link;
use crate::plugin::Plugin;
use crate::state::{Caller, State, Surroundings};

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
    /// Runs the plugin as a command with these arguments, on the standard streams of this process, and returns its
    /// exit code. WASI's own interfaces, and so a Rust program's `main`, tell success (0) from failure (1) and no more.
    pub async fn command(&self, caller: Caller, args: Vec<String>) -> Result<u8, Error> {
        let command = self.inner.roles.command.clone().ok_or_else(|| self.plays_no("command"))?;
        let (store, terms) =
            self.begin(caller.into(), &self.inner.command_limits, &Surroundings::Command(&args))?;
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
