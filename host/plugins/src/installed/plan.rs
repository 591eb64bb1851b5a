//! What an installation would change: shown to the user, who decides.

use std::cmp::Ordering;

use inferno_sandbox::{Capabilities, Package};
use serde::Serialize;

use super::{Installed, version_of};
use crate::asks::{Ask, asks};
use crate::differences::{Differences, Side};
use crate::error::{Error, ErrorKind};
use crate::inspect::{interfaces, misfits};
use crate::lock::{Record, Version};
use crate::source::Incoming;
use crate::text::{Warning, visible};
use crate::version::compare;

/// What the user has allowed although it is unusual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allow {
    /// A package that nobody signed.
    pub unsigned: bool,
    /// An upgrade that another key signed, or nobody, where the plugin is known by a key.
    pub signer_change: bool,
    /// A version older than the active one.
    pub downgrade: bool,
}

/// What kind of change it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// The plugin is new.
    Install,
    /// These very bytes serve already.
    Same,
    /// A newer version than this.
    Upgrade {
        /// The active version.
        from: Version,
    },
    /// An older version than this.
    Downgrade {
        /// The active version.
        from: Version,
    },
    /// Other bytes under the same version.
    Replace {
        /// The active version.
        from: Version,
    },
}

/// A plugin that could be installed, and what that would change. Nothing has happened yet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind of change it is.
    pub change: Change,
    /// The version to be installed.
    pub version: Version,
    /// All that it asks for.
    pub asks: Vec<Ask>,
    /// Against the active version, or against nothing.
    pub differences: Differences,
    /// What was granted to the active version.
    pub held: Capabilities,
    /// What the user should know before deciding.
    pub warnings: Vec<Warning>,
    pub(crate) package: Package,
    pub(crate) manifest_text: String,
    /// What was there when the plan was made. If it is not there any more, the plan is void.
    pub(crate) seen: Option<Record>,
}

/// What the user decided.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Install, and grant exactly this.
    Grant(Capabilities),
    /// Install with what the active version was granted. An error where more is asked for.
    AsBefore,
    /// Keep it until the user has decided; the active version serves on.
    Wait,
}

/// A version that waits for consent.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The plugin.
    pub name: String,
    /// The version that waits.
    pub version: Version,
    /// All that it asks for.
    pub asks: Vec<Ask>,
    /// Against the active version.
    pub differences: Differences,
    /// What was granted to the active version.
    pub held: Capabilities,
    /// Its manifest and component.
    pub package: Package,
}

impl Plan {
    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.package.manifest().plugin.name
    }

    /// Manifest and component, such as for the link check.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// Whether [`Decision::AsBefore`] is not enough.
    pub fn needs_consent(&self) -> bool {
        match self.change {
            Change::Install => !self.asks.is_empty(),
            Change::Same => false,
            _ => self.differences.asks_for_more(),
        }
    }
}

