//! `inferno plugin info NAME`.

use std::collections::BTreeMap;

use inferno_plugins::{Record, Version};
use inferno_sandbox::Source;
use serde::Serialize;

use super::plugin_list::Listed;
use crate::args::Json;
use crate::failure::Outcome;
use crate::plugins::{Installation, Installed, as_json};
use crate::printer::{Printer, visible};
use crate::settings::Settings;

#[derive(Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    license: &'a str,
    mounts: &'a [String],
    /// Single paths that it answers as well.
    exact: &'a [String],
    /// The verbs by which it is called as a command.
    verbs: Vec<&'a str>,
    asks: serde_json::Value,
    granted: serde_json::Value,
    /// By tenant, where one has an entry of its own, which takes the place of `granted`.
    granted_to: BTreeMap<&'a str, serde_json::Value>,
    /// How it was installed.
    installation: Option<&'a Record>,
}

pub(crate) fn info(settings: &Settings, name: &str, json: Json, printer: Printer) -> Outcome {
    let installation = Installation::read(settings)?;
    let plugin = installation.find(name)?;
    let (listed, manifest) = (Listed::new(plugin), plugin.package.manifest());
    let http = manifest.roles.http.as_ref();
    let mounts = http.map(|http| http.mounts.as_slice()).unwrap_or_default();
    let exact = http.and_then(|http| http.exact.as_deref()).unwrap_or_default();
    if json.json {
        let (asks, granted) = (as_json(&manifest.asks), as_json(&plugin.granted.given));
        let own = plugin.granted_to.iter();
        let granted_to = own.map(|(tenant, own)| (tenant.as_str(), as_json(&own.given))).collect();
        let (license, installation) = (manifest.plugin.license.as_str(), plugin.record.as_ref());
        let verbs = manifest.verbs();
        printer.json(&Info {
            listed,
            license,
            mounts,
            exact,
            verbs,
            asks,
            granted,
            granted_to,
            installation,
        })?;
        return Ok(0);
    }
    let or_nothing =
        |text: String| if text.is_empty() { "nothing".to_owned() } else { visible(text.trim_end()) };
    let mut facts = vec![
        ("name", manifest.plugin.name.clone()),
        ("version", visible(&manifest.plugin.version)),
        ("description", visible(&manifest.plugin.description)),
        ("licence", visible(&manifest.plugin.license)),
        ("from", listed.origin()),
        ("digest", plugin.package.digest().to_owned()),
        ("enabled", if plugin.enabled { "yes" } else { "no" }.to_owned()),
        ("roles", manifest.roles.names().join(", ")),
        ("mounted at", or_nothing([mounts, exact].concat().join(", "))),
        ("called as", or_nothing(manifest.verbs().into_iter().map(called).collect::<Vec<_>>().join(", "))),
        ("asks for", or_nothing(manifest.asks.to_toml())),
        ("was granted", or_nothing(plugin.granted.given.to_toml())),
        ("granted by", granted_by(settings, plugin)),
    ];
    if !plugin.granted_to.is_empty() {
        let own = plugin.granted_to.iter().map(|(tenant, own)| {
            let given = or_nothing(own.given.to_toml()).replace('\n', "\n  ");
            format!("to {}, in place of that:\n  {given}", visible(tenant))
        });
        facts.push(("for tenants", own.collect::<Vec<_>>().join("\n")));
    }
    if let Some(record) = &plugin.record {
        let active = record.active()?;
        facts.push(("came from", visible(&active.source)));
        facts.push(("signed by", active.signer.map_or_else(|| "nobody".to_owned(), |key| key.to_string())));
        let kept: Vec<String> = record.versions.iter().rev().map(|version| shown(version, record)).collect();
        facts.push(("versions", kept.join("\n")));
        if let Some(pending) = &record.pending {
            facts.push((
                "waiting",
                format!(
                    "{}: `inferno plugin upgrade {name}` asks for your consent",
                    visible(&pending.version)
                ),
            ));
        }
    }
    printer.facts(&facts)?;
    Ok(0)
}

fn called(verb: &str) -> String {
    format!("inferno {verb}")
}

fn shown(version: &Version, record: &Record) -> String {
    let serves = if version.digest == record.active { ", serves" } else { "" };
    let digits = version.digest.get(.."sha256:".len() + 12).unwrap_or(&version.digest);
    format!("{} ({digits}, installed {}{serves})", visible(&version.version), visible(&version.installed))
}

/// In words, with what to do where nothing is granted yet.
fn granted_by(settings: &Settings, plugin: &Installed) -> String {
    let file = settings.data_dir.join("grants.toml");
    let missing = |why: String| {
        format!(
            "nobody: {why}; `inferno plugin grant {} WORD` grants something of what it asks for",
            plugin.name(),
        )
    };
    match &plugin.granted.source {
        Source::BuiltIn => "Inferno, since the plugin is part of it".to_owned(),
        Source::Entry => format!("an entry in {}", file.display()),
        Source::Nobody => missing(format!("there is no entry in {}", file.display())),
        Source::OtherBytes(digest) => missing(format!("the entry is for other bytes ({digest})")),
    }
}
