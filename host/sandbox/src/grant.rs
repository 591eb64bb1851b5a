//! What a plugin asks for, and what its user granted it in `grants.toml`.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::glob::Glob;
use crate::package::{Origin, Package};
use crate::strict;

/// The use of models.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelUse {
    /// Which ones.
    pub models: Vec<Glob>,
    /// How many tokens one request may have written at most; absent: what the model's context has room for.
    #[serde(default)]
    pub tokens_per_call: Option<u32>,
}

/// Capabilities, as a manifest asks for them and as a user grants them. What is absent is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// Running models.
    pub inference: Option<ModelUse>,
    /// Looking at the installed models.
    pub models: bool,
    /// Small durable values.
    pub kv: bool,
}

impl Capabilities {
    /// One TOML line for each.
    pub fn to_toml(&self) -> String {
        let mut lines = String::new();
        if let Some(inference) = &self.inference {
            let names: Vec<String> = inference.models.iter().map(|glob| quoted(glob.as_str())).collect();
            let _ = write!(lines, "inference = {{ models = [{}]", names.join(", "));
            if let Some(tokens) = inference.tokens_per_call {
                let _ = write!(lines, ", tokens_per_call = {tokens}");
            }
            lines.push_str(" }\n");
        }
        for (name, held) in [("models", self.models), ("kv", self.kv)] {
            if held {
                let _ = writeln!(lines, "{name} = true");
            }
        }
        lines
    }

    pub(crate) fn holds(&self, need: Need<'_>) -> bool {
        match need {
            Need::Inference(model) => self.allows_model(model),
            Need::Models => self.models,
            Need::Kv => self.kv,
        }
    }

    pub(crate) fn allows_model(&self, model: &str) -> bool {
        self.inference
            .as_ref()
            .is_some_and(|inference| inference.models.iter().any(|glob| glob.matches(model)))
    }

    pub(crate) fn with(&self, need: Need<'_>) -> Self {
        let mut all = self.clone();
        match need {
            Need::Models => all.models = true,
            Need::Kv => all.kv = true,
            Need::Inference(model) => {
                let inference = all
                    .inference
                    .get_or_insert_with(|| ModelUse { models: Vec::new(), tokens_per_call: None });
                inference.models.push(Glob(model.to_owned()));
            }
        }
        all
    }
}

pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// One entry of the grants file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    plugin: String,
    digest: String,
    #[serde(default)]
    inference: Option<ModelUse>,
    #[serde(default)]
    models: bool,
    #[serde(default)]
    kv: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    grant: Vec<Entry>,
}

/// What the user granted to which plugin, from `grants.toml`.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    entries: Vec<Entry>,
}

impl Grants {
    /// Reads the text of a grants file; `file` is its name, for errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let wrong = |message| Error::new(ErrorKind::Grants, message);
        let File { grant: entries } = strict::from_toml(file, text).map_err(wrong)?;
        for (index, entry) in entries.iter().enumerate() {
            if !is_digest(&entry.digest) {
                return Err(wrong(format!(
                    "{file}: the grant of plugin \"{}\" has the digest \"{}\", which is not \"sha256:\" and 64 hexadecimal digits",
                    entry.plugin, entry.digest
                ))
                .with_hint("`inferno plugin list` shows the digest of each plugin"));
            }
            if entries[..index]
                .iter()
                .any(|other| other.plugin == entry.plugin && other.digest == entry.digest)
            {
                return Err(wrong(format!(
                    "{file}: two grants are for plugin \"{}\" with digest {}; make them one",
                    entry.plugin, entry.digest
                )));
            }
        }
        Ok(Self { entries })
    }

    /// What a package was granted. A plugin that is part of the program has what it asks for until an entry says
    /// otherwise; any other needs an entry.
    pub fn granted(&self, package: &Package) -> Granted {
        let manifest = package.manifest();
        self.of(&manifest.plugin.name, package.digest(), package.origin(), &manifest.asks)
    }

    pub(crate) fn of(&self, plugin: &str, digest: &str, origin: &Origin, asked: &Capabilities) -> Granted {
        let of_plugin = || self.entries.iter().filter(|entry| entry.plugin == plugin);
        match of_plugin().find(|entry| entry.digest == digest) {
            Some(entry) => Granted {
                source: Source::Entry,
                given: Capabilities {
                    inference: entry.inference.clone(),
                    models: entry.models,
                    kv: entry.kv,
                },
            },
            None if *origin == Origin::Bundled => Granted { source: Source::BuiltIn, given: asked.clone() },
            None => Granted {
                source: of_plugin()
                    .next()
                    .map_or(Source::Nobody, |other| Source::OtherBytes(other.digest.clone())),
                given: Capabilities::default(),
            },
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Where a grant comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An entry of the grants file.
    Entry,
    /// The plugin is part of the program.
    BuiltIn,
    /// There is no entry for the plugin.
    Nobody,
    /// The only entries are for other bytes of the plugin, such as those with this digest.
    OtherBytes(String),
}

/// What a plugin was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// By whom.
    pub source: Source,
    /// What.
    pub given: Capabilities,
}

/// What a call needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need<'a> {
    /// The use of this model.
    Inference(&'a str),
    Models,
    Kv,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

    #[test]
    fn a_wrong_grants_file_is_refused() {
        let check = |text: &str, expect: &str| {
            let error = Grants::parse("grants.toml", text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Grants);
            assert_eq!(error.to_string(), expect);
        };
        check(
            &format!("[[grant]]\nplugin='a'\ndigest='{DIGEST}'\nkw=true"),
            "grants.toml:4: unknown key \"kw\"; did you mean \"kv\"?",
        );
        check("[[grants]]\n", "grants.toml:1: unknown key \"grants\"; did you mean \"grant\"?");
        check(
            "[[grant]]\nplugin='a'\ndigest='abc'",
            "grants.toml: the grant of plugin \"a\" has the digest \"abc\", which is not \"sha256:\" and 64 hexadecimal digits",
        );
        let entry = format!("[[grant]]\nplugin='a'\ndigest='{DIGEST}'\n");
        check(
            &entry.repeat(2),
            &format!("grants.toml: two grants are for plugin \"a\" with digest {DIGEST}; make them one"),
        );
    }
}
