//! The changes themselves. Each has one moment at which it takes effect: when `inferno.lock` is replaced.

use std::path::Path;

use inferno_sandbox::{Capabilities, Package};

use super::{Installed, KEPT, not_installed, short, version_of};
use crate::consent::carried;
use crate::error::{Error, ErrorKind};
use crate::grants::{Holder, edit_grants, held_in, tenants_in};
use crate::lock::{Lock, Record, Version};
use crate::text::visible;
use crate::version::compare;
use crate::{Change, Decision, Plan};

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is installed now.
    pub record: Record,
    /// The new version serves now; otherwise it waits for consent.
    pub active: bool,
    /// What it was granted.
    pub granted: Capabilities,
}

impl Installed {
    /// Carries a plan out, as the user decided. An error if somebody changed the same plugin since the plan was made.
    pub fn commit(&self, plan: Plan, decision: Decision) -> Result<Outcome, Error> {
        let _guard = self.guard()?;
        let mut lock = self.read_lock()?;
        let name = plan.name().to_owned();
        if lock.get(&name) != plan.seen.as_ref() {
            return Err(changed(&name));
        }
        let granted = match decision {
            Decision::Grant(granted) => granted,
            Decision::AsBefore if plan.needs_consent() => return Err(no_consent(&plan)),
            // As it is now: something may have been revoked since the plan was made.
            Decision::AsBefore => {
                let held =
                    lock.get(&name).map(|record| self.held_by_all(&name, &record.active)).transpose()?;
                carried(&plan.package.manifest().asks, &held.unwrap_or_default())?
            }
            Decision::Wait => return self.keep_waiting(lock, plan),
        };
        // The time of the decision, not of the plan.
        let version = version_of(&plan.package, plan.version.signer, &plan.version.source);
        self.place(&lock, &plan.package, &plan.manifest_text)?;
        let record = plan.seen.unwrap_or_else(|| Record {
            name,
            active: String::new(),
            signer: None,
            pending: None,
            versions: Vec::new(),
        });
        self.switch(&mut lock, record, version, &plan.package.manifest().asks, granted)
    }

    fn keep_waiting(&self, mut lock: Lock, plan: Plan) -> Result<Outcome, Error> {
        let (Some(mut record), false) = (plan.seen.clone(), plan.change == Change::Same) else {
            return Err(Error::new(
                ErrorKind::Consent,
                format!(
                    "plugin \"{}\" has no other version that could serve while this one waits",
                    plan.name()
                ),
            ));
        };
        self.place(&lock, &plan.package, &plan.manifest_text)?;
        record.pending = Some(plan.version);
        lock.put(record.clone());
        self.write_lock(&lock)?;
        self.sweep(&lock);
        Ok(Outcome { record, active: false, granted: plan.held })
    }

    /// Lets the version that waits serve, and grants it exactly this. `digest` is that of the version which the user
    /// was shown.
    pub fn accept(&self, name: &str, digest: &str, granted: Capabilities) -> Result<Outcome, Error> {
        let _guard = self.guard()?;
        let mut lock = self.read_lock()?;
        let mut record = lock.get(name).cloned().ok_or_else(|| not_installed(&lock, name))?;
        let Some(mut version) = record.pending.take().filter(|version| version.digest == digest) else {
            return Err(changed(name));
        };
        let package = self.open(name, &version.digest)?;
        version.installed = crate::text::now();
        self.switch(&mut lock, record, version, &package.manifest().asks, granted)
    }

    /// Forgets the version that waits.
    pub fn discard(&self, name: &str) -> Result<Record, Error> {
        let _guard = self.guard()?;
        let mut lock = self.read_lock()?;
        let mut record = lock.get(name).cloned().ok_or_else(|| not_installed(&lock, name))?;
        record.pending = None;
        lock.put(record.clone());
        self.write_lock(&lock)?;
        self.sweep(&lock);
        Ok(record)
    }

