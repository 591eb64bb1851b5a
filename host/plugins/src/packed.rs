//! A packed plugin: one file that is still a component, with three custom sections at its end, in this order:
//!
//! | section | holds |
//! |---|---|
//! | `inferno:manifest` | the text of `plugin.toml` |
//! | `inferno:sbom` | what it was built from, as CycloneDX 1.6 JSON |
//! | `inferno:signature` | JSON: `algorithm`, `public_key`, `signature`; absent while unsigned |
//!
//! The signature is over SHA-256 of every byte before its section. The *digest*, which grants are bound to, is the
//! sandbox's: over the text of the manifest and the component without these sections. So the folder that was packed has
//! the same digest, and signing again, by whomever, does not change it.
//!
//! Nothing may stand between or behind the sections, each stands there once, and each is written in one way only: so
//! there is no byte that could be changed without notice.

use std::ops::Range;
use std::path::Path;

use inferno_sandbox::{Manifest, Origin, Package};

use crate::error::{Error, ErrorKind};
use crate::keys::{PublicKey, SecretKey};
use crate::sections::{Sections, write_custom};
use crate::{disk, sbom, signature};

/// The longest file that is read.
pub const MAX_FILE: u64 = 256 << 20;
/// The longest component in it: what the sandbox would take from a folder.
pub const MAX_COMPONENT: u64 = 128 << 20;
/// The longest manifest in it.
pub const MAX_MANIFEST: u64 = 256 << 10;
/// The longest list of what it was built from.
const MAX_SBOM: usize = 16 << 20;
const MAX_SIGNATURE: usize = 1 << 10;

/// All names that begin so are ours.
const PREFIX: &str = "inferno:";
const NAMES: [&str; 3] = ["inferno:manifest", "inferno:sbom", "inferno:signature"];

/// A packed plugin that has been taken apart and checked.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Manifest and component, with the digest over both.
    pub package: Package,
    /// The text of its `plugin.toml`.
    pub manifest_text: String,
    /// What it was built from: CycloneDX JSON.
    pub sbom: String,
    /// Whose signature fits it; absent: nobody signed.
    pub signer: Option<PublicKey>,
}

/// Takes a packed plugin apart. An error if it is damaged, or if there is a signature that does not fit.
pub fn read(bytes: &[u8]) -> Result<Packed, Error> {
    let layout = Layout::of(bytes)?;
    let text = |part: &[u8], name: &str| {
        String::from_utf8(part.to_vec())
            .map_err(|_| Error::new(ErrorKind::Package, format!("the section {name} is not UTF-8 text")))
    };
    let manifest_text = text(layout.manifest, NAMES[0])?;
    let sbom = text(layout.sbom, NAMES[1])?;
    sbom::check(&sbom)?;
    let signer = match layout.signature {
        Some(section) => Some(signature::check(&bytes[..layout.unsigned], section)?),
        None => None,
    };
    let component = bytes[layout.component].to_vec();
    let package = Package::new(&manifest_text, component, Origin::File(".".into()))?;
    Ok(Packed { package, manifest_text, sbom, signer })
}

/// Puts the sections of an unsigned package behind a component.
pub fn pack_parts(manifest: &str, component: &[u8], sbom: &str) -> Result<Vec<u8>, Error> {
    Manifest::parse("plugin.toml", manifest)?;
    sbom::check(sbom)?;
    check_unpacked(component)
        .map_err(|error| error.with_hint("pack the component as the compiler made it"))?;
    let mut out = Vec::with_capacity(component.len() + manifest.len() + sbom.len() + 100);
    out.extend_from_slice(component);
    write_custom(&mut out, NAMES[0], manifest.as_bytes())?;
    write_custom(&mut out, NAMES[1], sbom.as_bytes())?;
    // What is too long for the reader must not leave the writer.
    Layout::of(&out)?;
    Ok(out)
}

