//! What `plugin install`, `plugin upgrade` and `plugin watch` share: from a package to an installed plugin.

use inferno_plugins::{
    Allow, Change, Decision, ErrorKind, Incoming, Installed, Outcome, Plan, Waiting, Warning,
};
use inferno_sandbox::Capabilities;
use serde::Serialize;

use crate::args::plugin::Consent;
use crate::consent;
use crate::failure::Failure;
use crate::plugins::{self, Installation};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::{builder, download, verbs};

/// Whether the user is told what is unusual about a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warnings {
    Shown,
    Hidden,
}

/// What came of it, for programs.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    /// It serves now; otherwise it waits for consent.
    pub(crate) active: bool,
    #[serde(flatten)]
    pub(crate) change: Option<Change>,
    pub(crate) granted: serde_json::Value,
    /// What it asks for and was not granted, as words for `inferno plugin grant`.
    pub(crate) not_granted: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
    /// The differences to the version that serves, where this one waits.
    #[serde(skip)]
    pub(crate) differences: String,
}

/// Reads a package from wherever it is.
pub(crate) fn open(source: &str, printer: Printer) -> Result<Incoming, Failure> {
    Ok(Incoming::open(source, |url| download::get(url, printer).map_err(|failure| failure.message))?)
}

/// Verifies it, checks that it can run here, gets consent, and installs it.
pub(crate) fn install(
    settings: &Settings,
    incoming: Incoming,
    consent: &Consent,
    warnings: Warnings,
    printer: Printer,
) -> Result<Report, Failure> {
    consent.granting.check()?;
    let installed = Installed::new(&settings.data_dir);
    let plan = plan(&installed, &incoming, consent)?;
    verbs::check(&Installation::read(settings)?, plan.package().manifest())?;
    let _ = builder::checked(incoming, settings)?;
    for warning in plan.warnings.iter().filter(|_| warnings == Warnings::Shown) {
        printer.warning(&warning.text);
    }
    let decision = decide(&plan, consent, printer)?;
    let (asked, asks) = (plan.package().manifest().asks.clone(), plan.asks.clone());
    let mut report = Report {
        name: plan.name().to_owned(),
        version: inferno_plugins::visible(&plan.version.version),
        digest: plan.version.digest.clone(),
        active: true,
        change: Some(plan.change.clone()),
        granted: plugins::as_json(&plan.held),
        not_granted: Vec::new(),
        warnings: plan.warnings.clone(),
        differences: plan.differences.to_string(),
    };
    let granted = match decision {
        None => plan.held,
        Some(decision) => {
            let Outcome { active, granted, .. } = installed.commit(plan, decision)?;
            report.active = active;
            granted
        }
    };
    report.granted = plugins::as_json(&granted);
    report.not_granted = words(consent::missing(&asks, &asked, &granted)?);
    Ok(report)
}

/// Decides about the version that waits.
pub(crate) fn accept(
    settings: &Settings,
    waiting: Waiting,
    consent: &Consent,
    printer: Printer,
) -> Result<Report, Failure> {
    consent.granting.check()?;
    let installed = Installed::new(&settings.data_dir);
    let Waiting { name, version, asks, differences, held, package } = waiting;
    verbs::check(&Installation::read(settings)?, package.manifest())?;
    let asked = package.manifest().asks.clone();
    let added = &differences.asks_added;
    let granted = if consent.granting.says() {
        Some(consent.granting.granted(&asked, &held, &asks)?)
    } else if printer.can_ask() {
        show(&name, &version.version, &differences.to_string(), printer);
        match printer.agrees("Let it serve?")? {
            true => Some(consent::ask(&asked, &held, added, printer)?),
            false => None,
        }
    } else {
        None
    };
    let (active, granted) = match granted {
        Some(granted) => {
            let outcome = installed.accept(&name, &version.digest, granted)?;
            (outcome.active, outcome.granted)
        }
        None => (false, held),
    };
    Ok(Report {
        name,
        version: inferno_plugins::visible(&version.version),
        digest: version.digest,
        active,
        change: None,
        not_granted: words(consent::missing(&asks, &asked, &granted)?),
        granted: plugins::as_json(&granted),
        warnings: Vec::new(),
        differences: differences.to_string(),
    })
}

