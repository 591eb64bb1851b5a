//! Somebody who gets plugins from strangers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use inferno_tests::{TestContext, build};
use serde_json::Value;

/// The smallest manifest.
pub(crate) const MANIFEST: &str = "[plugin]\nname = \"acme\"\nversion = \"1.0.0\"\ndescription = \"A test\"\nlicense = \"MIT\"\n\
    wit = \"0.1\"\n[roles.command]\n";

/// The manifest of the plugin that does whatever a request tells it to.
pub(crate) fn probe(rest: &str) -> String {
    let about =
        MANIFEST.replace("acme", "probe").replace("[roles.command]", "[roles.http]\nmounts = [\"/probe\"]");
    format!("{about}{rest}")
}

/// Its component.
pub(crate) fn probe_component() -> PathBuf {
    build::plugin("inferno-guest-probe", "inferno_guest_probe")
}

pub(crate) struct Victim {
    pub(crate) context: TestContext,
}

impl Victim {
    pub(crate) fn new() -> Self {
        Self { context: TestContext::new() }
    }

    /// A file in the directory where commands run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.context.home().join(name).with_extension("wasm")
    }

    /// A folder with a plugin.
    pub(crate) fn folder(&self, name: &str, manifest: &str, component: &[u8]) -> PathBuf {
        let folder = self.context.home().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("plugin.toml"), manifest).unwrap();
        fs::write(folder.join("plugin.wasm"), component).unwrap();
        folder
    }

    /// One file of a folder, which nobody signed.
    pub(crate) fn packed(&self, name: &str, folder: &Path) -> PathBuf {
        let file = self.file(name);
        self.context.product(&["plugin", "pack", folder.to_str().unwrap(), "-o", file.to_str().unwrap()]);
        file
    }

    /// One file of a folder, signed with the one key of its author.
    pub(crate) fn signed(&self, name: &str, folder: &Path) -> PathBuf {
        let file = self.packed(name, folder);
        if !self.context.data().join("signing.key").exists() {
            self.context.product(&["plugin", "keygen"]);
        }
        self.context.product(&["plugin", "sign", file.to_str().unwrap()]);
        file
    }

    /// Runs what must be refused, and gives what was said.
    #[track_caller]
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let finished = self.context.run(args);
        assert_eq!(finished.status, Some(1), "{args:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{args:?}: {finished:?}");
        assert!(finished.stderr.contains("error: "), "{args:?}: {finished:?}");
        finished.stderr
    }

    /// What `plugin info` says.
    pub(crate) fn info(&self, plugin: &str) -> Value {
        serde_json::from_str(&self.context.product(&["plugin", "info", plugin, "--json"])).unwrap()
    }

    /// Every file in the data directory with what is in it.
    pub(crate) fn state(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(&self.context.data(), &mut found);
        found
    }
}
