//! What is installed: one folder for each version of each plugin, `inferno.lock`, which says which of them serves, and
//! `grants.toml`, which says what each may do.
//!
//! ```text
//! DATA/inferno.lock
//! DATA/grants.toml
//! DATA/installed/NAME/DIGEST12/plugin.toml, plugin.wasm     never changed once they are there
//! ```
//!
//! A change holds a lock that all processes respect, and takes effect in one rename of `inferno.lock`: first the folder
//! of the new version is put in place, then its grant is written, then the lock file names it, then what nothing names
//! any more is removed. A crash in between leaves the old state or the new one, and at most a folder or a grant for
//! bytes that nothing runs; the next change clears such folders away.

mod change;
#[cfg(test)]
pub(crate) mod fixture;
mod plan;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use inferno_sandbox::{Capabilities, Origin, Package};

use crate::consent::{Word, cut, grant, revoke};
use crate::disk::{Disk, read_bytes, read_text};
use crate::error::{Error, ErrorKind};
use crate::grants::{Holder, edit_grants, held_in};
use crate::lock::{Lock, Record, Version};
use crate::packed::{MAX_COMPONENT, MAX_MANIFEST};
use crate::text::{nearest, visible};

pub use change::Outcome;
pub use plan::{Allow, Change, Decision, Plan, Waiting};

/// How many versions are kept beside the active one.
const KEPT: usize = 3;
/// How much of a digest names a folder.
const DIGITS: usize = 12;
/// Neither file is ever longer.
const MAX_STATE: u64 = 16 << 20;

/// The installed plugins of one data directory. Calls block on the disk and on other processes that change it.
#[derive(Debug)]
pub struct Installed {
    data: PathBuf,
    disk: Disk,
}

/// Held while something changes. The system lets go of it when the process ends, however it ends.
struct Guard {
    _file: File,
}

