//! `inferno plugin install SOURCE` and `inferno plugin upgrade NAME`.

use inferno_plugins::{ErrorKind, Installed};

use crate::args::Json;
use crate::args::plugin::{Install, Upgrade};
use crate::failure::{Failure, Outcome};
use crate::installing::{self, Report, Warnings};
use crate::plugins;
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) fn install(settings: &Settings, install: &Install, printer: Printer) -> Outcome {
    let incoming = installing::open(&install.source, printer)?;
    let report = installing::install(settings, incoming, &install.consent, Warnings::Shown, printer)?;
    warn_where_hidden(settings, &report.name, printer);
    show(&report, install.json, printer)
}

pub(crate) fn upgrade(settings: &Settings, upgrade: &Upgrade, printer: Printer) -> Outcome {
    let installed = Installed::new(&settings.data_dir);
    let record = installed.get(&upgrade.plugin)?;
    if upgrade.discard {
        let Some(pending) = record.pending else {
            return Err(Failure::new(format!("no version of {} waits for consent", upgrade.plugin)));
        };
        installed.discard(&upgrade.plugin)?;
        printer.note(format_args!(
            "forgot {} {}",
            upgrade.plugin,
            inferno_plugins::visible(&pending.version)
        ));
        return Ok(0);
    }
    let source = match &upgrade.source {
        Some(source) => source.clone(),
        None if record.pending.is_some() => {
            let waiting = installed.pending(&upgrade.plugin)?;
            let report = installing::accept(settings, waiting, &upgrade.consent, printer)?;
            return show(&report, upgrade.json, printer);
        }
        None => record.active()?.source.clone(),
    };
    let incoming = installing::open(&source, printer).map_err(|failure| {
        if upgrade.source.is_some() {
            return failure;
        }
        failure.hint(format!(
            "it came from there; if it has moved: inferno plugin upgrade {} SOURCE",
            upgrade.plugin
        ))
    })?;
    let name = &incoming.package().manifest().plugin.name;
    if *name != upgrade.plugin {
        return Err(Failure::usage(format!("{source} is the plugin `{name}`, not `{}`", upgrade.plugin))
            .hint(format!("`inferno plugin install {source}` installs it")));
    }
    let report = installing::install(settings, incoming, &upgrade.consent, Warnings::Shown, printer)?;
    warn_where_hidden(settings, &report.name, printer);
    show(&report, upgrade.json, printer)
}

pub(crate) fn rollback(settings: &Settings, name: &str, version: Option<&str>, printer: Printer) -> Outcome {
    let installed = Installed::new(&settings.data_dir);
    let record = match version {
        None => installed.rollback(name)?,
        Some(version) => installed.activate(name, version)?,
    };
    let active = record.active()?;
    printer.line(format_args!("{name} {} serves now", inferno_plugins::visible(&active.version)))?;
    Ok(0)
}

pub(crate) fn remove(settings: &Settings, name: &str, printer: Printer) -> Outcome {
    Installed::new(&settings.data_dir).remove(name).map_err(|error| {
        let folder = settings.plugins_dir.join(name);
        let not_installed = error.kind() == ErrorKind::NotFound;
        let failure = Failure::from(error);
        if not_installed && folder.is_dir() {
            return failure.hint(format!("it is the folder {}; remove that", folder.display()));
        }
        if not_installed && crate::bundled::is_bundled(name) {
            return failure.hint(format!(
                "it is part of Inferno; `plugins.{name}.enabled = false` in a configuration file turns it off"
            ));
        }
        failure
    })?;
    printer.line(format_args!("removed {name}"))?;
    let kept = plugins::data_dir(settings).join(name);
    if kept.is_dir() {
        printer.note(format_args!("what it kept is still in {}", kept.display()));
    }
    Ok(0)
}

fn show(report: &Report, json: Json, printer: Printer) -> Outcome {
    if json.json {
        printer.json(report)?
    } else {
        report.show(printer)?
    }
    Ok(0)
}

/// A folder in the plugins directory comes first: it is there for development.
fn warn_where_hidden(settings: &Settings, name: &str, printer: Printer) {
    let folder = settings.plugins_dir.join(name);
    if folder.is_dir() {
        printer.warning(format_args!(
            "the folder {} is used in its place; remove it to use what was installed",
            folder.display()
        ));
    }
}