    /// Lets the version serve that served before the active one, with what it was granted then, less what was revoked
    /// since.
    pub fn rollback(&self, name: &str) -> Result<Record, Error> {
        self.choose(name, |record| {
            let before = record.versions.iter().take_while(|version| version.digest != record.active).last();
            before.ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("plugin \"{}\" has no version before the active one", record.name),
                )
            })
        })
    }

    /// Lets one of the kept versions serve, named by its version or by how its digest begins.
    pub fn activate(&self, name: &str, which: &str) -> Result<Record, Error> {
        self.choose(name, |record| {
            let digits = which.strip_prefix("sha256:").unwrap_or(which);
            let named = |version: &&Version| {
                version.version == which
                    || digits.len() >= 4 && version.digest["sha256:".len()..].starts_with(digits)
            };
            let found: Vec<&Version> = record.versions.iter().filter(named).collect();
            let shown = |versions: &[&Version]| {
                let shown =
                    versions.iter().map(|v| format!("{} ({})", visible(&v.version), short(&v.digest)));
                shown.collect::<Vec<_>>().join(", ")
            };
            match found[..] {
                [version] => Ok(version),
                [] => Err(Error::new(
                    ErrorKind::NotFound,
                    format!("plugin \"{}\" has no version \"{}\"", record.name, visible(which)),
                )
                .with_hint(format!("it has {}", shown(&record.versions.iter().collect::<Vec<_>>())))),
                _ => Err(Error::new(
                    ErrorKind::NotFound,
                    format!("plugin \"{}\" has several versions \"{}\"", record.name, visible(which)),
                )
                .with_hint(format!("name one by its digest: {}", shown(&found)))),
            }
        })
    }

    /// Removes a plugin, all its versions and all its grants.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let _guard = self.guard()?;
        let mut lock = self.read_lock()?;
        let record = lock.get(name).cloned().ok_or_else(|| not_installed(&lock, name))?;
        lock.plugins.retain(|other| other.name != name);
        self.write_lock(&lock)?;
        self.forget(name, record.digests())?;
        self.sweep(&lock);
        Ok(())
    }

    fn choose(
        &self,
        name: &str,
        choice: impl FnOnce(&Record) -> Result<&Version, Error>,
    ) -> Result<Record, Error> {
        let _guard = self.guard()?;
        let mut lock = self.read_lock()?;
        let mut record = lock.get(name).cloned().ok_or_else(|| not_installed(&lock, name))?;
        let digest = choice(&record)?.digest.clone();
        self.open(name, &digest)?;
        record.active = digest;
        lock.put(record.clone());
        self.write_lock(&lock)?;
        Ok(record)
    }

    /// Grants, then names the new version in the lock file, then clears away what is kept no longer.
    fn switch(
        &self,
        lock: &mut Lock,
        mut record: Record,
        version: Version,
        asked: &Capabilities,
        granted: Capabilities,
    ) -> Result<Outcome, Error> {
        let name = record.name.clone();
        self.write_grants(|file, text| hand_over(file, text, &record, &version.digest, asked, &granted))?;
        // The one that served goes right before the one that serves now: there a rollback finds it.
        let before = record.active.clone();
        record.versions.sort_by_key(|version| version.digest == before);
        record.versions.retain(|other| other.digest != version.digest);
        record.signer = version.signer.or(record.signer);
        record.active.clone_from(&version.digest);
        let newer = |pending: &Version| compare(&pending.version, &version.version).is_gt();
        let (pending, passed) = match record.pending.take() {
            Some(pending) if newer(&pending) => (Some(pending), None),
            passed => (None, passed),
        };
        record.pending = pending;
        record.versions.push(version);
        let surplus = record.versions.len().saturating_sub(KEPT + 1);
        let dropped: Vec<Version> = record.versions.drain(..surplus).chain(passed).collect();
        lock.put(record.clone());
        self.write_lock(lock)?;
        let gone = dropped.iter().map(|version| version.digest.as_str());
        self.forget(&name, gone.filter(|digest| !record.digests().any(|kept| kept == *digest)))?;
        self.sweep(lock);
        Ok(Outcome { record, active: true, granted })
    }

    /// Removes the grants for bytes that are kept no longer, so that they do not come back with them.
    fn forget<'a>(&self, name: &str, digests: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        self.write_grants(|file, text| {
            let mut text = text.to_owned();
            for digest in digests {
                text = without(file, &text, name, digest)?;
            }
            Ok(text)
        })
    }

    /// Puts the folder of a version where it belongs, whole.
    fn place(&self, lock: &Lock, package: &Package, text: &str) -> Result<(), Error> {
        let name = &package.manifest().plugin.name;
        let digest = package.digest();
        if self.open(name, digest).is_ok() {
            return Ok(());
        }
        let folder = self.folder(name, digest);
        let same_place = |known: &str| known != digest && short(known) == short(digest);
        if lock.get(name).is_some_and(|record| record.digests().any(same_place)) {
            return Err(Error::new(
                ErrorKind::State,
                format!("{} is taken by another version whose digest begins alike", folder.display()),
            )
            .with_hint("remove that version first"));
        }
        let staging = self.root().join(".new");
        let failed = |path: &Path, error: &std::io::Error| Error::io("write", path, error);
        let put = || {
            self.disk.remove_folder(&staging)?;
            self.disk.folder(&staging)?;
            self.disk.write(&staging.join("plugin.toml"), text.as_bytes())?;
            self.disk.write(&staging.join("plugin.wasm"), package.wasm())?;
            self.disk.folder(&self.root().join(name))?;
            // What stands there is damaged, or it would have been opened.
            self.disk.remove_folder(&folder)?;
            self.disk.rename(&staging, &folder)
        };
        put().map_err(|error| failed(&folder, &error))
    }

    /// Removes every folder that the lock file does not name. What cannot be removed now is tried again next time.
    fn sweep(&self, lock: &Lock) {
        let entries = |path: &Path| {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).collect::<Vec<_>>()
        };
        let remove = |path: &Path| {
            if let Err(error) = self.disk.remove_folder(path) {
                tracing::warn!(folder = %path.display(), %error, "cannot remove what is no longer installed");
            }
        };
        for entry in entries(&self.root()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(record) = lock.get(&name) else {
                remove(&entry.path());
                continue;
            };
            for version in entries(&entry.path()) {
                let folder = version.file_name().to_string_lossy().into_owned();
                if !record.digests().any(|digest| short(digest) == folder) {
                    remove(&version.path());
                }
            }
        }
    }
}

