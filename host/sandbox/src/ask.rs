//! What there is to ask for and to grant.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

use crate::glob::Glob;
use crate::site::{Sites, Target};

/// In the lists `http` and `secrets` of a manifest: whichever ones the user names. It grants nothing by itself.
const NAMED_BY_USER: &str = "*";

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

/// What may be done with the files of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Looking at them.
    Read,
    /// Making, changing and removing them as well.
    Write,
}

impl Access {
    pub(crate) fn permissions(self) -> wasmtime_wasi::FsPerms {
        match self {
            Self::Read => wasmtime_wasi::FsPerms::ReadOnly,
            Self::Write => wasmtime_wasi::FsPerms::ReadWrite,
        }
    }

    /// As it is written in TOML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The use of a folder. A manifest asks for a path inside the sandbox; a grant says which folder of the host that is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUse {
    /// Where the plugin finds it, such as `/docs`.
    pub path: String,
    /// What it may do there.
    pub access: Access,
    /// In a grant: the folder that it is.
    #[serde(default)]
    pub host: Option<PathBuf>,
    /// In a manifest: what for, in words for people.
    #[serde(default)]
    pub why: Option<String>,
}

/// The use of the folder in which the user runs the plugin as a command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkdirUse {
    /// What it may do there.
    pub access: Access,
    /// In a manifest: what for, in words for people.
    #[serde(default)]
    pub why: Option<String>,
}

/// Capabilities, as a manifest asks for them and as a user grants them. What is absent is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// Running models.
    pub inference: Option<ModelUse>,
    /// Looking at the installed models.
    pub models: bool,
    /// Loading and unloading models.
    pub model_control: bool,
    /// Small durable values.
    pub kv: bool,
    /// Runs of its own command for later.
    pub jobs: bool,
    /// A durable folder of its own, for each tenant one.
    pub data: bool,
    /// Folders.
    pub files: Vec<FileUse>,
    /// The folder in which it is run as a command.
    pub workdir: Option<WorkdirUse>,
    /// Sending HTTP requests to these sites. In a manifest `*` stands for those that the user names.
    pub http: Vec<Sites>,
    /// Secrets of these names. In a manifest `*` stands for those that the user names.
    pub secrets: Vec<String>,
    /// Budgets of these names.
    pub quota: Vec<String>,
    /// Calling other plugins of these names.
    pub plugins: Vec<Glob>,
}

/// What a call needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need<'a> {
    /// The use of this model.
    Inference(&'a str),
    Models,
    ModelControl,
    Kv,
    Jobs,
    /// A request to this target.
    Http(&'a Target),
    /// The secret of this name.
    Secret(&'a str),
    /// The budget of this name.
    Quota(&'a str),
    /// Calls of the plugin of this name.
    Plugin(&'a str),
}

impl Need<'_> {
    /// The key in `[asks]`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Inference(_) => "inference",
            Self::Models => "models",
            Self::ModelControl => "model_control",
            Self::Kv => "kv",
            Self::Jobs => "jobs",
            Self::Http(_) => "http",
            Self::Secret(_) => "secrets",
            Self::Quota(_) => "quota",
            Self::Plugin(_) => "plugins",
        }
    }

    /// What of it; nothing where there is nothing to choose.
    pub(crate) fn item(self) -> String {
        match self {
            Self::Models | Self::ModelControl | Self::Kv | Self::Jobs => String::new(),
            Self::Http(target) => target.to_string(),
            Self::Inference(name) | Self::Secret(name) | Self::Quota(name) | Self::Plugin(name) => {
                name.to_owned()
            }
        }
    }
}

/// Which half of the overlap something stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Ask,
    Grant,
}

impl Capabilities {
    /// One TOML line for each.
    pub fn to_toml(&self) -> String {
        let mut lines = String::new();
        if let Some(inference) = &self.inference {
            let _ = write!(lines, "inference = {{ models = [{}]", list(&inference.models, Glob::as_str));
            if let Some(tokens) = inference.tokens_per_call {
                let _ = write!(lines, ", tokens_per_call = {tokens}");
            }
            lines.push_str(" }\n");
        }
        let switches = [
            ("models", self.models),
            ("model_control", self.model_control),
            ("kv", self.kv),
            ("jobs", self.jobs),
            ("data", self.data),
        ];
        for (name, held) in switches {
            if held {
                let _ = writeln!(lines, "{name} = true");
            }
        }
        if !self.files.is_empty() {
            let uses: Vec<String> = self.files.iter().map(FileUse::to_toml).collect();
            let _ = writeln!(lines, "files = [{}]", uses.join(", "));
        }
        if let Some(workdir) = &self.workdir {
            let _ = writeln!(lines, "workdir = {}", workdir.to_toml());
        }
        let sites: Vec<String> = self.http.iter().map(ToString::to_string).collect();
        let lists = [
            ("http", list(&sites, String::as_str)),
            ("secrets", list(&self.secrets, String::as_str)),
            ("quota", list(&self.quota, String::as_str)),
            ("plugins", list(&self.plugins, Glob::as_str)),
        ];
        for (name, items) in lists {
            if !items.is_empty() {
                let _ = writeln!(lines, "{name} = [{items}]");
            }
        }
        lines
    }

