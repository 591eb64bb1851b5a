//! `inferno plugin grant` and `inferno plugin revoke`.

use inferno_plugins::{Installed, Word};
use serde::Serialize;

use crate::args::plugin::Words;
use crate::consent;
use crate::failure::Outcome;
use crate::plugins::{self, Installation};
use crate::printer::{Printer, visible};
use crate::settings::Settings;

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Grant,
    Revoke,
}

#[derive(Serialize)]
struct Held<'a> {
    name: &'a str,
    digest: &'a str,
    granted: serde_json::Value,
    not_granted: Vec<&'a str>,
}

pub(crate) fn change(settings: &Settings, words: &Words, direction: Direction, printer: Printer) -> Outcome {
    let parsed: Vec<Word> = words.words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let installation = Installation::read(settings)?;
    let plugin = installation.find(&words.plugin)?;
    let package = &plugin.package;
    let installed = Installed::new(&settings.data_dir);
    let tenant = words.tenant.as_deref();
    let held = match direction {
        Direction::Grant => installed.grant(package, tenant, &parsed)?,
        Direction::Revoke => installed.revoke(package, tenant, &parsed)?,
    };
    if tenant.is_none() && !plugin.granted_to.is_empty() {
        let own: Vec<String> = plugin.granted_to.keys().map(|tenant| visible(tenant)).collect();
        printer.note(format_args!(
            "this changes nothing for tenants with grants of their own: {} (--tenant NAME does)",
            own.join(", ")
        ));
    }
    let asked = &package.manifest().asks;
    let asks = inferno_plugins::asks(package.manifest())?;
    let missing = consent::missing(&asks, asked, &held)?;
    if words.json.json {
        printer.json(&Held {
            name: &words.plugin,
            digest: package.digest(),
            granted: plugins::as_json(&held),
            not_granted: missing.iter().map(|ask| ask.word.as_str()).collect(),
        })?;
        return Ok(0);
    }
    let held = held.to_toml();
    printer.facts(&[
        ("granted", if held.is_empty() { "nothing".to_owned() } else { visible(held.trim_end()) }),
        (
            "not granted",
            match &missing[..] {
                [] => "nothing".to_owned(),
                missing => missing.iter().map(|ask| ask.word.clone()).collect::<Vec<_>>().join("\n"),
            },
        ),
    ])?;
    Ok(0)
}
