//! The verbs of plugins: which plugin answers to which. None takes one of the program's own, and none has one together
//! with another.

use std::sync::OnceLock;

use inferno_sandbox::Manifest;

use crate::cli;
use crate::failure::Failure;
use crate::plugins::{Installation, Installed};
use crate::suggest;

/// The verb of a manifest that is one of the program's own, and so would never reach the plugin.
pub(crate) fn taken(manifest: &Manifest) -> Option<Failure> {
    let verb = manifest.verbs().into_iter().find(|verb| own().iter().any(|own| own == verb))?;
    let name = &manifest.plugin.name;
    Some(
        Failure::new(format!("the plugin `{name}` wants to be the command `{verb}`, which is Inferno's own"))
            .hint("name another one as `verbs` under [roles.command] of its plugin.toml"),
    )
}

/// What keeps a plugin from being installed: a verb that is taken.
pub(crate) fn check(installation: &Installation, manifest: &Manifest) -> Result<(), Failure> {
    if let Some(failure) = taken(manifest) {
        return Err(failure);
    }
    let name = manifest.plugin.name.as_str();
    for verb in manifest.verbs() {
        if let Some(other) = claimants(installation, verb).into_iter().find(|other| other.name() != name) {
            return Err(contested(verb, other.name(), name));
        }
    }
    Ok(())
}

/// The plugin that answers to a verb.
pub(crate) fn find<'a>(installation: &'a Installation, verb: &str) -> Result<&'a Installed, Failure> {
    // A plugin that cannot be loaded may have been meant, and its verbs are not known.
    if let Some(failure) = installation.problems.get(verb) {
        return Err(failure.clone());
    }
    match claimants(installation, verb)[..] {
        [plugin] => Ok(plugin),
        [one, other, ..] => Err(contested(verb, one.name(), other.name())),
        [] => Err(unanswered(installation, verb)),
    }
}

/// The verbs that two plugins want, each with what is wrong.
pub(crate) fn contests(installation: &Installation) -> Vec<Failure> {
    let plugins = installation.plugins.values().filter(|plugin| plugin.enabled);
    let mut verbs: Vec<&str> = plugins.flat_map(|plugin| plugin.package.manifest().verbs()).collect();
    verbs.sort_unstable();
    verbs.dedup();
    let contested = |verb| match claimants(installation, verb)[..] {
        [one, other, ..] => Some(contested(verb, one.name(), other.name())),
        _ => None,
    };
    verbs.into_iter().filter_map(contested).collect()
}

/// The plugins that want to answer to a verb. One that is turned off wants nothing.
fn claimants<'a>(installation: &'a Installation, verb: &str) -> Vec<&'a Installed> {
    let wants = |plugin: &&Installed| plugin.enabled && has(plugin, verb);
    installation.plugins.values().filter(wants).collect()
}

fn has(plugin: &Installed, verb: &str) -> bool {
    plugin.package.manifest().verbs().contains(&verb)
}

fn contested(verb: &str, one: &str, other: &str) -> Failure {
    Failure::new(format!("the plugins `{one}` and `{other}` both want to be the command `{verb}`")).hint(
        format!(
            "remove one of them, or turn it off in your configuration, such as plugins.{one}.enabled = false"
        ),
    )
}

fn unanswered(installation: &Installation, verb: &str) -> Failure {
    if let Some(plugin) = installation.plugins.values().find(|plugin| has(plugin, verb)) {
        let name = plugin.name();
        return Failure::new(format!("the plugin `{name}` is turned off"))
            .hint(format!("`inferno config show` says where plugins.{name}.enabled is set"));
    }
    if let Some(plugin) = installation.plugins.get(verb) {
        let manifest = plugin.package.manifest();
        return match manifest.verbs()[..] {
            [] => Failure::usage(format!(
                "the plugin `{verb}` is no command; it plays: {}",
                manifest.roles.names().join(", ")
            ))
            .hint(format!("`inferno plugin info {verb}` shows what it does")),
            ref verbs => {
                Failure::usage(format!("there is no command `{verb}`; the plugin of this name has others"))
                    .hint(format!("it is called as `inferno {}`", verbs.join("` or `inferno ")))
            }
        };
    }
    let plugins = installation.plugins.values().flat_map(|plugin| plugin.package.manifest().verbs());
    let visible = |command: &clap::Command| (!command.is_hide_set()).then(|| command.get_name().to_owned());
    let own: Vec<String> = cli::command().get_subcommands().filter_map(visible).collect();
    let near = suggest::near(verb, own.iter().map(String::as_str).chain(plugins));
    Failure::usage(format!("there is no command `{verb}`, and no plugin of this name")).hint(
        suggest::did_you_mean(&near).unwrap_or_else(|| {
            "`inferno --help` shows the commands, `inferno plugin list` the plugins".to_owned()
        }),
    )
}

/// The program's own verbs, those included that nobody types.
fn own() -> &'static [String] {
    static OWN: OnceLock<Vec<String>> = OnceLock::new();
    OWN.get_or_init(|| {
        let command = cli::command();
        let verbs = command.get_subcommands().map(|verb| verb.get_name().to_owned());
        verbs.chain(["help".to_owned()]).collect()
    })
}
