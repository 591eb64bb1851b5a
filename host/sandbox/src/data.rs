//! The folders that plugins have of their own: durable, and one for each plugin and tenant.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime_wasi::WasiCtxBuilder;

use crate::ask::Access;
use crate::effect::Effect;
use crate::error::{Error, ErrorKind};
use crate::lent::Lent;

/// Where a plugin finds its folder.
pub(crate) const DATA: &str = "/data";

/// The longest name that a tenant's folder has before it is shortened to a hash; file systems take 255 bytes.
const MAX_NAME: usize = 200;

/// The folders of one plugin.
#[derive(Debug)]
pub(crate) struct Data {
    plugin: String,
    /// Under which the tenants have theirs; none: this host keeps nothing.
    root: Option<PathBuf>,
}

impl Data {
    /// Those of a plugin, if it was granted any; `parent` is where all plugins have theirs.
    pub(crate) fn of(effect: &Effect, parent: Option<&Path>) -> Option<Self> {
        let plugin = effect.plugin.clone();
        effect.data().then(|| Self { root: parent.map(|parent| parent.join(&plugin)), plugin })
    }

    /// Opens the folder of one tenant for one call. It is made when it is first needed.
    pub(crate) fn lend(&self, tenant: &str, wasi: &mut WasiCtxBuilder, lent: &mut Lent) -> Result<(), Error> {
        let Self { plugin, root } = self;
        let failed = |what: String| {
            Error::new(
                ErrorKind::Host,
                format!("plugin \"{plugin}\" cannot be lent a folder of its own: {what}"),
            )
        };
        let root = root.as_ref().ok_or_else(|| failed("this host keeps none".to_owned()))?;
        let folder = root.join(name_for(tenant));
        let opened = private(&folder).map_err(|error| error.to_string()).and_then(|()| {
            lent.add(DATA, &folder, Access::Write);
            let opened = wasi.preopened_dir(&folder, DATA, Access::Write.permissions());
            opened.map(|_| ()).map_err(|error| error.root_cause().to_string())
        });
        opened.map_err(|why| {
            failed(format!("{}: {why}", folder.display()))
                .with_hint("it must be a folder that belongs to you")
        })
    }
}

/// A name that no two tenants share, not even where a file system takes `A` and `a` for one.
fn name_for(tenant: &str) -> String {
    let mut name = String::new();
    for (index, byte) in tenant.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            _ => drop(write!(name, "%{byte:02X}")),
        }
    }
    if !name.is_empty() && name.len() <= MAX_NAME {
        return name;
    }
    // Nothing above writes two of these in a row.
    let mut short = "%%".to_owned();
    for byte in Sha256::digest(tenant) {
        let _ = write!(short, "{byte:02x}");
    }
    short
}

#[cfg(unix)]
fn private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_tenant_gets_the_folder_of_another_or_one_elsewhere() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let tenants = [
            "local", "Local", "LOCAL", "", ".", "..", "../local", "a/b", "a%2Fb", "a\\b", "a\0b", "%%",
            "a.b", ".a", "ü", "u\u{308}", "con ", &long, &longer,
        ];
        let mut seen = HashSet::new();
        for tenant in tenants {
            let name = name_for(tenant);
            assert!(seen.insert(name.to_lowercase()), "{tenant:?}: {name}");
            assert!(!name.is_empty() && name.len() <= 255 && !name.starts_with('.'), "{tenant:?}: {name}");
            assert!(!name.contains(['/', '\\', '\0', ' ']), "{tenant:?}: {name}");
        }
        assert_eq!(name_for("acme-1"), "acme-1");
    }
}
