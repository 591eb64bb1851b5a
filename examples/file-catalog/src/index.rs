//! The index files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use inferno_sdk::catalog::{Artifact, Entry, Kind, Page};
use inferno_sdk::{Error, ErrorKind};
use semver::Version;
use serde::Deserialize;

/// How many entries a page has.
const PAGE: usize = 50;

/// All that can be installed, ordered by name and then from the newest version to the oldest.
pub(crate) struct Index(Vec<Listed>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    kind: Kind,
    name: String,
    version: Version,
    #[serde(default)]
    summary: String,
    artifacts: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    url: String,
    digest: String,
    size: u64,
}

impl Index {
    /// Reads all index files of a directory.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, error: io::Error| {
            Error::new(ErrorKind::Unavailable, format!("cannot read {}: {error}", path.display()))
        };
        let list = fs::read_dir(dir).map_err(|error| failed(dir, error))?;
        let mut files: Vec<PathBuf> = list
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()
            .map_err(|error| failed(dir, error))?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let mut all = Vec::new();
        for file in &files {
            let text = fs::read_to_string(file).map_err(|error| failed(file, error))?;
            let entries = parse(&text).map_err(|why| {
                Error::new(ErrorKind::Invalid, format!("the index {} is broken: {why}", file.display()))
                    .with_hint("Correct it, or take it out of the catalog's directory.")
            })?;
            all.extend(entries);
        }
        all.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        Ok(Self(all))
    }

    /// The newest version of every name that fits the query. `after` is the last name of the page before.
    pub(crate) fn search(&self, query: &str, after: Option<&str>) -> Page {
        let query = query.to_lowercase();
        let fits = |listed: &&[Listed]| {
            newest(listed).is_some_and(|newest| {
                let text = format!("{}\n{}", newest.name, newest.summary).to_lowercase();
                query.split_whitespace().all(|word| text.contains(word))
            })
        };
        let later = |listed: &&[Listed]| after.is_none_or(|after| *listed[0].name > *after);
        let mut found = self.0.chunk_by(|a, b| a.name == b.name).filter(later).filter(fits);
        let entries: Vec<Entry> = found.by_ref().take(PAGE).filter_map(newest).map(Listed::entry).collect();
        let next = found.next().and_then(|_| entries.last()).map(|last| last.name.clone());
        Page { entries, next }
    }

    /// What to download for a name.
    pub(crate) fn resolve(&self, name: &str, version: Option<&str>) -> Result<Vec<Artifact>, Error> {
        let versions = self.0.chunk_by(|a, b| a.name == b.name).find(|listed| listed[0].name == name);
        let versions = versions.unwrap_or_default();
        let found = match version {
            None => newest(versions),
            Some(version) => versions.iter().find(|listed| listed.version.to_string() == version),
        };
        let Some(found) = found else {
            let error = Error::new(
                ErrorKind::NotFound,
                match version {
                    Some(version) if !versions.is_empty() => format!("{name} has no version {version}"),
                    _ => format!("the catalog has no {name:?}"),
                },
            );
            let known: Vec<_> = versions.iter().map(|listed| listed.version.to_string()).collect();
            return Err(if known.is_empty() {
                error
            } else {
                error.with_hint(format!("It has {}.", known.join(", ")))
            });
        };
        let artifact = |file: &File| Artifact {
            url: file.url.clone(),
            digest: file.digest.clone(),
            size_bytes: file.size,
        };
        Ok(found.artifacts.iter().map(artifact).collect())
    }
}

/// Of the versions of one name; one that is not finished only where there is no other.
fn newest(versions: &[Listed]) -> Option<&Listed> {
    versions.iter().find(|listed| listed.version.pre.is_empty()).or(versions.first())
}

impl Listed {
    fn entry(&self) -> Entry {
        Entry {
            kind: self.kind,
            name: self.name.clone(),
            version: self.version.to_string(),
            summary: self.summary.clone(),
        }
    }
}

fn parse(text: &str) -> Result<Vec<Listed>, String> {
    let entries: Vec<Listed> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for Listed { name, artifacts, .. } in &entries {
        if name.is_empty() {
            return Err("an entry has an empty name".to_owned());
        }
        if artifacts.is_empty() {
            return Err(format!("{name:?} has no artifacts"));
        }
        for File { url, digest, .. } in artifacts {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(format!(
                    "{name:?} has the digest {digest:?}; write sha256: and 64 hexadecimal digits"
                ));
            }
            if !url.contains("://") {
                return Err(format!("{name:?} has the address {url:?}; write all of it, from https:// on"));
            }
        }
    }
    Ok(entries)
}