impl Installed {
    /// What installing this would change. Refuses what the user has to allow first.
    pub fn plan(&self, incoming: Incoming, allow: Allow) -> Result<Plan, Error> {
        let Incoming { package, manifest_text, signer, source, .. } = incoming;
        let name = package.manifest().plugin.name.clone();
        let version = version_of(&package, signer, &source);
        let seen = self.read_lock()?.get(&name).cloned();
        let mut warnings = trust(&name, seen.as_ref(), &version, allow)?;
        let (mut change, mut held) = (Change::Install, Capabilities::default());
        let nothing = Capabilities::default();
        let new = Side { asked: &package.manifest().asks, text: &manifest_text };
        let differences = match &seen {
            None => Differences::between(Side { asked: &nothing, text: "" }, new)?,
            Some(record) => {
                let active = record.active()?;
                change = kind_of_change(&name, active, &version, allow)?;
                held = self.held_by_all(&name, &active.digest)?;
                let (old, old_text) = self.open_with_text(&name, &active.digest)?;
                Differences::between(Side { asked: &old.manifest().asks, text: &old_text }, new)?
            }
        };
        match &change {
            Change::Downgrade { from } => warnings.push(Warning::new(
                "downgrade",
                format!("this is older than the active version {}", visible(&from.version)),
            )),
            Change::Replace { .. } => warnings.push(Warning::new(
                "same-version",
                "this has the version number of the active one, but other bytes",
            )),
            _ => {}
        }
        if source.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://")) {
            let text = "it came over a connection that anybody on the way could read and change";
            warnings.push(Warning::new("plain-http", text));
        }
        let (imports, _) = interfaces(package.wasm())?;
        warnings.extend(misfits(package.manifest(), &imports)?);
        let asks = asks(package.manifest())?;
        Ok(Plan { change, version, asks, differences, held, warnings, package, manifest_text, seen })
    }

    /// The versions that wait for consent.
    pub fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let records = self.list()?;
        records
            .into_iter()
            .filter(|record| record.pending.is_some())
            .map(|record| self.wait(record))
            .collect()
    }

    /// The version of this plugin that waits for consent.
    pub fn pending(&self, name: &str) -> Result<Waiting, Error> {
        self.wait(self.get(name)?)
    }

    fn wait(&self, record: Record) -> Result<Waiting, Error> {
        let name = record.name.clone();
        let active = record.active()?.clone();
        let Some(version) = record.pending else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no version of plugin \"{name}\" waits for consent"),
            ));
        };
        let (package, text) = self.open_with_text(&name, &version.digest)?;
        let (old, old_text) = self.open_with_text(&name, &active.digest)?;
        let new = Side { asked: &package.manifest().asks, text: &text };
        let differences = Differences::between(Side { asked: &old.manifest().asks, text: &old_text }, new)?;
        Ok(Waiting {
            asks: asks(package.manifest())?,
            held: self.held_by_all(&name, &active.digest)?,
            name,
            version,
            differences,
            package,
        })
    }
}

/// Whether the signer, or the lack of one, is what the plugin is known by.
fn trust(name: &str, seen: Option<&Record>, new: &Version, allow: Allow) -> Result<Vec<Warning>, Error> {
    let refused =
        |what: String, hint: &str| Err(Error::new(ErrorKind::Trust, what).with_hint(hint.to_owned()));
    match (seen.and_then(|record| record.signer), new.signer) {
        (Some(known), Some(key)) if known == key => Ok(Vec::new()),
        (Some(known), found) => {
            let found = match found {
                Some(key) => format!("signed with {key}"),
                None => "signed by nobody".to_owned(),
            };
            if !allow.signer_change {
                return refused(
                    format!("plugin \"{name}\" is known by the key {known}, but this package is {found}"),
                    "ask its author whether this is right; if it is, allow the change of signer explicitly",
                );
            }
            let text = format!("it was signed with {known} until now, and this package is {found}");
            Ok(vec![Warning::new("signer-changed", text)])
        }
        (None, Some(key)) => {
            let text = format!(
                "this is the first package of \"{name}\" that is signed; upgrades will have to be signed with {key}"
            );
            Ok(vec![Warning::new("first-signer", text)])
        }
        (None, None) if allow.unsigned => Ok(vec![Warning::new(
            "unsigned",
            "nobody signed it: whoever could change the file could change the plugin",
        )]),
        (None, None) => refused(
            format!("the package of plugin \"{name}\" is not signed, so nobody vouches for it"),
            "get a signed one (`inferno plugin sign` makes one), or allow unsigned packages explicitly",
        ),
    }
}

fn kind_of_change(name: &str, active: &Version, new: &Version, allow: Allow) -> Result<Change, Error> {
    if active.digest == new.digest {
        return Ok(Change::Same);
    }
    let from = active.clone();
    match compare(&new.version, &active.version) {
        Ordering::Greater => Ok(Change::Upgrade { from }),
        Ordering::Equal => Ok(Change::Replace { from }),
        Ordering::Less if allow.downgrade => Ok(Change::Downgrade { from }),
        Ordering::Less => Err(Error::new(
            ErrorKind::Trust,
            format!(
                "plugin \"{name}\" has version {} already, and this is {}: older versions may have known holes",
                visible(&active.version),
                visible(&new.version)
            ),
        )
        .with_hint(format!(
            "`inferno plugin rollback {name}` goes back to the version before; or allow the downgrade explicitly"
        ))),
    }
}