impl Installed {
    /// What is installed in this data directory, which need not be there yet.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data: data_dir.into(), disk: Disk::default() }
    }

    /// Every plugin, by name.
    pub fn list(&self) -> Result<Vec<Record>, Error> {
        Ok(self.read_lock()?.plugins)
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Result<Record, Error> {
        let lock = self.read_lock()?;
        lock.get(name).cloned().ok_or_else(|| not_installed(&lock, name))
    }

    /// The version of a plugin that serves, read and checked against the digest in `inferno.lock`.
    pub fn package(&self, name: &str) -> Result<Package, Error> {
        let record = self.get(name)?;
        match self.open(name, &record.active) {
            Ok(package) => Ok(package),
            // Whoever upgraded in the meantime may have removed this version, but not the one that serves now.
            Err(error) => match self.get(name)?.active {
                active if active != record.active => self.open(name, &active),
                _ => Err(error),
            },
        }
    }

    /// One version of a plugin, by its digest.
    pub fn package_of(&self, name: &str, digest: &str) -> Result<Package, Error> {
        let record = self.get(name)?;
        if !record.digests().any(|known| known == digest) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("plugin \"{}\" has no version with the digest {}", visible(name), visible(digest)),
            ));
        }
        self.open(name, digest)
    }

    /// What a plugin was granted; `None` where no entry of `grants.toml` is for this holder.
    pub fn held(&self, holder: Holder<'_>) -> Result<Option<Capabilities>, Error> {
        held_in(&self.grants_name(), &self.read_grants()?, holder)
    }

    /// Grants more to a plugin, for one tenant or for every tenant without an entry of its own, and returns what it was
    /// granted then. A plugin that is part of the program has what it asks for until something is revoked; a tenant has
    /// what every tenant has until it gets an entry of its own.
    pub fn grant(
        &self,
        package: &Package,
        tenant: Option<&str>,
        words: &[Word],
    ) -> Result<Capabilities, Error> {
        let _guard = self.guard()?;
        let (holder, held) = self.holds(package, tenant)?;
        let given = grant(&package.manifest().asks, &held, words)?;
        self.write_grants(|file, text| edit_grants(file, text, holder, Some(&given)))?;
        Ok(given)
    }

    /// Takes something back from a plugin, and returns what is left. The other versions that are kept lose it too, so
    /// that it does not come back with a rollback.
    pub fn revoke(
        &self,
        package: &Package,
        tenant: Option<&str>,
        words: &[Word],
    ) -> Result<Capabilities, Error> {
        let _guard = self.guard()?;
        let lock = self.read_lock()?;
        let (holder, held) = self.holds(package, tenant)?;
        let left = revoke(&held, words)?;
        self.write_grants(|file, text| {
            let mut edited = edit_grants(file, text, holder, Some(&left))?;
            let digests = lock.get(holder.plugin).into_iter().flat_map(Record::digests);
            for digest in digests.filter(|digest| *digest != holder.digest) {
                let other = Holder { digest, ..holder };
                let own = held_in(file, text, other)?;
                let Some(held) =
                    own.map_or_else(|| held_in(file, text, other.for_all()), |own| Ok(Some(own)))?
                else {
                    continue;
                };
                let left = cut(&held, words)?;
                if left != held {
                    edited = edit_grants(file, &edited, other, Some(&left))?;
                }
            }
            Ok(edited)
        })?;
        Ok(left)
    }

    /// Whom a grant for this tenant is for, and what it begins with.
    fn holds<'a>(
        &self,
        package: &'a Package,
        tenant: Option<&'a str>,
    ) -> Result<(Holder<'a>, Capabilities), Error> {
        let manifest = package.manifest();
        let holder = Holder { plugin: &manifest.plugin.name, digest: package.digest(), tenant };
        let held = match (self.held(holder)?, self.held(holder.for_all())?) {
            (Some(held), _) | (None, Some(held)) => held,
            (None, None) if *package.origin() == Origin::Bundled => manifest.asks.as_given(),
            (None, None) => Capabilities::default(),
        };
        Ok((holder, held))
    }

    fn held_by_all(&self, plugin: &str, digest: &str) -> Result<Capabilities, Error> {
        Ok(self.held(Holder { plugin, digest, tenant: None })?.unwrap_or_default())
    }

    fn lock_path(&self) -> PathBuf {
        self.data.join("inferno.lock")
    }

    fn grants_path(&self) -> PathBuf {
        self.data.join("grants.toml")
    }

    fn grants_name(&self) -> String {
        self.grants_path().display().to_string()
    }

    fn root(&self) -> PathBuf {
        self.data.join("installed")
    }

    /// Where a version lies.
    fn folder(&self, name: &str, digest: &str) -> PathBuf {
        self.root().join(name).join(short(digest))
    }

    fn guard(&self) -> Result<Guard, Error> {
        let root = self.root();
        std::fs::create_dir_all(&root).map_err(|error| Error::io("make the folder", &root, &error))?;
        let path = root.join(".guard");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| Error::io("lock", &path, &error))?;
        Ok(Guard { _file: file })
    }

    fn read_lock(&self) -> Result<Lock, Error> {
        match read_or_nothing(&self.lock_path())? {
            Some(text) => Ok(Lock::parse(&text)?.sorted()),
            None => Ok(Lock::default()),
        }
    }

    fn write_lock(&self, lock: &Lock) -> Result<(), Error> {
        let path = self.lock_path();
        self.disk.replace(&path, &lock.to_text()?).map_err(|error| Error::io("write", &path, &error))
    }

    fn read_grants(&self) -> Result<String, Error> {
        Ok(read_or_nothing(&self.grants_path())?.unwrap_or_default())
    }

    fn write_grants(&self, edit: impl FnOnce(&str, &str) -> Result<String, Error>) -> Result<(), Error> {
        let (path, before) = (self.grants_path(), self.read_grants()?);
        let after = edit(&self.grants_name(), &before)?;
        if after == before {
            return Ok(());
        }
        self.disk.replace(&path, &after).map_err(|error| Error::io("write", &path, &error))
    }

    fn open(&self, name: &str, digest: &str) -> Result<Package, Error> {
        Ok(self.open_with_text(name, digest)?.0)
    }

    /// A version and the text of its manifest. What is not as it was installed is refused.
    fn open_with_text(&self, name: &str, digest: &str) -> Result<(Package, String), Error> {
        let folder = self.folder(name, digest);
        let text = read_text(&folder.join("plugin.toml"), MAX_MANIFEST)?;
        let component = read_bytes(&folder.join("plugin.wasm"), MAX_COMPONENT)?;
        let package = Package::new(&text, component, Origin::File(folder.clone()))?;
        if package.digest() != digest {
            return Err(Error::new(
                ErrorKind::State,
                format!(
                    "{} is not what was installed: its digest is {}, and inferno.lock says {digest}",
                    folder.display(),
                    package.digest()
                ),
            )
            .with_hint(format!("somebody changed it; install \"{name}\" again")));
        }
        Ok((package, text))
    }
}

fn short(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..DIGITS).unwrap_or(digits)
}

fn read_or_nothing(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read_text(path, MAX_STATE).map(Some),
    }
}

fn not_installed(lock: &Lock, name: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("no plugin \"{}\" is installed", visible(name)));
    match nearest(name, lock.plugins.iter().map(|record| record.name.as_str())) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("`inferno plugin list` shows those that are"),
    }
}

fn version_of(package: &Package, signer: Option<crate::PublicKey>, source: &str) -> Version {
    Version {
        version: package.manifest().plugin.version.clone(),
        digest: package.digest().to_owned(),
        signer,
        source: source.to_owned(),
        installed: crate::text::now(),
    }
}
