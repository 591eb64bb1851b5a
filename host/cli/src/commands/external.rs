//! A verb that is not ours: the command of a plugin, or a mistake.

use std::ffi::OsString;

use inferno_sandbox::Caller;
use inferno_store::DEFAULT_TENANT;

use crate::cli;
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::plugins::{self, Installation, Installed};
use crate::settings::Settings;
use crate::suggest;

pub(crate) fn external(settings: &Settings, words: Vec<OsString>) -> Outcome {
    let mut words = words.into_iter();
    let verb = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let installation = Installation::read(settings)?;
    if let Some(failure) = installation.problems.get(&verb) {
        return Err(failure.clone());
    }
    let Some(plugin) = installation.plugins.get(&verb) else { return Err(unknown(&verb, &installation)) };
    if !plugin.enabled {
        return Err(Failure::new(format!("the plugin `{verb}` is turned off"))
            .hint(format!("`inferno config show` says where plugins.{verb}.enabled is set")));
    }
    let roles = plugin.package.manifest().roles.names();
    if !roles.contains(&"command") {
        return Err(Failure::usage(format!(
            "the plugin `{verb}` is no command; it plays: {}",
            roles.join(", ")
        ))
        .hint(format!("`inferno plugin info {verb}` shows what it does")));
    }
    let arguments = words
        .map(|word| {
            word.into_string()
                .map_err(|word| Failure::usage(format!("the argument {word:?} is not valid UTF-8")))
        })
        .collect::<Result<Vec<String>, Failure>>()?;
    run(settings, &installation, plugin, arguments)
}

/// Runs a plugin as a command.
pub(super) fn run(
    settings: &Settings,
    installation: &Installation,
    plugin: &Installed,
    arguments: Vec<String>,
) -> Outcome {
    let runtime = host::server_runtime()?;
    let outcome = runtime.block_on(async {
        let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
        let sandbox = plugins::sandbox(settings, inference.clone(), host::store(settings)?)?;
        installation.load_callees(&sandbox, settings, plugin)?;
        let plugin = installation.load(&sandbox, settings, plugin)?;
        let caller = Caller {
            tenant: DEFAULT_TENANT.to_owned(),
            request_id: format!("command-{}", std::process::id()),
        };
        let status = plugin.command(caller, arguments).await;
        inference.shutdown(std::time::Duration::ZERO).await;
        Ok(status?)
    });
    // A plugin that waits for input holds a thread that nothing can end.
    runtime.shutdown_background();
    outcome
}

fn unknown(verb: &str, installation: &Installation) -> Failure {
    let command = cli::command();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name);
    let commands = installation
        .plugins
        .values()
        .filter(|plugin| plugin.package.manifest().roles.command.is_some())
        .map(|plugin| plugin.name());
    let near = suggest::near(verb, verbs.chain(commands));
    Failure::usage(format!("there is no command `{verb}`, and no plugin of this name")).hint(
        suggest::did_you_mean(&near).unwrap_or_else(|| {
            "`inferno --help` shows the commands, `inferno plugin list` the plugins".to_owned()
        }),
    )
}