    /// These as a grant of all that needs no more from the user, which is what a plugin has that is part of the program: which folders `files` means, and which sites and secrets
    /// `*` means, is for them to say, and reasons are the manifest's.
    pub fn as_given(&self) -> Self {
        let workdir = self.workdir.as_ref().map(|asked| WorkdirUse { access: asked.access, why: None });
        let mut given = Self { workdir, files: Vec::new(), ..self.clone() };
        given.http.retain(|sites| *sites != Sites::NamedByUser);
        given.secrets.retain(|name| name != NAMED_BY_USER);
        given
    }

    /// Finds what the types alone let through.
    pub(crate) fn check(&self, half: Half) -> Result<(), String> {
        for (index, file) in self.files.iter().enumerate() {
            file.check(half)?;
            if self.files[..index].iter().any(|other| other.path == file.path) {
                return Err(format!("files names {:?} twice", file.path));
            }
        }
        if half == Half::Grant && self.workdir.as_ref().is_some_and(|workdir| workdir.why.is_some()) {
            return Err("workdir has `why`; reasons belong into plugin.toml".to_owned());
        }
        if half == Half::Grant && self.http.contains(&Sites::NamedByUser) {
            return Err("http has \"*\"; name the sites, such as \"https://api.example.com\"".to_owned());
        }
        if half == Half::Grant && self.secrets.iter().any(|name| name == NAMED_BY_USER) {
            return Err("secrets has \"*\"; name the secrets, such as \"API_TOKEN\"".to_owned());
        }
        for (key, names) in [("secrets", &self.secrets), ("quota", &self.quota)] {
            let any = |name: &str| key == "secrets" && name == NAMED_BY_USER;
            if let Some(name) = names.iter().find(|name| !is_word(name) && !any(name)) {
                return Err(format!("{key} has {name:?}; use 1 to 64 letters, digits and -_."));
            }
        }
        Ok(())
    }

    /// Whether these, as an ask, cover what a call needs: `*` covers all that the user may name.
    pub(crate) fn asks_for(&self, need: Need<'_>) -> bool {
        match need {
            Need::Http(_) if self.http.contains(&Sites::NamedByUser) => true,
            Need::Secret(_) if self.secrets.iter().any(|name| name == NAMED_BY_USER) => true,
            _ => self.holds(need),
        }
    }

    /// Whether these, as a grant, cover what a call needs.
    pub(crate) fn holds(&self, need: Need<'_>) -> bool {
        let named = |names: &[String], name: &str| names.iter().any(|held| held == name);
        match need {
            Need::Inference(model) => self.allows_model(model),
            Need::Models => self.models,
            Need::ModelControl => self.model_control,
            Need::Kv => self.kv,
            Need::Jobs => self.jobs,
            Need::Http(target) => self.http.iter().any(|sites| sites.covers(target)),
            Need::Secret(name) => named(&self.secrets, name),
            Need::Quota(name) => named(&self.quota, name),
            Need::Plugin(name) => self.plugins.iter().any(|glob| glob.matches(name)),
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
            Need::ModelControl => all.model_control = true,
            Need::Kv => all.kv = true,
            Need::Jobs => all.jobs = true,
            Need::Inference(model) => {
                let inference = all
                    .inference
                    .get_or_insert_with(|| ModelUse { models: Vec::new(), tokens_per_call: None });
                inference.models.push(Glob(model.to_owned()));
            }
            Need::Http(target) => all.http.push(Sites::of(target)),
            Need::Secret(name) => all.secrets.push(name.to_owned()),
            Need::Quota(name) => all.quota.push(name.to_owned()),
            Need::Plugin(name) => all.plugins.push(Glob(name.to_owned())),
        }
        all
    }
}

impl FileUse {
    fn to_toml(&self) -> String {
        let mut text = format!("{{ path = {}", quoted(&self.path));
        if let Some(host) = &self.host {
            let _ = write!(text, ", host = {}", quoted(&host.to_string_lossy()));
        }
        let _ = write!(text, ", access = \"{}\"{} }}", self.access.as_str(), because(self.why.as_deref()));
        text
    }

