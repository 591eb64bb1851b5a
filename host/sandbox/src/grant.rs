//! Where what a plugin asks for meets what its user granted. The effect is the overlap, and a refusal says which
//! half is missing and what to write where.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::package::{Origin, Package};
use crate::strict;

/// The name of a model, in which `*` stands for any text and `?` for any one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // Where the last `*` stands, and up to where it has eaten.
        let mut star = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match star {
                    Some((at, eaten)) => {
                        star = Some((at, eaten + 1));
                        p = at + 1;
                        n = eaten + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom(format!(
                "{text:?} is no pattern for model names; write a name, such as \"storyteller\", or \"*\" for all"
            )));
        }
        Ok(Self(text))
    }
}

/// The use of models.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
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
    pub inference: Option<Inference>,
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

    fn holds(&self, need: Need<'_>) -> bool {
        match need {
            Need::Inference(model) => self.allows_model(model),
            Need::Models => self.models,
            Need::Kv => self.kv,
        }
    }

    fn allows_model(&self, model: &str) -> bool {
        self.inference
            .as_ref()
            .is_some_and(|inference| inference.models.iter().any(|glob| glob.matches(model)))
    }

    fn with(&self, need: Need<'_>) -> Self {
        let mut all = self.clone();
        match need {
            Need::Models => all.models = true,
            Need::Kv => all.kv = true,
            Need::Inference(model) => {
                let inference = all
                    .inference
                    .get_or_insert_with(|| Inference { models: Vec::new(), tokens_per_call: None });
                inference.models.push(Glob(model.to_owned()));
            }
        }
        all
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// One entry of the grants file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    plugin: String,
    digest: String,
    #[serde(default)]
    inference: Option<Inference>,
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

    fn of(&self, plugin: &str, digest: &str, origin: &Origin, asked: &Capabilities) -> Granted {
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

/// A refusal: what happened, and what to write where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// What a plugin may do: the overlap of its ask and its grant.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) plugin: String,
    pub(crate) digest: String,
    pub(crate) asked: Capabilities,
    pub(crate) granted: Granted,
}

impl Effect {
    /// Whether a call may go on.
    pub(crate) fn check(&self, call: &str, need: Need<'_>) -> Result<(), Denial> {
        let (asked, granted) = (self.asked.holds(need), self.granted.given.holds(need));
        if asked && granted { Ok(()) } else { Err(self.denial(call, need, asked, granted)) }
    }

    /// Whether the plugin may see a model of this name.
    pub(crate) fn sees(&self, model: &str) -> bool {
        let either = self.asked.inference.is_some() && self.granted.given.inference.is_some();
        !either || self.asked.allows_model(model) && self.granted.given.allows_model(model)
    }

    /// Whether every model may be used, so that names need no hiding.
    pub(crate) fn sees_all(&self) -> bool {
        let all = |held: &Capabilities| {
            held.inference.as_ref().is_none_or(|inference| inference.models.iter().any(|glob| glob.0 == "*"))
        };
        all(&self.asked) && all(&self.granted.given)
    }

    /// The most tokens that one request may have written.
    pub(crate) fn tokens_per_call(&self) -> Option<u32> {
        let of =
            |held: &Capabilities| held.inference.as_ref().and_then(|inference| inference.tokens_per_call);
        match (of(&self.asked), of(&self.granted.given)) {
            (Some(asked), Some(granted)) => Some(asked.min(granted)),
            (asked, granted) => asked.or(granted),
        }
    }

    fn denial(&self, call: &str, need: Need<'_>, asked: bool, granted: bool) -> Denial {
        let Self { plugin, digest, .. } = self;
        let what = match need {
            Need::Inference(model) => format!("the use of model \"{model}\""),
            Need::Models => "the list of models".to_owned(),
            Need::Kv => "stored values (kv)".to_owned(),
        };
        let half = match (asked, granted, &self.granted.source) {
            (true, _, Source::OtherBytes(other)) => {
                format!("the user has granted it only to other bytes of the plugin ({other})")
            }
            (true, _, _) => "its manifest asks for it, but the user has not granted it".to_owned(),
            (false, true, _) => "the user has granted it, but its manifest does not ask for it".to_owned(),
            (false, false, _) => {
                "its manifest does not ask for it, and the user has not granted it".to_owned()
            }
        };
        let mut hint = String::new();
        if !asked {
            let _ = write!(hint, "its plugin.toml would need:\n[asks]\n{}", self.asked.with(need).to_toml());
        }
        if !granted {
            let lead = if asked { "this in grants.toml grants it" } else { "and then grants.toml" };
            let _ = write!(
                hint,
                "{lead}:\n[[grant]]\nplugin = {}\ndigest = \"{digest}\"\n{}",
                quoted(plugin),
                self.granted.given.with(need).to_toml()
            );
        }
        Denial {
            message: format!("plugin \"{plugin}\" called {call}, which needs {what}: {half}"),
            hint: hint.trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";
    const OTHER: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000bb";

    fn caps(toml: &str) -> Capabilities {
        toml::from_str(toml).unwrap()
    }

    fn effect(asked: &str, grants: &str, origin: &Origin) -> Effect {
        let asked = caps(asked);
        let granted = Grants::parse("grants.toml", grants).unwrap().of("acme", DIGEST, origin, &asked);
        Effect { plugin: "acme".to_owned(), digest: DIGEST.to_owned(), asked, granted }
    }

    fn file() -> Origin {
        Origin::File("/p".into())
    }

    #[test]
    fn globs() {
        let check = |pattern: &str, name: &str| Glob(pattern.to_owned()).matches(name);
        for (pattern, name) in [
            ("*", ""),
            ("*", "x"),
            ("guard-*", "guard-2b"),
            ("*-q4", "a-b-q4"),
            ("a?c", "abc"),
            ("a*b*c", "aXbXbc"),
        ] {
            assert!(check(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("guard-*", "guard"), ("a?c", "ac"), ("x", "X"), ("x", "xx"), ("*-q4", "q4")]
        {
            assert!(!check(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_effect_is_the_overlap() {
        let grant = format!(
            "[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\ninference={{models=['small-*','big-1'],tokens_per_call=100}}\nkv=true"
        );
        let effect = effect("inference = { models = ['small-*'], tokens_per_call = 512 }", &grant, &file());
        effect.check("c", Need::Inference("small-1")).unwrap();
        assert_eq!(effect.tokens_per_call(), Some(100));
        assert!(effect.check("c", Need::Inference("big-1")).is_err(), "granted but not asked");
        assert!(effect.check("c", Need::Kv).is_err(), "granted but not asked");
        assert!(effect.check("c", Need::Models).is_err(), "neither");
        assert!(effect.sees("small-1") && !effect.sees("big-1") && !effect.sees_all());
    }

    #[test]
    fn a_denial_says_which_half_is_missing_and_what_to_write() {
        let grant = format!("[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\nmodels=true");
        let both = effect("kv = true", &grant, &file());
        assert_eq!(
            both.check("inferno:host/kv.get", Need::Kv).unwrap_err(),
            Denial {
                message: "plugin \"acme\" called inferno:host/kv.get, which needs stored values (kv): its manifest asks for it, but the user has not granted it".to_owned(),
                hint: format!("this in grants.toml grants it:\n[[grant]]\nplugin = \"acme\"\ndigest = \"{DIGEST}\"\nmodels = true\nkv = true"),
            }
        );
        let denial = both.check("inferno:host/models.all", Need::Models).unwrap_err();
        assert!(denial.message.ends_with("the user has granted it, but its manifest does not ask for it"));
        assert_eq!(denial.hint, "its plugin.toml would need:\n[asks]\nmodels = true\nkv = true");

        let denial = both.check("inferno:host/inference.complete", Need::Inference("m")).unwrap_err();
        assert!(denial.message.contains("the use of model \"m\""), "{}", denial.message);
        assert!(
            denial.hint.contains("[asks]\ninference = { models = [\"m\"] }\nkv = true\n"),
            "{}",
            denial.hint
        );
        assert!(denial.hint.contains("models = [\"m\"] }\nmodels = true"), "{}", denial.hint);
    }

    #[test]
    fn the_lines_of_a_denial_grant_what_was_denied() {
        let effect_before = effect("kv = true", "", &file());
        let hint = effect_before.check("c", Need::Kv).unwrap_err().hint;
        let (_, lines) = hint.split_once('\n').unwrap();
        effect("kv = true", lines, &file()).check("c", Need::Kv).unwrap();
    }

    #[test]
    fn bundled_plugins_have_what_they_ask_for_until_an_entry_says_less() {
        let asks = "inference = { models = ['*'] }\nkv = true";
        let bundled = effect(asks, "", &Origin::Bundled);
        assert_eq!(bundled.granted.source, Source::BuiltIn);
        bundled.check("c", Need::Inference("any")).unwrap();
        assert!(bundled.check("c", Need::Models).is_err(), "never more than it asks for");

        let less = format!("[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\ninference={{models=['small']}}");
        let bundled = effect(asks, &less, &Origin::Bundled);
        bundled.check("c", Need::Inference("small")).unwrap();
        assert!(bundled.check("c", Need::Inference("any")).is_err());
        assert!(bundled.check("c", Need::Kv).is_err());
    }

    #[test]
    fn new_bytes_need_a_new_grant() {
        let old = format!("[[grant]]\nplugin='acme'\ndigest='{OTHER}'\nkv=true");
        let denial = effect("kv = true", &old, &file()).check("c", Need::Kv).unwrap_err();
        assert!(
            denial.message.ends_with(&format!("only to other bytes of the plugin ({OTHER})")),
            "{}",
            denial.message
        );
    }

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
