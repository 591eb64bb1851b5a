//! What a plugin asks for, one thing at a time: for the question at consent, for differences, for sentences.
//!
//! Everything that is known about a capability stands in one place, its [`Kind`]; [`KINDS`] lists them. Values travel
//! as TOML, in the form that manifests and grants have in common, so that nothing else here changes with a new one.

mod files;
mod globs;
mod inference;
mod list;
mod sites;
mod switch;
mod workdir;

use inferno_sandbox::{Capabilities, Manifest};
use serde::Serialize;
use toml::{Table, Value};

use crate::error::{Error, ErrorKind};
use crate::text::{visible, visible_lines};

use files::Files;
use inference::Inference;
use list::{List, Named};
use switch::Switch;
use workdir::Workdir;

/// One thing that a plugin asks for. All text in it is harmless to show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ask {
    /// The key in `[asks]`, such as `inference`.
    pub key: String,
    /// What of it, such as `small-*`; absent where there is nothing to choose.
    pub item: Option<String>,
    /// What it lets the plugin do, as the end of "It may ...".
    pub sentence: String,
    /// The reason that the plugin gives.
    pub why: Option<String>,
    /// What grants just this, as a word for `--grant`. Where the user has to name something, it has a blank.
    pub word: String,
    /// What stands in the word for what the user has to name, such as `FOLDER`.
    pub blank: Option<&'static str>,
    /// In the form of `[asks]`.
    #[serde(skip)]
    pub(crate) value: Value,
}

/// All that is known about a capability.
pub(crate) trait Kind: Sync {
    /// Its key in `[asks]` and in a grant.
    fn key(&self) -> &'static str;
    /// The interfaces through which it is used, without their versions; none where importing them says nothing.
    fn interfaces(&self) -> &'static [&'static str];
    /// What a plugin can never do without it, as the end of "It can never ...".
    fn never(&self) -> &'static str;
    /// The single things in a value.
    fn split(&self, value: &Value) -> Vec<Ask>;
    /// All of what is asked for, as it would be granted. An error where the user has to say more.
    fn whole(&self, asked: &Value) -> Result<Value, String> {
        Ok(asked.clone())
    }
    /// What a word such as `small-*` in `--grant inference=small-*` gives to a plugin that asks for this.
    fn parse(&self, word: &str, asked: &Value) -> Result<Value, String>;
    /// What a word takes back from what is held.
    fn pick(&self, word: &str, held: &Value) -> Result<Value, String> {
        self.parse(word, held)
    }
    /// Both values together. What limits a held value limits the sum.
    fn union(&self, held: &Value, more: &Value) -> Value;
    /// What is left of a value without this one; `None` if nothing is. An error if the form of a value cannot say it.
    fn without(&self, held: &Value, less: &Value) -> Result<Option<Value>, String>;
    /// Whether a value allows nothing that the bound does not allow. When in doubt, no.
    fn within(&self, value: &Value, bound: &Value) -> bool;
    /// Whether there is something that both allow. When in doubt, yes.
    fn meets(&self, value: &Value, other: &Value) -> bool;
}

/// The capabilities, in the order in which they are shown.
pub(crate) const KINDS: &[&dyn Kind] = &[
    &Inference,
    &Switch {
        key: "models",
        interfaces: &["inferno:host/models"],
        sentence: "see which models are installed",
        never: "see which models are installed",
    },
    &Switch {
        key: "model_control",
        interfaces: &["inferno:host/loading"],
        sentence: "load and unload models, and say how long they stay",
        never: "load or unload models",
    },
    &Switch {
        key: "kv",
        interfaces: &["inferno:host/kv"],
        sentence: "keep small values between calls, apart for each tenant",
        never: "keep values between calls",
    },
    &Switch {
        key: "jobs",
        interfaces: &["inferno:host/jobs"],
        sentence: "run its own command later, while you may be away",
        never: "run by itself later",
    },
    &Switch {
        key: "data",
        // As for folders, importing wasi:filesystem says nothing.
        interfaces: &[],
        sentence: "keep files in a folder of its own, apart for each tenant",
        never: "keep files of its own",
    },
    &Workdir,
    &Files,
    &List {
        key: "http",
        interfaces: &["wasi:http/client", "wasi:http/outgoing-handler"],
        sentence: |site| match site.split_once("://*.") {
            Some((scheme, rest)) => format!("send requests to every host under {rest} ({scheme})"),
            None => format!("send requests to {site}"),
        },
        never: "reach the network",
        read: sites::read,
        covers: sites::covers,
        meet: sites::meet,
        named: Some(Named { blank: "SITE", sentence: "send requests to sites that you name" }),
    },
    &List {
        key: "secrets",
        interfaces: &["inferno:host/secrets"],
        sentence: |name| format!("read the secret \"{name}\""),
        never: "read a secret of yours",
        read: list::word,
        covers: list::equal,
        meet: list::equal,
        named: Some(Named { blank: "NAME", sentence: "read secrets that you name" }),
    },
    &List {
        key: "quota",
        interfaces: &["inferno:host/quota"],
        sentence: |name| format!("spend from the budget \"{name}\""),
        never: "spend from a budget of yours",
        read: list::word,
        covers: list::equal,
        meet: list::equal,
        named: None,
    },
    &List {
        key: "plugins",
        interfaces: &["inferno:host/plugins"],
        sentence: |pattern| match pattern {
            "*" => "call every other plugin".to_owned(),
            name if name.contains(['*', '?']) => format!("call the plugins whose names match \"{name}\""),
            name => format!("call the plugin \"{name}\""),
        },
        never: "call other plugins",
        read: globs::read,
        covers: globs::covers,
        meet: globs::meet,
        named: None,
    },
];

