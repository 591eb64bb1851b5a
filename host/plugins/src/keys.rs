//! The keys that plugins are signed with: Ed25519.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind};
use crate::text::visible;

const SECRET: &str = "inferno-ed25519-secret:";
const PUBLIC: &str = "ed25519:";
const HEAD: &str =
    "# A key that signs plugins for Inferno. Whoever has this file can sign as you: keep it to yourself.\n";
/// No key file is longer.
const MAX_FILE: u64 = 4096;

/// The key that a signature is checked with; written `ed25519:` and 44 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = STANDARD.decode(text).ok()?.try_into().ok()?;
        // Keys under which one signature fits many messages are no keys.
        VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    pub(crate) fn to_base64(self) -> String {
        STANDARD.encode(self.0.as_bytes())
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", self.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.strip_prefix(PUBLIC).and_then(Self::from_base64).ok_or_else(|| {
            Error::new(ErrorKind::Key, format!("\"{}\" is not a public key", visible(text))).with_hint(
                "a public key is \"ed25519:\" and 44 characters, as `inferno plugin keygen` prints it",
            )
        })
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The key that signs. It is wiped from memory when it goes out of use, and never shown.
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public()).finish()
    }
}

impl SecretKey {
    /// Makes a key and writes it to `path`, readable by its owner only, and the public half beside it (`path` with
    /// `.pub` behind it). Files that are there already are never overwritten.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| {
            Error::new(ErrorKind::Io, format!("the system gave no random numbers: {error}"))
        })?;
        let key = Self(SigningKey::from_bytes(&seed));
        let public = public_path(path);
        if public.exists() {
            return Err(taken(&public));
        }
        write_new(path, &format!("{HEAD}{SECRET}{}\n", STANDARD.encode(seed)), true)?;
        write_new(&public, &format!("{}\n", key.public()), false)?;
        Ok(key)
    }

    /// Reads a key that [`create`](Self::create) wrote. A file that others can read is refused.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error::new(ErrorKind::Key, format!("{}: {what}", path.display()))
                .with_hint("`inferno plugin keygen` makes a key")
        };
        let file = std::fs::File::open(path).map_err(|error| Error::io("read the key", path, &error))?;
        check_private(path, &file)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_FILE), &mut text)
            .map_err(|error| Error::io("read the key", path, &error))?;
        if text.lines().any(|line| line.starts_with(PUBLIC)) {
            return Err(wrong("this is the public half; signing needs the file without .pub"));
        }
        let seed = text
            .lines()
            .find_map(|line| line.strip_prefix(SECRET))
            .and_then(|seed| STANDARD.decode(seed.trim_end()).ok())
            .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
            .ok_or_else(|| wrong("the file holds no key that signs plugins"))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The half that others check with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn taken(path: &Path) -> Error {
    Error::new(ErrorKind::Key, format!("{} is there already; a key is never overwritten", path.display()))
        .with_hint("name another file, or move the old key away first")
}

fn write_new(path: &Path, text: &str, private: bool) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => Error::io("write the key", path, &error),
    };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(unix)]
fn check_private(path: &Path, file: &std::fs::File) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|error| Error::io("read the key", path, &error))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::new(ErrorKind::Key, format!("{}: others can read this key", path.display()))
            .with_hint(format!("`chmod 600 {}`; if they may have read it, make a new one", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_path: &Path, _file: &std::fs::File) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_disk_and_are_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("me.key");
        let key = SecretKey::create(&path).unwrap();
        let again = SecretKey::open(&path).unwrap();
        assert_eq!(key.public(), again.public());
        let public = std::fs::read_to_string(folder.path().join("me.key.pub")).unwrap();
        assert_eq!(public.trim_end().parse::<PublicKey>().unwrap(), key.public());
        assert!(!format!("{key:?}").contains(&std::fs::read_to_string(&path).unwrap()[HEAD.len() + 23..]));
        assert_ne!(SecretKey::create(&folder.path().join("other")).unwrap().public(), key.public());

        let error = SecretKey::create(&path).unwrap_err();
        assert!(error.to_string().ends_with("a key is never overwritten"), "{error}");
        let error = SecretKey::open(&folder.path().join("me.key.pub")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            let error = SecretKey::open(&path).unwrap_err();
            assert!(error.hint().unwrap().starts_with("`chmod 600"), "{error}");
        }
    }

    #[test]
    fn weak_and_broken_public_keys_are_none() {
        // The neutral element: any signature of a certain form fits any message under it.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        for text in [STANDARD.encode(neutral), String::new(), "AAAA".to_owned(), "!".repeat(44)] {
            assert!(format!("{PUBLIC}{text}").parse::<PublicKey>().is_err(), "{text}");
        }
        assert!("ed448:AAAA".parse::<PublicKey>().is_err());
    }
}
