//! The SDKs that the binary carries, so that an author needs nothing but it: they are not published.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// Files in the binary.
pub(crate) struct Carried {
    /// Over names and contents, in hexadecimal.
    pub(crate) digest: &'static str,
    /// Where each goes, and what it holds.
    pub(crate) files: &'static [(&'static str, &'static [u8])],
}

/// What a plugin can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Rust.
    Rust,
    /// JavaScript or TypeScript.
    Js,
    /// Python.
    Python,
}

impl Language {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
        }
    }

    fn carried(self) -> Carried {
        match self {
            Self::Rust => RUST,
            Self::Js => JS,
            Self::Python => PYTHON,
        }
    }

    /// The part of the unpacked files that a plugin names.
    fn package(self) -> &'static str {
        match self {
            Self::Rust => "sdk/rust",
            Self::Js | Self::Python => "",
        }
    }

    /// What has to be in a folder that is the SDK of this language.
    fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "install.mjs",
            Self::Python => "install.py",
        }
    }
}

/// The folder with a language's SDK: the one that the user named, or the one that this binary carries, unpacked.
pub(crate) fn folder(language: Language, named: Option<&Path>, cache_dir: &Path) -> Result<PathBuf, Failure> {
    let Some(named) = named else { return unpacked(language, cache_dir) };
    let folder = named
        .canonicalize()
        .map_err(|error| Failure::usage(format!("cannot find the SDK {}: {error}", named.display())))?;
    if folder.join(language.mark()).is_file() {
        return Ok(folder);
    }
    Err(Failure::usage(format!("{} is not an SDK for {}", folder.display(), language.word())).hint(format!(
        "in a checkout of Inferno's sources it is sdk/{}; without --sdk, the one in this program is used",
        language.word()
    )))
}

/// Where the carried SDKs are unpacked.
pub(crate) fn place(cache_dir: &Path) -> PathBuf {
    cache_dir.join("sdk")
}

/// The digest is part of the path, so that two versions of Inferno do not fight over it.
fn unpacked(language: Language, cache_dir: &Path) -> Result<PathBuf, Failure> {
    let carried = language.carried();
    let folder = place(cache_dir).join(format!("{}-{}", language.word(), &carried.digest[..16]));
    if !folder.is_dir() {
        unpack(&carried, &folder).map_err(|error| {
            Failure::new(format!("cannot unpack the SDK to {}: {error}", folder.display()))
                .hint("set INFERNO_CACHE_DIR to a directory that can be written to")
        })?;
    }
    Ok(match language.package() {
        "" => folder,
        package => folder.join(package),
    })
}

/// Written beside its place and moved there, so that nobody ever sees half of it.
fn unpack(carried: &Carried, folder: &Path) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent)?;
    let fresh = folder.with_extension(format!("{}.part", std::process::id()));
    for (name, bytes) in carried.files {
        let path = fresh.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&fresh))?;
        fs::write(path, bytes)?;
    }
    match fs::rename(&fresh, folder) {
        // Somebody else was faster.
        Err(_) if folder.is_dir() => fs::remove_dir_all(&fresh),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sdk_is_whole_and_is_unpacked_once() {
        let cache = tempfile::tempdir().unwrap();
        for language in [Language::Rust, Language::Js, Language::Python] {
            let folder = unpacked(language, cache.path()).unwrap();
            assert!(folder.join(language.mark()).is_file(), "{}", folder.display());
            assert_eq!(unpacked(language, cache.path()).unwrap(), folder);
            assert_eq!(
                super::folder(language, Some(&folder), cache.path()).unwrap(),
                folder.canonicalize().unwrap()
            );
        }
        let wrong = super::folder(Language::Rust, Some(cache.path()), cache.path()).unwrap_err();
        assert!(wrong.message.contains("is not an SDK for rust"), "{wrong:?}");
    }

    #[test]
    fn the_workspace_has_what_the_sdk_takes_from_it() {
        let (_, text) = RUST.files.iter().find(|(name, _)| *name == "Cargo.toml").unwrap();
        let text = std::str::from_utf8(text).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let (_, own) = RUST.files.iter().find(|(name, _)| *name == "sdk/rust/Cargo.toml").unwrap();
        let own: toml::Table = std::str::from_utf8(own).unwrap().parse().unwrap();
        for name in own["dependencies"].as_table().unwrap().keys() {
            assert!(table["workspace"]["dependencies"].get(name).is_some(), "{name}");
        }
        assert!(!text.contains("wasmtime"), "{text}");
    }
}