    fn check(&self, half: Half) -> Result<(), String> {
        let path = &self.path;
        let fine = path.len() <= 200
            && path.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
                    && !rest.chars().any(|c| c.is_control() || c == '\\')
            });
        if !fine {
            return Err(format!(
                "files has the path {path:?}; write where the plugin finds the folder, such as \"/docs\""
            ));
        }
        match (half, &self.host, &self.why) {
            (Half::Ask, Some(_), _) => Err(format!(
                "files has `host` for {path:?}; which folder of the host it is, is for the user to say in grants.toml"
            )),
            (Half::Grant, None, _) => Err(format!(
                "files has no `host` for {path:?}; say which folder it is, such as host = \"/home/me/docs\""
            )),
            (Half::Grant, Some(host), _) if !host.is_absolute() => Err(format!(
                "files has host = {host:?} for {path:?}; write the whole path, beginning with a slash"
            )),
            (Half::Grant, _, Some(_)) => {
                Err(format!("files has `why` for {path:?}; reasons belong into plugin.toml"))
            }
            _ => Ok(()),
        }
    }
}

impl WorkdirUse {
    fn to_toml(&self) -> String {
        format!("{{ access = \"{}\"{} }}", self.access.as_str(), because(self.why.as_deref()))
    }
}

/// A reason, as it stands behind an access.
fn because(why: Option<&str>) -> String {
    why.map(|why| format!(", why = {}", quoted(why))).unwrap_or_default()
}

fn is_word(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn list<T>(items: &[T], text: impl Fn(&T) -> &str) -> String {
    items.iter().map(|item| quoted(text(item))).collect::<Vec<_>>().join(", ")
}

pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"inference = { models = ["a-*"], tokens_per_call = 5 }
models = true
model_control = true
kv = true
jobs = true
data = true
files = [{ path = "/docs", access = "read", why = 'to read "them"' }, { path = "/out", access = "write" }]
workdir = { access = "write", why = "your pipelines" }
http = ["https://api.example.com", "http://localhost:8080", "*"]
secrets = ["API_KEY", "*"]
quota = ["tokens"]
plugins = ["acme-*"]
"#;

    #[test]
    fn capabilities_are_written_as_they_are_read() {
        let all: Capabilities = toml::from_str(ALL).unwrap();
        all.check(Half::Ask).unwrap();
        assert_eq!(all.to_toml(), ALL);
        assert_eq!(Capabilities::default().to_toml(), "");
    }

    #[test]
    fn what_is_given_unasked_makes_a_grant() {
        let all: Capabilities = toml::from_str(ALL).unwrap();
        let given = all.as_given();
        given.check(Half::Grant).unwrap();
        assert_eq!(given.to_toml().lines().count(), ALL.lines().count() - 1, "all but the folders");
        assert!(given.to_toml().contains("\nworkdir = { access = \"write\" }\n"));
        let named =
            "\nhttp = [\"https://api.example.com\", \"http://localhost:8080\"]\nsecrets = [\"API_KEY\"]\n";
        assert!(
            given.to_toml().contains(named),
            "which ones the user means nobody knows: {}",
            given.to_toml()
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |half: Half, text: &str, expect: &str| {
            let error = toml::from_str::<Capabilities>(text).unwrap().check(half).unwrap_err();
            assert!(error.starts_with(expect), "{error}");
        };
        for path in ["docs", "/", "", "/a/", "/a//b", "/../a", "/a/./b", "/a\\n"] {
            let text = format!("files = [{{ path = \"{path}\", access = \"read\" }}]");
            check(Half::Ask, &text, "files has the path ");
        }
        let docs = "path = '/d', access = 'read'";
        check(Half::Ask, &format!("files = [{{ {docs}, host = '/x' }}]"), "files has `host` for \"/d\"");
        check(Half::Ask, &format!("files = [{{ {docs} }}, {{ {docs} }}]"), "files names \"/d\" twice");
        check(Half::Grant, &format!("files = [{{ {docs} }}]"), "files has no `host` for \"/d\"");
        check(Half::Grant, &format!("files = [{{ {docs}, host = 'x' }}]"), "files has host = \"x\"");
        check(Half::Grant, &format!("files = [{{ {docs}, host = '/x', why = 'y' }}]"), "files has `why`");
        check(Half::Grant, "workdir = { access = 'read', why = 'y' }", "workdir has `why`");
        check(Half::Grant, "http = ['https://a.com', '*']", "http has \"*\"; name the sites");
        check(Half::Grant, "secrets = ['*']", "secrets has \"*\"; name the secrets");
        check(Half::Ask, "quota = ['*']", "quota has \"*\"");
        check(Half::Ask, "secrets = ['a b']", "secrets has \"a b\"");
        check(Half::Ask, "quota = ['']", "quota has \"\"");
    }
}