/// The text in which the new version of a plugin is granted this. A tenant for whom the version before had a grant of
/// its own, which may be a narrower one, keeps it: what was decided for all is not decided for that tenant.
fn hand_over(
    file: &str,
    text: &str,
    record: &Record,
    digest: &str,
    asked: &Capabilities,
    granted: &Capabilities,
) -> Result<String, Error> {
    let plugin = record.name.as_str();
    let mut edited = text.to_owned();
    if record.active != digest {
        edited = without(file, &edited, plugin, digest)?;
        for tenant in tenants_in(file, text, plugin, &record.active)? {
            let old = Holder { plugin, digest: &record.active, tenant: Some(&tenant) };
            let held = held_in(file, text, old)?.unwrap_or_default();
            let kept = carried(asked, &held)?;
            edited = edit_grants(file, &edited, Holder { digest, ..old }, Some(&kept))?;
        }
    }
    edit_grants(file, &edited, Holder { plugin, digest, tenant: None }, Some(granted))
}

/// The text without any grant for these bytes of a plugin.
fn without(file: &str, text: &str, plugin: &str, digest: &str) -> Result<String, Error> {
    let mut edited = edit_grants(file, text, Holder { plugin, digest, tenant: None }, None)?;
    for tenant in tenants_in(file, text, plugin, digest)? {
        edited = edit_grants(file, &edited, Holder { plugin, digest, tenant: Some(&tenant) }, None)?;
    }
    Ok(edited)
}

fn changed(name: &str) -> Error {
    Error::new(
        ErrorKind::Changed,
        format!("plugin \"{}\" was changed by somebody else in the meantime", visible(name)),
    )
    .with_hint("nothing was done; look at it again and repeat the command")
}

fn no_consent(plan: &Plan) -> Error {
    let asked = &plan.differences.asks_added;
    let words: Vec<String> = asked.iter().map(|ask| format!("--grant {}", ask.word)).collect();
    let what = plan.differences.to_string();
    Error::new(
        ErrorKind::Consent,
        format!("plugin \"{}\" asks for what nobody has granted yet:\n{}", plan.name(), what.trim_end()),
    )
    .with_hint(if words.is_empty() {
        "decide whether it may; it was not installed".to_owned()
    } else {
        format!("grant what you agree to, such as {}; it was not installed", words.join(" "))
    })
}
