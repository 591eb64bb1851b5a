//! A plugin before it is loaded: its manifest, its component, and where both come from.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};
use crate::manifest::Manifest;

/// The largest component and manifest that are read from disk.
const MAX_WASM: u64 = 128 << 20;
const MAX_MANIFEST: u64 = 1 << 20;

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    Bundled,
    /// It was read from this folder.
    File(PathBuf),
}

/// A manifest and a component that belong together.
#[derive(Clone, Debug)]
pub struct Package {
    manifest: Manifest,
    wasm: Cow<'static, [u8]>,
    origin: Origin,
    digest: String,
}

impl Package {
    /// Puts a package together from the text of its `plugin.toml` and the bytes of its component.
    pub fn new(manifest: &str, wasm: impl Into<Cow<'static, [u8]>>, origin: Origin) -> Result<Self, Error> {
        let file = match &origin {
            Origin::Bundled => "plugin.toml".to_owned(),
            Origin::File(folder) => folder.join("plugin.toml").display().to_string(),
        };
        let wasm = wasm.into();
        let digest = digest(manifest.as_bytes(), &wasm);
        Ok(Self { manifest: Manifest::parse(&file, manifest)?, wasm, origin, digest })
    }

    /// Reads a package from a folder with a `plugin.toml` and a `plugin.wasm`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let manifest = read(&folder.join("plugin.toml"), MAX_MANIFEST)?;
        let manifest = String::from_utf8(manifest).map_err(|_| {
            let file = folder.join("plugin.toml");
            Error::new(ErrorKind::Manifest, format!("{}: the file is not UTF-8 text", file.display()))
        })?;
        let wasm = read(&folder.join("plugin.wasm"), MAX_WASM)?;
        Self::new(&manifest, wasm, Origin::File(folder.to_owned()))
    }

    /// What it says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its component.
    pub fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// `sha256:` and the hash over manifest and component: what a grant is bound to.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The length goes in first, so that no byte can wander from one part to the other under the same digest.
fn digest(manifest: &[u8], wasm: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"inferno plugin 1\n");
    hash.update((manifest.len() as u64).to_le_bytes());
    hash.update(manifest);
    hash.update(wasm);
    hash.finalize().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn read(file: &Path, max: u64) -> Result<Vec<u8>, Error> {
    let failed = |what: String| {
        Error::new(ErrorKind::Host, format!("cannot read {}: {what}", file.display()))
            .with_hint("a plugin is a folder with a plugin.toml and a plugin.wasm")
    };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| failed(error.to_string()))?;
    opened.take(max + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > max {
        return Err(failed(format!("it is larger than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::FULL;

    #[test]
    fn the_digest_covers_both_parts_and_their_border() {
        let of = |manifest: &str, wasm: &'static [u8]| {
            Package::new(manifest, wasm, Origin::Bundled).unwrap().digest().to_owned()
        };
        let one = of(FULL, b"wasm");
        assert_eq!(one.len(), "sha256:".len() + 64);
        assert_eq!(one, of(FULL, b"wasm"));
        assert_ne!(one, of(FULL, b"wasm2"));
        assert_ne!(of(&format!("{FULL}#"), b"x"), of(FULL, b"#x"));
    }

    #[test]
    fn a_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = Package::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("plugin.toml"), "{error}");
        assert!(error.hint().unwrap().contains("plugin.wasm"));

        std::fs::write(folder.path().join("plugin.toml"), FULL).unwrap();
        let error = Package::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("plugin.wasm"), "{error}");

        std::fs::write(folder.path().join("plugin.wasm"), b"wasm").unwrap();
        let package = Package::open(folder.path()).unwrap();
        assert_eq!(package.origin(), &Origin::File(folder.path().to_owned()));
        assert_eq!(
            package.digest(),
            Package::new(FULL, b"wasm".as_slice(), Origin::Bundled).unwrap().digest()
        );
    }
}
