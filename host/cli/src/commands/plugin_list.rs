//! `inferno plugin list`.

use inferno_plugins::visible;
use inferno_sandbox::{Capabilities, Origin, Source};
use serde::Serialize;

use crate::args::Json;
use crate::failure::Outcome;
use crate::plugins::{Installation, Installed};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::verbs;

/// A plugin as programs see it; `plugin info` adds to this.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    name: &'a str,
    version: &'a str,
    description: &'a str,
    enabled: bool,
    roles: Vec<&'static str>,
    /// The folder; absent for a bundled plugin.
    path: Option<String>,
    replaces_bundled: bool,
    /// It was installed, rather than being built in or a folder in the plugins directory.
    installed: bool,
    /// The version that waits for consent.
    waiting: Option<&'a str>,
    digest: &'a str,
    /// Who granted what it may do: `built-in`, `user` or `nobody`.
    granted_by: &'static str,
    /// It asks for something, and nobody granted anything.
    #[serde(skip)]
    lacks_grant: bool,
}

impl<'a> Listed<'a> {
    pub(super) fn new(plugin: &'a Installed) -> Self {
        let about = &plugin.package.manifest().plugin;
        Self {
            name: &about.name,
            version: &about.version,
            description: &about.description,
            enabled: plugin.enabled,
            roles: plugin.package.manifest().roles.names(),
            path: match plugin.package.origin() {
                Origin::Bundled => None,
                Origin::File(folder) => Some(folder.display().to_string()),
            },
            replaces_bundled: plugin.replaces_bundled,
            installed: plugin.record.is_some(),
            waiting: plugin
                .record
                .as_ref()
                .and_then(|record| record.pending.as_ref())
                .map(|version| version.version.as_str()),
            digest: plugin.package.digest(),
            granted_by: match plugin.granted.source {
                Source::BuiltIn => "built-in",
                Source::Entry => "user",
                Source::Nobody | Source::OtherBytes(_) => "nobody",
            },
            lacks_grant: matches!(plugin.granted.source, Source::Nobody | Source::OtherBytes(_))
                && plugin.package.manifest().asks != Capabilities::default(),
        }
    }

    pub(super) fn origin(&self) -> String {
        match &self.path {
            None => "built in".to_owned(),
            Some(_) if self.installed && self.replaces_bundled => {
                "installed (replaces the one built in)".to_owned()
            }
            Some(_) if self.installed => "installed".to_owned(),
            Some(path) if self.replaces_bundled => format!("{} (replaces the one built in)", visible(path)),
            Some(path) => visible(path),
        }
    }
}

pub(crate) fn list(settings: &Settings, json: Json, printer: Printer) -> Outcome {
    let installation = Installation::read(settings)?;
    for (name, failure) in installation.problems.iter().chain(&installation.missing) {
        printer.warning(format_args!("plugin {}: {}", visible(name), visible(&failure.message)));
    }
    for failure in verbs::contests(&installation) {
        printer.warning(failure.message);
    }
    let plugins: Vec<Listed<'_>> = installation.plugins.values().map(Listed::new).collect();
    if json.json {
        printer.json(&plugins)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = plugins
        .iter()
        .map(|plugin| {
            let state = match (plugin.enabled, plugin.waiting) {
                (false, _) => "disabled",
                (true, Some(_)) => "upgrade waits",
                (true, None) if plugin.lacks_grant => "not granted",
                (true, None) => "ready",
            };
            vec![
                plugin.name.to_owned(),
                visible(plugin.version),
                plugin.roles.join(", "),
                state.to_owned(),
                plugin.origin(),
                visible(plugin.description),
            ]
        })
        .collect();
    printer.table(&["NAME", "VERSION", "ROLES", "STATE", "FROM", "DESCRIPTION"], &rows)?;
    Ok(0)
}