pub(crate) fn kind(key: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.key() == key)
}

/// What a plugin asks for, one thing at a time, with its reasons.
pub fn asks(manifest: &Manifest) -> Result<Vec<Ask>, Error> {
    let mut asks = asks_of(&manifest.asks)?;
    for ask in &mut asks {
        ask.why = ask.why.take().or_else(|| manifest.reason(&ask.key).map(visible));
    }
    Ok(asks)
}

pub(crate) fn asks_of(asked: &Capabilities) -> Result<Vec<Ask>, Error> {
    let table = to_table(asked)?;
    let known = KINDS.iter().flat_map(|kind| match table.get(kind.key()) {
        Some(value) => kind.split(value),
        None => Vec::new(),
    });
    // A capability that nobody described here is shown as it is written, rather than passed over.
    let unknown = table.iter().filter(|(key, _)| kind(key).is_none()).map(|(key, value)| {
        let sentence = visible_lines(&format!("use {key}: {value}"));
        Ask { sentence, ..Ask::new(key, None, value.clone()) }
    });
    Ok(known.chain(unknown).collect())
}

impl Ask {
    /// The ask for this item, still without a sentence.
    fn new(key: &str, item: Option<&str>, value: Value) -> Self {
        let item = item.map(visible);
        let word = match &item {
            Some(item) => format!("{key}={item}"),
            None => key.to_owned(),
        };
        let (key, sentence) = (key.to_owned(), String::new());
        Self { key, item, sentence, why: None, word, blank: None, value }
    }
}

/// Capabilities as TOML.
pub(crate) fn to_table(capabilities: &Capabilities) -> Result<Table, Error> {
    toml::from_str(&capabilities.to_toml())
        .map_err(|error| Error::new(ErrorKind::Grants, format!("these capabilities are not TOML: {error}")))
}

/// Capabilities from TOML.
pub(crate) fn from_table(table: Table) -> Result<Capabilities, Error> {
    Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| Error::new(ErrorKind::Grants, visible_lines(error.message())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installed::fixture;

    /// serde lists the keys that a type knows when it meets one that it does not.
    fn known_to_the_sandbox() -> Vec<String> {
        let error = toml::from_str::<Capabilities>("no-such-key = 1").unwrap_err().to_string();
        let (_, list) = error.split_once("expected one of ").unwrap();
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_capability_is_described() {
        let mut described: Vec<_> = KINDS.iter().map(|kind| kind.key().to_owned()).collect();
        let mut known = known_to_the_sandbox();
        described.sort();
        known.sort();
        assert_eq!(described, known, "add a Kind for each capability of the sandbox");
    }

    const ALL: &str = "inference = { models = ['a-*', 'b'], tokens_per_call = 5 }\nkv = true\njobs = true\ndata = true\nmodels = true\n\
        files = [{ path = '/dict', access = 'read', why = 'words' }, { path = '/out', access = 'write' }]\n\
        workdir = { access = 'write', why = 'your pipelines' }\n\
        http = ['https://api.example.com', 'https://*.example.org', '*']\nsecrets = ['TOKEN', '*']\nquota = ['daily']\n\
        plugins = ['acme-*', '*']\n[why]\nkv = \"to\\u001b remember\"\ndata = 'its index'";

    #[test]
    fn asks_one_at_a_time() {
        let manifest = Manifest::parse("plugin.toml", &fixture::manifest("1.0.0", ALL)).unwrap();
        let asks = asks(&manifest).unwrap();
        let lines: Vec<_> = asks.iter().map(|ask| format!("{}: {}", ask.word, ask.sentence)).collect();
        assert_eq!(
            lines,
            [
                "inference=a-*: run the models whose names match \"a-*\", for at most 5 tokens per request",
                "inference=b: run the model \"b\", for at most 5 tokens per request",
                "models: see which models are installed",
                "kv: keep small values between calls, apart for each tenant",
                "jobs: run its own command later, while you may be away",
                "data: keep files in a folder of its own, apart for each tenant",
                "workdir=write: read, make, change and remove the files of the folder in which you run it",
                "files=/dict=FOLDER:ro: read the files of a folder that you name, which it sees as \"/dict\"",
                "files=/out=FOLDER:rw: read, make, change and remove files in a folder that you name, which it sees as \"/out\"",
                "http=https://api.example.com: send requests to https://api.example.com",
                "http=https://*.example.org: send requests to every host under example.org (https)",
                "http=SITE: send requests to sites that you name",
                "secrets=TOKEN: read the secret \"TOKEN\"",
                "secrets=NAME: read secrets that you name",
                "quota=daily: spend from the budget \"daily\"",
                "plugins=acme-*: call the plugins whose names match \"acme-*\"",
                "plugins=*: call every other plugin",
            ]
        );
        assert_eq!(asks[3].why.as_deref(), Some("to\\u{1b} remember"));
        assert_eq!(asks[5].why.as_deref(), Some("its index"));
        assert_eq!((asks[6].why.as_deref(), asks[6].blank), (Some("your pipelines"), None));
        assert_eq!((asks[7].why.as_deref(), asks[7].blank), (Some("words"), Some("FOLDER")));
        assert_eq!(asks[8].why, None);
        let blanks: Vec<_> = asks[9..].iter().filter_map(|ask| ask.blank).collect();
        assert_eq!(blanks, ["SITE", "NAME"]);
    }

    #[test]
    fn capabilities_survive_as_a_table() {
        let (all, _) = ALL.split_once("\n[why]").unwrap();
        for text in ["", "kv = true", "models = true\ninference = { models = ['*'] }", all] {
            let caps: Capabilities = toml::from_str(text).unwrap();
            assert_eq!(from_table(to_table(&caps).unwrap()).unwrap(), caps);
        }
    }
}
