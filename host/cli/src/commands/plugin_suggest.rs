//! `inferno plugin suggest NAME`: runs a plugin, notes what it uses, and proposes the smallest manifest for that.

use inferno_plugins::{Ask, Word, grant, within};
use inferno_sandbox::Capabilities;
use serde::Serialize;
use toml::{Table, Value};

use super::{external, plugin_call};
use crate::args::plugin::Suggest;
use crate::failure::{Failure, Outcome};
use crate::plugins::{Installation, Installed};
use crate::printer::{Printer, visible};
use crate::settings::Settings;
use crate::uses::{Use, Uses};

/// How a plugin uses its folders, the host does not see.
const UNSEEN: [&str; 3] = ["data", "files", "workdir"];

#[derive(Serialize)]
struct Suggestion {
    /// The smallest `[asks]` with which the run would have gone as it went.
    asks: serde_json::Value,
    /// What it asks for and did not use, as words.
    not_used: Vec<String>,
    /// What it was granted and did not use, as words for `inferno plugin revoke`.
    granted_not_used: Vec<String>,
    /// What it asks for of which the host cannot tell whether it is used.
    not_known: Vec<String>,
}

pub(crate) fn suggest(settings: &Settings, suggest: &Suggest, uses: &Uses, printer: Printer) -> Outcome {
    let installation = Installation::read(settings)?;
    let plugin = installation.find(&suggest.plugin)?;
    run(settings, &installation, plugin, suggest, printer)?;
    let uses = uses.of(&suggest.plugin);
    let suggestion = compare(plugin, &uses)?;
    if suggest.json.json {
        printer.json(&suggestion)?;
        return Ok(0);
    }
    let asks = smallest(plugin, &uses);
    if asks.is_empty() {
        printer.line("# this run used nothing that has to be asked for")?;
    } else {
        printer.text(&format!("[asks]\n{}", visible(&asks.to_toml_lines())))?;
    }
    for word in &suggestion.not_used {
        printer.note(format_args!("asked for and not used: {word}"));
    }
    for word in &suggestion.granted_not_used {
        printer.note(format_args!(
            "granted and not used: {word}  (`inferno plugin revoke {} {word}` takes it back)",
            suggest.plugin
        ));
    }
    for word in &suggestion.not_known {
        printer.note(format_args!("the host cannot tell whether it is used: {word}"));
    }
    Ok(0)
}

/// Once, with whatever it does on the way.
fn run(
    settings: &Settings,
    installation: &Installation,
    plugin: &Installed,
    suggest: &Suggest,
    printer: Printer,
) -> Result<(), Failure> {
    if suggest.input.is_none() && plugin.package.manifest().roles.command.is_some() {
        let status =
            external::run(settings, installation, plugin, external::here("", suggest.arguments.clone())?)?;
        if status != 0 {
            printer.warning(format_args!(
                "the run ended with status {status}; what it would have used later is not known"
            ));
        }
        return Ok(());
    }
    plugin_call::play(settings, installation, plugin, suggest.role.as_deref(), suggest.input.as_deref())
        .map(drop)
}

fn compare(plugin: &Installed, uses: &[Use]) -> Result<Suggestion, Failure> {
    let manifest = plugin.package.manifest();
    let granted = &plugin.granted.given;
    let mut suggestion = Suggestion {
        asks: serde_json::to_value(smallest(plugin, uses).0).unwrap_or_default(),
        not_used: Vec::new(),
        granted_not_used: Vec::new(),
        not_known: Vec::new(),
    };
    for ask in inferno_plugins::asks(manifest)? {
        if UNSEEN.contains(&ask.key.as_str()) {
            suggestion.not_known.push(ask.word);
            continue;
        }
        if ask.blank.is_some() {
            if !uses.iter().any(|one| one.key == ask.key) {
                suggestion.not_used.push(ask.word);
            }
            continue;
        }
        let bound = grant(&manifest.asks, &Capabilities::default(), &[Word::try_from(&ask)?])?;
        if is_used(&ask, &bound, uses)? {
            continue;
        }
        if within(&bound, granted)? {
            suggestion.granted_not_used.push(ask.word);
        } else {
            suggestion.not_used.push(ask.word);
        }
    }
    Ok(suggestion)
}

/// Whether one of the uses falls under what was asked for.
fn is_used(ask: &Ask, bound: &Capabilities, uses: &[Use]) -> Result<bool, Failure> {
    for one in uses.iter().filter(|one| one.key == ask.key) {
        let Ok(used) = Asks::of(std::slice::from_ref(one)).0.try_into::<Capabilities>() else { continue };
        if within(&used, bound)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn smallest(plugin: &Installed, uses: &[Use]) -> Asks {
    let mut asks = Asks::of(uses);
    let asked = &plugin.package.manifest().asks;
    let table: Table = asked.to_toml().parse().unwrap_or_default();
    for key in UNSEEN {
        if let Some(value) = table.get(key) {
            asks.0.insert(key.to_owned(), value.clone());
        }
    }
    asks
}

/// The table `[asks]`.
struct Asks(Table);

impl Asks {
    fn of(uses: &[Use]) -> Self {
        let mut table = Table::new();
        for Use { key, item, .. } in uses {
            match key.as_str() {
                "inference" => {
                    let models = table.entry(key.clone()).or_insert_with(|| {
                        Value::Table(Table::from_iter([("models".to_owned(), Value::Array(vec![]))]))
                    });
                    if let Some(models) = models.get_mut("models").and_then(Value::as_array_mut) {
                        models.push(item.clone().into());
                    }
                }
                _ if item.is_empty() => drop(table.insert(key.clone(), true.into())),
                _ => {
                    let items = table.entry(key.clone()).or_insert_with(|| Value::Array(vec![]));
                    if let Some(items) = items.as_array_mut() {
                        items.push(item.clone().into());
                    }
                }
            }
        }
        Self(table)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line for each, as in a manifest.
    fn to_toml_lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_become_the_smallest_asks() {
        let one = |key: &str, item: &str| Use {
            plugin: "a".to_owned(),
            key: key.to_owned(),
            item: item.to_owned(),
        };
        let asks = Asks::of(&[
            one("http", "https://a.example"),
            one("inference", "small-1"),
            one("inference", "small-2"),
            one("kv", ""),
        ]);
        assert_eq!(
            asks.to_toml_lines(),
            "http = [\"https://a.example\"]\ninference = { models = [\"small-1\", \"small-2\"] }\nkv = true\n"
        );
        let capabilities: Capabilities = asks.0.try_into().unwrap();
        assert!(capabilities.kv && !capabilities.models);
    }
}
