//! A plugin on its way in, read once: what is checked is what is installed.

use std::path::Path;

use inferno_sandbox::{Origin, Package};

use crate::disk::{read_bytes, read_text};
use crate::error::{Error, ErrorKind};
use crate::inspect::{self, Inspection};
use crate::keys::PublicKey;
use crate::packed::{self, MAX_COMPONENT, MAX_FILE, MAX_MANIFEST};
use crate::text::visible;

/// A plugin that was read and whose signature, if there is one, fits.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub(crate) package: Package,
    pub(crate) manifest_text: String,
    pub(crate) sbom: Option<String>,
    pub(crate) signer: Option<PublicKey>,
    pub(crate) source: String,
    pub(crate) size: u64,
}

impl Incoming {
    /// Reads from a packed file, a folder with `plugin.toml` and `plugin.wasm`, or an address that begins with
    /// `https://` or `http://`, which `fetch` gets: at most [`MAX_FILE`] bytes, or a sentence that says why not.
    pub fn open(source: &str, fetch: impl FnOnce(&str) -> Result<Vec<u8>, String>) -> Result<Self, Error> {
        if is_url(source) {
            let shown = without_secrets(source);
            let bytes = fetch(source).map_err(|what| {
                Error::new(ErrorKind::Io, format!("cannot get {}: {}", visible(&shown), visible(&what)))
            })?;
            return Self::packed(&bytes, &shown);
        }
        if let Some((scheme, _)) = source.split_once("://") {
            return Err(Error::new(
                ErrorKind::Io,
                format!("plugins do not come from {}://", visible(scheme)),
            )
            .with_hint("give a file, a folder, or an address that begins with https://"));
        }
        let path = Path::new(source);
        if path.is_dir() { Self::folder(path) } else { Self::file(path) }
    }

    /// Reads a packed file.
    pub fn file(path: &Path) -> Result<Self, Error> {
        Self::packed(&read_bytes(path, MAX_FILE)?, &absolute(path))
    }

    /// Reads a folder with `plugin.toml` and `plugin.wasm`. Folders are not signed.
    pub fn folder(path: &Path) -> Result<Self, Error> {
        let manifest_text = read_text(&path.join("plugin.toml"), MAX_MANIFEST)?;
        let component = read_bytes(&path.join("plugin.wasm"), MAX_COMPONENT)?;
        packed::check_unpacked(&component).map_err(|error| {
            error.with_hint(format!("install {} itself", path.join("plugin.wasm").display()))
        })?;
        let size = component.len() as u64;
        let package = Package::new(&manifest_text, component, Origin::File(path.to_owned()))?;
        Ok(Self { package, manifest_text, sbom: None, signer: None, source: absolute(path), size })
    }

    /// Reads packed bytes; `source` says where they come from.
    pub fn packed(bytes: &[u8], source: &str) -> Result<Self, Error> {
        let packed::Packed { package, manifest_text, sbom, signer } = packed::read(bytes)?;
        let (source, size) = (source.to_owned(), bytes.len() as u64);
        Ok(Self { package, manifest_text, sbom: Some(sbom), signer, source, size })
    }

    /// What it is, and what it could do, in words. Nothing is run.
    pub fn inspect(&self) -> Result<Inspection, Error> {
        inspect::of(self)
    }

    /// Manifest and component, such as for the link check.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// What it was built from, as CycloneDX JSON; a folder does not say.
    pub fn sbom(&self) -> Option<&str> {
        self.sbom.as_deref()
    }

    /// Whose signature fits; absent: nobody signed.
    pub fn signer(&self) -> Option<PublicKey> {
        self.signer
    }

    /// Where it comes from, without whatever could be a password.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn is_url(source: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// An address is written to `inferno.lock` and shown: without user and password, and without the query, which may be a
/// key too.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// So that an upgrade finds the place again from anywhere.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_secrets() {
        for (from, to) in [
            ("https://a.example/p.wasm", "https://a.example/p.wasm"),
            ("https://me:pass@a.example:8443/p.wasm?token=1#x", "https://a.example:8443/p.wasm"),
            ("HTTP://a@b@c", "HTTP://c"),
        ] {
            assert!(is_url(from));
            assert_eq!(without_secrets(from), to);
        }
        assert!(!is_url("./https") && !is_url("ftp://x") && !is_url("é"));
    }

    #[test]
    fn only_addresses_are_fetched() {
        let never = |_: &str| -> Result<Vec<u8>, String> { panic!("fetched") };
        let error = Incoming::open("ftp://x/y", never).unwrap_err();
        assert!(error.hint().unwrap().contains("https://"), "{error}");
        assert_eq!(Incoming::open("/no/such/file.wasm", never).unwrap_err().kind(), ErrorKind::Io);
        let error = Incoming::open("https://k:s3cret@x/y", |_| Err("404 \x1b".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "cannot get https://x/y: 404 \\u{1b}");
    }
}
