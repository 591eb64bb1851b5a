//! Secrets that the user keeps for plugins: read from a file that nobody else may read, and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::strict;

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// Secrets by name. Neither its `Debug` form nor any error shows a value.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Values>);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Values {
    /// For every tenant that has none of this name of its own.
    secrets: BTreeMap<String, String>,
    /// For one tenant.
    tenants: BTreeMap<String, BTreeMap<String, String>>,
}

impl Secrets {
    /// Secrets for every tenant.
    pub fn new(secrets: BTreeMap<String, String>) -> Self {
        Self(Arc::new(Values { secrets, tenants: BTreeMap::new() }))
    }

    /// Reads a `secrets.toml`: names and values under `[secrets]`, and under `[tenants.NAME]` those of one tenant. A
    /// file that is not there holds none; one that others may read is refused. Blocks.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            Error::new(ErrorKind::Host, format!("cannot read {}: {error}", file.display()))
        };
        let mut opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        check_private(file, &opened.metadata().map_err(failed)?)?;
        let mut text = String::new();
        opened.by_ref().take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
        let values = strict::from_toml(&file.display().to_string(), &text)
            .map_err(|message| Error::new(ErrorKind::Host, without_values(&message)))?;
        Ok(Self(Arc::new(values)))
    }

    pub(crate) fn get(&self, tenant: &str, name: &str) -> Option<&str> {
        let own = self.0.tenants.get(tenant).and_then(|own| own.get(name));
        own.or_else(|| self.0.secrets.get(name)).map(String::as_str)
    }
}

/// serde quotes what it found in place of what it wanted, and that may be a secret.
fn without_values(message: &str) -> String {
    match message.split_once("invalid type: ") {
        Some((place, _)) => format!("{place}a secret is a text in quotes"),
        None => message.to_owned(),
    }
}

#[cfg(unix)]
fn check_private(file: &Path, about: &std::fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Host,
        format!("{} holds secrets, and others than you may open it (mode {mode:03o})", file.display()),
    )
    .with_hint(format!("chmod 600 {}", file.display())))
}

#[cfg(not(unix))]
fn check_private(_file: &Path, _about: &std::fs::Metadata) -> Result<(), Error> {
    Ok(())
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("names", &self.0.secrets.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn file(mode: u32, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, file)
    }

    #[test]
    #[cfg(unix)]
    fn a_tenants_own_secret_comes_first() {
        let (_folder, file) =
            file(0o600, "[secrets]\nA = 'for all'\nB = 'b'\n[tenants.acme]\nA = 'acme only'\n");
        let secrets = Secrets::open(&file).unwrap();
        assert_eq!(secrets.get("acme", "A"), Some("acme only"));
        assert_eq!(secrets.get("other", "A"), Some("for all"));
        assert_eq!(secrets.get("acme", "B"), Some("b"));
        assert_eq!(secrets.get("acme", "C"), None);
        let shown = format!("{secrets:?}");
        assert!(shown.contains("\"B\"") && !shown.contains("acme") && !shown.contains("for all"), "{shown}");
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o644, 0o640, 0o606, 0o620] {
            let (_folder, file) = file(mode, "[secrets]\nA = 'x'\n");
            let error = Secrets::open(&file).unwrap_err();
            assert!(error.to_string().contains(&format!("(mode {mode:03o})")), "{error}");
            assert!(error.hint().unwrap().starts_with("chmod 600 "));
        }
    }

    #[test]
    #[cfg(unix)]
    fn errors_show_no_values() {
        for text in [
            "[secrets]\nA = 12345\n",
            "[secrets]\nA = ['s12345']\n",
            "A = 's12345'\n",
            "[secrets]\nA = s12345\n",
        ] {
            let (_folder, file) = file(0o600, text);
            let error = Secrets::open(&file).unwrap_err();
            assert!(!format!("{error:?}").contains("12345"), "{error:?}");
        }
    }

    #[test]
    fn no_file_means_no_secrets() {
        let secrets = Secrets::open(Path::new("/nowhere/secrets.toml")).unwrap();
        assert_eq!(secrets.get("acme", "A"), None);
    }
}