/// An error if a component carries sections of ours.
pub(crate) fn check_unpacked(component: &[u8]) -> Result<(), Error> {
    for section in Sections::new(component)? {
        if let Some(name) = section?.name.filter(|name| name.starts_with(PREFIX)) {
            return Err(Error::new(
                ErrorKind::Package,
                format!("the component has a section {} already: it is packed", crate::visible(name)),
            ));
        }
    }
    Ok(())
}

/// Packs a folder with a `plugin.toml` and a `plugin.wasm`. What it was built from is read from the `Cargo.lock`, the
/// `package-lock.json` or the `requirements.txt` beside them.
pub fn pack(folder: &Path) -> Result<Vec<u8>, Error> {
    let manifest = disk::read_text(&folder.join("plugin.toml"), MAX_MANIFEST)?;
    let component = disk::read_bytes(&folder.join("plugin.wasm"), MAX_COMPONENT)?;
    let parsed = Manifest::parse(&folder.join("plugin.toml").display().to_string(), &manifest)?;
    pack_parts(&manifest, &component, &sbom::sbom(&parsed, folder)?)
}

/// Signs a packed plugin. A signature that is there already is replaced; if it does not fit, that is an error.
pub fn sign(bytes: &[u8], key: &SecretKey) -> Result<Vec<u8>, Error> {
    read(bytes)?;
    let mut out = bytes[..Layout::of(bytes)?.unsigned].to_vec();
    let section = signature::make(&out, key)?;
    write_custom(&mut out, NAMES[2], &section)?;
    Ok(out)
}

/// Where everything stands.
struct Layout<'a> {
    component: Range<usize>,
    manifest: &'a [u8],
    sbom: &'a [u8],
    signature: Option<&'a [u8]>,
    /// Where what a signature covers ends.
    unsigned: usize,
}

impl<'a> Layout<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Error> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Package, what));
        if bytes.len() as u64 > MAX_FILE {
            return wrong(format!("the file is longer than {MAX_FILE} bytes"));
        }
        let limits = [MAX_MANIFEST as usize, MAX_SBOM, MAX_SIGNATURE];
        let mut found: Vec<&'a [u8]> = Vec::with_capacity(NAMES.len());
        let mut component_end = bytes.len();
        let mut unsigned = bytes.len();
        for section in Sections::new(bytes)? {
            let section = section?;
            let ours = section.name.filter(|name| name.starts_with(PREFIX));
            let Some(name) = ours else {
                if let Some(before) = found.len().checked_sub(1).and_then(|last| NAMES.get(last)) {
                    return wrong(format!("another section stands behind {before}"));
                }
                continue;
            };
            let place = found.len();
            if NAMES[..place].contains(&name) {
                return wrong(format!("the package has two sections {name}"));
            }
            if NAMES.get(place) != Some(&name) {
                return wrong(format!(
                    "the section {} does not belong where it stands",
                    crate::visible(name)
                ));
            }
            let Some(limit) = limits.get(place).filter(|limit| section.data.len() <= **limit) else {
                return wrong(format!("the section {name} is too long"));
            };
            let mut rewritten = Vec::with_capacity(section.data.len().min(*limit) + 32);
            write_custom(&mut rewritten, name, section.data)?;
            if rewritten != bytes[section.range.clone()] {
                return wrong(format!("the section {name} is not written as it should be"));
            }
            match place {
                0 => component_end = section.range.start,
                2 => unsigned = section.range.start,
                _ => {}
            }
            found.push(section.data);
        }
        let (manifest, sbom, signature) = match found[..] {
            [manifest, sbom] => (manifest, sbom, None),
            [manifest, sbom, signature] => (manifest, sbom, Some(signature)),
            [_] => return wrong("the package lacks the section inferno:sbom".to_owned()),
            _ => {
                return Err(Error::new(
                    ErrorKind::Package,
                    "the component carries no manifest: it is not packed",
                )
                .with_hint("`inferno plugin pack` packs a folder with a plugin.toml and a plugin.wasm"));
            }
        };
        if component_end as u64 > MAX_COMPONENT {
            return wrong(format!("the component is longer than {MAX_COMPONENT} bytes"));
        }
        Ok(Self { component: 0..component_end, manifest, sbom, signature, unsigned })
    }
}