impl Report {
    /// For people.
    pub(crate) fn show(&self, printer: Printer) -> Result<(), Failure> {
        let Self { name, version, .. } = self;
        if !self.active {
            printer.line(format_args!(
                "{name} {version} waits for your consent; the version before serves on"
            ))?;
            printer.note(self.differences.trim_end());
            printer.note(format_args!(
                "`inferno plugin upgrade {name}` asks about it; with --grant {}, or with --yes and nothing more \
                 granted, it serves at once; with --discard it is forgotten",
                self.not_granted.first().map_or("WORD", String::as_str)
            ));
            return Ok(());
        }
        printer.line(match &self.change {
            Some(Change::Same) => format!("{name} {version} was installed already"),
            Some(Change::Install) => format!("installed {name} {version}"),
            _ => format!("{name} {version} serves now"),
        })?;
        for word in &self.not_granted {
            printer
                .note(format_args!("not granted: {word}  (`inferno plugin grant {name} {word}` grants it)"));
        }
        Ok(())
    }
}

fn plan(installed: &Installed, incoming: &Incoming, consent: &Consent) -> Result<Plan, Failure> {
    let allow = Allow {
        unsigned: consent.allow_unsigned,
        signer_change: consent.allow_signer_change,
        downgrade: consent.allow_downgrade,
    };
    installed.plan(incoming.clone(), allow).map_err(|error| {
        let option = option_for(installed, incoming, allow, &error);
        let failure = Failure::from(error);
        match (option, &failure.hint) {
            (Some(option), Some(hint)) => {
                let hint = format!("{hint}, with {option}");
                failure.hint(hint)
            }
            _ => failure,
        }
    })
}

/// The option that would allow what was refused.
fn option_for(
    installed: &Installed,
    incoming: &Incoming,
    allow: Allow,
    error: &inferno_plugins::Error,
) -> Option<&'static str> {
    if error.kind() != ErrorKind::Trust {
        return None;
    }
    let options = [
        ("--allow-unsigned", Allow { unsigned: true, ..allow }),
        ("--allow-signer-change", Allow { signer_change: true, ..allow }),
        ("--allow-downgrade", Allow { downgrade: true, ..allow }),
    ];
    let refused = |allow| installed.plan(incoming.clone(), allow).err().map(|error| error.to_string());
    let before = error.to_string();
    options.into_iter().find(|(_, allow)| refused(*allow).as_ref() != Some(&before)).map(|(option, _)| option)
}

/// None: there is nothing to do.
fn decide(plan: &Plan, consent: &Consent, printer: Printer) -> Result<Option<Decision>, Failure> {
    let asked = &plan.package().manifest().asks;
    let new = plan.change == Change::Install;
    if plan.change == Change::Same {
        return Ok(None);
    }
    if !new && !plan.needs_consent() && !consent.granting.says() {
        return Ok(Some(Decision::AsBefore));
    }
    if consent.granting.says() {
        return Ok(Some(Decision::Grant(consent.granting.granted(asked, &plan.held, &plan.asks)?)));
    }
    let nothing = Capabilities::default();
    if printer.can_ask() {
        if new {
            if !plan.asks.is_empty() {
                let about = &plan.package().manifest().plugin;
                printer.note(format_args!(
                    "{} {}: {}",
                    about.name,
                    inferno_plugins::visible(&about.version),
                    inferno_plugins::visible(&about.description)
                ));
            }
            return Ok(Some(Decision::Grant(consent::ask(asked, &nothing, &plan.asks, printer)?)));
        }
        show(plan.name(), &plan.version.version, &plan.differences.to_string(), printer);
        if printer.agrees("Let it serve?")? {
            let added = &plan.differences.asks_added;
            return Ok(Some(Decision::Grant(consent::ask(asked, &plan.held, added, printer)?)));
        }
    }
    Ok(Some(if new { Decision::Grant(nothing) } else { Decision::Wait }))
}

fn show(name: &str, version: &str, differences: &str, printer: Printer) {
    printer.note(format_args!(
        "{name} {} asks for something else than the version that serves:\n{}",
        inferno_plugins::visible(version),
        differences.trim_end()
    ));
}

fn words(asks: Vec<&inferno_plugins::Ask>) -> Vec<String> {
    asks.into_iter().map(|ask| ask.word.clone()).collect()
}
