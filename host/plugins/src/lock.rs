//! `inferno.lock`: which versions of which plugins are installed, and which one serves.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::keys::PublicKey;
use crate::text::visible;

/// The version of the file's format.
const FORMAT: u32 = 1;
const HEAD: &str =
    "# Which plugins are installed. Inferno writes this file; `inferno plugin` changes it.\n\n";

/// A version of a plugin that was installed, or waits to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// As its manifest says.
    pub version: String,
    /// What grants are bound to.
    pub digest: String,
    /// Who signed it; absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<PublicKey>,
    /// Where it came from.
    pub source: String,
    /// When it was installed, as in `2026-11-25T10:16:27Z`.
    pub installed: String,
}

/// An installed plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The digest of the version that serves.
    pub active: String,
    /// The key that the plugin is known by: an upgrade has to be signed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<PublicKey>,
    /// A version that asks for more and waits for consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Version>,
    /// Those that are kept; the one before the active one is what served before it.
    #[serde(rename = "version")]
    pub versions: Vec<Version>,
}

impl Record {
    /// The version that serves.
    pub fn active(&self) -> Result<&Version, Error> {
        self.find(&self.active).ok_or_else(|| {
            broken(&format!(
                "plugin \"{}\" has an active version that is not in its list",
                visible(&self.name)
            ))
        })
    }

    pub(crate) fn find(&self, digest: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.digest == digest)
    }

    /// Every digest of which there is a folder.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().chain(&self.pending).map(|version| version.digest.as_str())
    }
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    format: u32,
    #[serde(default, rename = "plugin")]
    pub(crate) plugins: Vec<Record>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { format: FORMAT, plugins: Vec::new() }
    }
}

impl Lock {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        /// The one field that every version of the format has.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let wrong = |error: toml::de::Error| broken(&crate::text::visible_lines(error.message()));
        let Format { format } = toml::from_str(text).map_err(wrong)?;
        if format != FORMAT {
            return Err(Error::new(
                ErrorKind::State,
                format!(
                    "inferno.lock has the format {format}, and this version of inferno knows the format {FORMAT}"
                ),
            )
            .with_hint("use the version of inferno that wrote it, or a newer one"));
        }
        let lock: Self = toml::from_str(text).map_err(wrong)?;
        for (index, record) in lock.plugins.iter().enumerate() {
            let name = visible(&record.name);
            // Names and digests become parts of paths.
            if !is_name(&record.name) || !record.digests().all(is_digest) {
                return Err(broken(&format!("what it says of plugin \"{name}\" is no name and digests")));
            }
            if lock.plugins[..index].iter().any(|other| other.name == record.name) {
                return Err(broken(&format!("plugin \"{name}\" is there twice")));
            }
            record.active()?;
        }
        Ok(lock)
    }

    pub(crate) fn to_text(&self) -> Result<String, Error> {
        let text = toml::to_string(self).map_err(|error| broken(&error.to_string()))?;
        Ok(format!("{HEAD}{text}"))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Record> {
        self.plugins.iter().find(|record| record.name == name)
    }

    /// Puts a record in the place of the one with its name, or in the place where it belongs.
    pub(crate) fn put(&mut self, record: Record) {
        match self.plugins.binary_search_by(|other| other.name.cmp(&record.name)) {
            Ok(place) => self.plugins[place] = record,
            Err(place) => self.plugins.insert(place, record),
        }
    }

    /// So that [`put`](Self::put) finds places also in a file that somebody rearranged.
    pub(crate) fn sorted(mut self) -> Self {
        self.plugins.sort_by(|left, right| left.name.cmp(&right.name));
        self
    }
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::State, format!("inferno.lock is damaged: {what}"))
        .with_hint("move it away and install the plugins again; grants.toml stays as it is")
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str, digit: char) -> Version {
        Version {
            version: version.to_owned(),
            digest: format!("sha256:{}", digit.to_string().repeat(64)),
            signer: None,
            source: "/p".to_owned(),
            installed: "2026-11-25T10:16:27Z".to_owned(),
        }
    }

    fn lock() -> Lock {
        let versions = vec![version("1.0.0", 'a'), version("1.1.0", 'b')];
        let mut lock = Lock::default();
        for name in ["b", "a"] {
            lock.put(Record {
                name: name.to_owned(),
                active: versions[1].digest.clone(),
                signer: None,
                pending: Some(version("2.0.0", 'c')),
                versions: versions.clone(),
            });
        }
        lock
    }

    #[test]
    fn it_survives() {
        let lock = lock();
        assert_eq!(lock.plugins[0].name, "a");
        let text = lock.to_text().unwrap();
        assert_eq!(Lock::parse(&text).unwrap(), lock, "{text}");
        assert_eq!(Lock::parse(&Lock::default().to_text().unwrap()).unwrap(), Lock::default());
    }

    #[test]
    fn another_format_is_refused_before_anything_else_is_read() {
        let error = Lock::parse("format = 2\nunheard-of = 1\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(error.to_string().contains("has the format 2") && error.hint().unwrap().contains("newer"));
    }

    #[test]
    fn damage_is_noticed() {
        let text = lock().to_text().unwrap();
        for (from, to) in [
            ("format = 1\n", ""),
            ("name = \"a\"", "name = \"../a\""),
            ("name = \"a\"", "name = \"b\""),
            ("name = \"a\"", "nmae = \"a\""),
            ("active = \"sha256:b", "active = \"sha256:e"),
            ("digest = \"sha256:a", "digest = \"sha256:A"),
            ("digest = \"sha256:a", "digest = \"../"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Lock::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::State, "{to}");
        }
    }
}
