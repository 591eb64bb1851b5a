//! `inferno plugin info NAME`.

use inferno_sandbox::{Capabilities, Source};
use serde::Serialize;

use super::plugin_list::Listed;
use crate::args::Json;
use crate::failure::{Failure, Outcome};
use crate::plugins::{Installation, Installed};
use crate::printer::{Printer, visible};
use crate::settings::Settings;
use crate::suggest;

#[derive(Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    license: &'a str,
    mounts: &'a [String],
    asks: Shown<'a>,
    granted: Shown<'a>,
}

/// Capabilities as JSON; what is absent is denied.
#[derive(Serialize)]
struct Shown<'a> {
    inference: Option<ShownInference<'a>>,
    models: bool,
    kv: bool,
}

#[derive(Serialize)]
struct ShownInference<'a> {
    models: Vec<&'a str>,
    tokens_per_call: Option<u32>,
}

impl<'a> From<&'a Capabilities> for Shown<'a> {
    fn from(capabilities: &'a Capabilities) -> Self {
        let inference = capabilities.inference.as_ref().map(|inference| ShownInference {
            models: inference.models.iter().map(|glob| glob.as_str()).collect(),
            tokens_per_call: inference.tokens_per_call,
        });
        Self { inference, models: capabilities.models, kv: capabilities.kv }
    }
}

pub(crate) fn info(settings: &Settings, name: &str, json: Json, printer: Printer) -> Outcome {
    let mut installation = Installation::read(settings)?;
    if let Some(failure) = installation.problems.remove(name) {
        return Err(failure);
    }
    let plugin = installation.plugins.get(name).ok_or_else(|| {
        let near = suggest::near(name, installation.plugins.keys().map(String::as_str));
        Failure::new(format!("no plugin is called `{name}`")).hint(
            suggest::did_you_mean(&near)
                .unwrap_or_else(|| "`inferno plugin list` shows those that are".to_owned()),
        )
    })?;
    let (listed, manifest) = (Listed::new(plugin), plugin.package.manifest());
    let mounts = manifest.roles.http.as_ref().map(|http| http.mounts.as_slice()).unwrap_or_default();
    if json.json {
        let (asks, granted) = (Shown::from(&manifest.asks), Shown::from(&plugin.granted.given));
        printer.json(&Info { listed, license: &manifest.plugin.license, mounts, asks, granted })?;
        return Ok(0);
    }
    let or_nothing =
        |text: String| if text.is_empty() { "nothing".to_owned() } else { visible(text.trim_end()) };
    printer.facts(&[
        ("name", manifest.plugin.name.clone()),
        ("version", visible(&manifest.plugin.version)),
        ("description", visible(&manifest.plugin.description)),
        ("licence", visible(&manifest.plugin.license)),
        ("from", listed.origin()),
        ("digest", plugin.package.digest().to_owned()),
        ("enabled", if plugin.enabled { "yes" } else { "no" }.to_owned()),
        ("roles", manifest.roles.names().join(", ")),
        ("mounted at", or_nothing(mounts.join(", "))),
        ("asks for", or_nothing(manifest.asks.to_toml())),
        ("was granted", or_nothing(plugin.granted.given.to_toml())),
        ("granted by", granted_by(settings, plugin)),
    ])?;
    Ok(0)
}

/// In words, with what to do where nothing is granted yet.
fn granted_by(settings: &Settings, plugin: &Installed) -> String {
    let file = settings.data_dir.join("grants.toml");
    let missing = |why: String| {
        format!(
            "nobody: {why}; to grant all that it asks for, add to {}:\n\n[[grant]]\nplugin = \"{}\"\ndigest = \"{}\"\n{}",
            file.display(),
            plugin.name(),
            plugin.package.digest(),
            plugin.package.manifest().asks.to_toml(),
        )
    };
    match &plugin.granted.source {
        Source::BuiltIn => "Inferno, since the plugin is part of it".to_owned(),
        Source::Entry => format!("an entry in {}", file.display()),
        Source::Nobody => missing(format!("there is no entry in {}", file.display())),
        Source::OtherBytes(digest) => missing(format!("the entry is for other bytes ({digest})")),
    }
}
