//! A verb that is not ours: the command of a plugin, or a mistake.

use std::ffi::OsString;
use std::time::Duration;

use inferno_sandbox::{Caller, CommandRun, ErrorKind, Plugin};
use inferno_store::DEFAULT_TENANT;

use crate::failure::{Exit, Failure, Outcome};
use crate::plugins::{self, Installation, Installed};
use crate::settings::Settings;
use crate::signals::{Signal, Signals};
use crate::{host, verbs};

/// How long writes that a plugin began may still take when it is stopped.
const LAST_WRITES: Duration = Duration::from_secs(1);

pub(crate) fn external(settings: &Settings, words: Vec<OsString>) -> Outcome {
    let mut words = words.into_iter();
    let verb = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let installation = Installation::read(settings)?;
    let plugin = verbs::find(&installation, &verb)?;
    let args = words
        .map(|word| {
            word.into_string()
                .map_err(|word| Failure::usage(format!("the argument {word:?} is not valid UTF-8")))
        })
        .collect::<Result<Vec<String>, Failure>>()?;
    run(settings, &installation, plugin, here(verb, args)?)
}

/// A command that is run in the folder where its user is.
pub(super) fn here(verb: impl Into<String>, args: Vec<String>) -> Result<CommandRun, Failure> {
    let workdir = std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
    Ok(CommandRun { verb: verb.into(), args, workdir: Some(workdir), ..CommandRun::default() })
}

/// Runs a plugin as a command, until it ends or the user ends it.
pub(super) fn run(
    settings: &Settings,
    installation: &Installation,
    plugin: &Installed,
    command: CommandRun,
) -> Outcome {
    let runtime = host::server_runtime()?;
    let outcome = runtime.block_on(async {
        let signals =
            Signals::listen().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
        let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
        let sandbox = plugins::sandbox(settings, inference.clone(), host::store(settings)?)?;
        installation.load_callees(&sandbox, settings, plugin)?;
        let plugin = installation.load(&sandbox, settings, plugin)?;
        let status = tokio::select! {
            status = status(&plugin, command) => status,
            // What the plugin has under way is dropped, and so are the models that work for it.
            signal = signals.first() => Err(match signal {
                Signal::Interrupt => Failure::interrupted(),
                Signal::Terminate => Failure::terminated(),
            }),
        };
        inference.shutdown(Duration::ZERO).await;
        status
    });
    let stopped = |failure: &Failure| matches!(failure.exit, Exit::Interrupted | Exit::Terminated);
    if outcome.as_ref().is_err_and(stopped) {
        runtime.shutdown_timeout(LAST_WRITES);
    } else {
        // A plugin that waits for input holds a thread that nothing can end.
        runtime.shutdown_background();
    }
    outcome
}

/// Whoever asks how a command is used needs no folder for that, and may ask where none can be lent.
async fn status(plugin: &Plugin, command: CommandRun) -> Outcome {
    let caller = Caller {
        tenant: DEFAULT_TENANT.to_owned(),
        request_id: format!("command-{}", std::process::id()),
        background: false,
    };
    let status = plugin.command(caller.clone(), command.clone()).await;
    match status {
        Err(error) if error.kind() == ErrorKind::Workdir && asks_for_help(&command.args) => {
            Ok(plugin.command(caller, CommandRun { workdir: None, ..command }).await?)
        }
        status => Ok(status?),
    }
}

fn asks_for_help(args: &[String]) -> bool {
    let help = |word: &String| matches!(word.as_str(), "--help" | "-h");
    args.first().is_none_or(|first| matches!(first.as_str(), "help" | "--version")) || args.iter().any(help)
}
