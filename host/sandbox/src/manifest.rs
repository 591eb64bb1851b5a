//! `plugin.toml`: who a plugin is, which roles it plays, what it asks for and how little it gets by with.

use serde::Deserialize;

use crate::ask::{Capabilities, Half};
use crate::error::{Error, ErrorKind};
use crate::limits::Lowered;
use crate::strict;

/// The version of the interfaces in `wit/` that this host speaks.
const WIT: &str = "0.1";

/// A manifest that has been read and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Who it is.
    pub plugin: About,
    /// The roles that it plays; at least one.
    #[serde(default)]
    pub roles: Roles,
    /// What it asks for.
    #[serde(default)]
    pub asks: Capabilities,
    /// What it asks for it, in words for people.
    #[serde(default)]
    pub why: Why,
    /// Limits below the host's.
    #[serde(default)]
    pub limits: Lowered,
}

/// The `[why]` table: a reason for each ask but `files` and `workdir`, which have theirs beside the access.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Why {
    /// Why it wants to run models; so too the others.
    pub inference: Option<String>,
    /// See [`Capabilities::models`].
    pub models: Option<String>,
    /// See [`Capabilities::model_control`].
    pub model_control: Option<String>,
    /// See [`Capabilities::kv`].
    pub kv: Option<String>,
    /// See [`Capabilities::jobs`].
    pub jobs: Option<String>,
    /// See [`Capabilities::data`].
    pub data: Option<String>,
    /// See [`Capabilities::http`].
    pub http: Option<String>,
    /// See [`Capabilities::secrets`].
    pub secrets: Option<String>,
    /// See [`Capabilities::quota`].
    pub quota: Option<String>,
    /// See [`Capabilities::plugins`].
    pub plugins: Option<String>,
}

impl Why {
    /// Each key of `[asks]`, whether it is asked for, and the reason.
    fn beside<'a>(&'a self, asks: &Capabilities) -> [(&'static str, bool, Option<&'a str>); 10] {
        let Self { inference, models, model_control, kv, jobs, data, http, secrets, quota, plugins } = self;
        [
            ("inference", asks.inference.is_some(), inference.as_deref()),
            ("models", asks.models, models.as_deref()),
            ("model_control", asks.model_control, model_control.as_deref()),
            ("kv", asks.kv, kv.as_deref()),
            ("jobs", asks.jobs, jobs.as_deref()),
            ("data", asks.data, data.as_deref()),
            ("http", !asks.http.is_empty(), http.as_deref()),
            ("secrets", !asks.secrets.is_empty(), secrets.as_deref()),
            ("quota", !asks.quota.is_empty(), quota.as_deref()),
            ("plugins", !asks.plugins.is_empty(), plugins.as_deref()),
        ]
    }
}

/// The `[plugin]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// Three numbers, as in `1.2.0`, and whatever follows a hyphen.
    pub version: String,
    /// One line for people.
    pub description: String,
    /// An SPDX expression.
    pub license: String,
    /// The version of the interfaces that it was built for.
    pub wit: String,
}

/// The `[roles]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// It answers HTTP requests.
    pub http: Option<HttpRole>,
    /// It is a verb of the command line.
    pub command: Option<CommandRole>,
    /// It stands around http plugins.
    pub filter: Option<FilterRole>,
    /// It works on the records of a pipeline.
    pub step: Option<BareRole>,
    /// It scores answers of a model.
    pub judge: Option<BareRole>,
    /// It turns models from one format into another.
    pub converter: Option<BareRole>,
    /// It says what can be installed.
    pub catalog: Option<BareRole>,
}

impl Roles {
    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.table().into_iter().filter(|(_, plays)| *plays).map(|(name, _)| name).collect()
    }

    /// Every role that there is, and whether it is played.
    fn table(&self) -> [(&'static str, bool); 7] {
        let Self { http, command, filter, step, judge, converter, catalog } = self;
        [
            ("http", http.is_some()),
            ("command", command.is_some()),
            ("filter", filter.is_some()),
            ("step", step.is_some()),
            ("judge", judge.is_some()),
            ("converter", converter.is_some()),
            ("catalog", catalog.is_some()),
        ]
    }
}

/// The `[roles.http]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRole {
    /// The paths under which it answers, such as `/v1`.
    pub mounts: Vec<String>,
    /// Single paths that it answers as well, and nothing below them. Where a plugin is mounted at the very path, that one
    /// answers.
    #[serde(default)]
    pub exact: Option<Vec<String>>,
    /// The paths at which it talks with clients over WebSockets, each under one of the mounts. The host makes one request
    /// of a connection: a line of its body is a message of the client, and a line of the answer's body a message to it.
    #[serde(default)]
    pub websockets: Option<Vec<String>>,
    /// How the host words its own refusals under these mounts. `$message` and `$kind` stand for JSON strings,
    /// `$status` for a number. Absent: RFC 9457 problem details.
    #[serde(default)]
    pub error_body: Option<String>,
}

/// The `[roles.command]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRole {
    /// The verbs by which it is called, such as `batch` for `inferno batch`. Absent: its name.
    #[serde(default)]
    pub verbs: Option<Vec<String>>,
}

/// The table of a role about which there is nothing to say but that it is played.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BareRole {}

/// The `[roles.filter]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterRole {
    /// The paths around which it stands, such as `/v1/chat/completions`, and all below them.
    pub applies_to: Vec<String>,
    /// What becomes of an exchange in which it fails.
    #[serde(default)]
    pub on_error: OnError,
}

/// What becomes of an exchange in which a filter fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It is refused; an answer under way breaks off.
    #[default]
    Refuse,
    /// It goes on as if the filter were not there.
    Pass,
}

impl Manifest {
    /// Reads the text of a `plugin.toml`; `file` is its name, for errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let manifest: Self =
            strict::from_toml(file, text).map_err(|message| Error::new(ErrorKind::Manifest, message))?;
        manifest.check().map_err(|problem| Error::new(ErrorKind::Manifest, format!("{file}: {problem}")))?;
        Ok(manifest)
    }

    /// The reason that it gives for a key of `[asks]`.
    pub fn reason(&self, key: &str) -> Option<&str> {
        let reasons = self.why.beside(&self.asks);
        reasons.into_iter().find_map(|(name, _, why)| why.filter(|_| name == key))
    }

    /// The verbs by which it is called as a command; none where it is no command.
    pub fn verbs(&self) -> Vec<&str> {
        match self.roles.command.as_ref().map(|command| command.verbs.as_deref()) {
            None => Vec::new(),
            Some(None) => vec![self.plugin.name.as_str()],
            Some(Some(verbs)) => verbs.iter().map(String::as_str).collect(),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.asks.check(Half::Ask).map_err(|problem| format!("asks.{problem}"))?;
        for (key, asked, why) in self.why.beside(&self.asks) {
            if why.is_some() && !asked {
                return Err(format!("why.{key} gives a reason, but [asks] does not ask for {key}"));
            }
        }
        let About { name, version, wit, .. } = &self.plugin;
        if !is_name(name) {
            return Err(format!(
                "plugin.name is {name:?}; use 1 to 64 lower-case letters, digits and hyphens, and begin with a letter"
            ));
        }
        if !is_version(version) {
            return Err(format!("plugin.version is {version:?}; write three numbers, such as \"1.2.0\""));
        }
        if wit != WIT {
            return Err(format!(
                "plugin.wit is \"{wit}\", but this host speaks \"{WIT}\"; use a version of the plugin built for \"{WIT}\", or another version of inferno"
            ));
        }
        if self.roles.names().is_empty() {
            let tables = self.roles.table().map(|(name, _)| format!("[roles.{name}]"));
            return Err(format!("the plugin plays no role; add at least one of {}", tables.join(", ")));
        }
        if let Some(http) = &self.roles.http {
            check_paths("roles.http.mounts", &http.mounts)?;
            http.exact.as_deref().map_or(Ok(()), |paths| check_exact(paths, &http.mounts))?;
            http.websockets.as_deref().map_or(Ok(()), |paths| check_websockets(paths, &http.mounts))?;
            http.error_body.as_deref().map_or(Ok(()), check_error_body)?;
        }
        if let Some(verbs) = self.roles.command.as_ref().and_then(|command| command.verbs.as_deref()) {
            check_verbs(verbs)?;
        }
        if self.asks.jobs && self.roles.command.is_none() {
            return Err("asks.jobs is for runs of the plugin's own command, and the plugin is none; add [roles.command]".to_owned());
        }
        if self.asks.workdir.is_some() && self.roles.command.is_none() {
            return Err("asks.workdir is the folder in which a command is run, and the plugin is none; add [roles.command], or ask for `files` or `data`".to_owned());
        }
        if let Some(filter) = &self.roles.filter {
            check_paths("roles.filter.applies_to", &filter.applies_to)?;
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_version(version: &str) -> bool {
    let numbers = version.split_once('-').map_or(version, |(numbers, _)| numbers);
    let parts: Vec<&str> = numbers.split('.').collect();
    version.len() <= 64
        && version.bytes().all(|b| b.is_ascii_graphic())
        && parts.len() == 3
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn check_paths(key: &str, paths: &[String]) -> Result<(), String> {
    if paths.is_empty() {
        return Err(format!("{key} is empty; name at least one path, such as \"/v1\""));
    }
    for (index, path) in paths.iter().enumerate() {
        let segments = path.strip_prefix('/');
        let fine = path == "/"
            || segments.is_some_and(|rest| {
                rest.split('/').all(|segment| {
                    !matches!(segment, "" | "." | "..")
                        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
                })
            });
        if !fine {
            return Err(format!(
                "{key} has {path:?}; write a path such as \"/v1\": letters, digits and -_.~ between slashes, none at the end"
            ));
        }
        if paths[..index].contains(path) {
            return Err(format!("{key} names {path:?} twice"));
        }
    }
    Ok(())
}

fn check_verbs(verbs: &[String]) -> Result<(), String> {
    if verbs.is_empty() {
        return Err(
            "roles.command.verbs is empty; name at least one, or leave it out: then it is the plugin's name"
                .to_owned(),
        );
    }
    for (index, verb) in verbs.iter().enumerate() {
        if !is_name(verb) {
            return Err(format!(
                "roles.command.verbs has {verb:?}; use 1 to 64 lower-case letters, digits and hyphens, and begin with a letter"
            ));
        }
        if verbs[..index].contains(verb) {
            return Err(format!("roles.command.verbs names {verb:?} twice"));
        }
    }
    Ok(())
}

fn check_exact(paths: &[String], mounts: &[String]) -> Result<(), String> {
    check_paths("roles.http.exact", paths)?;
    match paths.iter().find(|path| mounts.iter().any(|mount| lies_under(path, mount))) {
        Some(path) => Err(format!(
            "roles.http.exact has {path:?}, which lies under one of the plugin's mounts already; leave it out"
        )),
        None => Ok(()),
    }
}

fn lies_under(path: &str, mount: &str) -> bool {
    mount == "/" || path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn check_websockets(paths: &[String], mounts: &[String]) -> Result<(), String> {
    check_paths("roles.http.websockets", paths)?;
    match paths.iter().find(|path| !mounts.iter().any(|mount| lies_under(path, mount))) {
        Some(path) => Err(format!(
            "roles.http.websockets has {path:?}, which lies under none of the plugin's mounts; add {path:?} to roles.http.mounts"
        )),
        None => Ok(()),
    }
}

fn check_error_body(template: &str) -> Result<(), String> {
    for rest in template.split('$').skip(1) {
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        if !matches!(name.as_str(), "message" | "kind" | "status") {
            return Err(format!(
                "roles.http.error_body has \"${name}\"; it may use $message, $kind and $status"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::units::Size;

    pub(crate) const FULL: &str = r#"
[plugin]
name = "acme-redact"
version = "1.2.0"
description = "Masks e-mail addresses"
license = "MIT"
wit = "0.1"

[roles.http]
mounts = ["/v1", "/acme/x"]
error_body = '{"error":{"message":$message,"type":$kind,"code":$status}}'

[asks]
inference = { models = ["guard-*"], tokens_per_call = 512 }
kv = true

[limits]
memory = "32MiB"
"#;

    #[test]
    fn a_whole_manifest_is_read() {
        let manifest = Manifest::parse("plugin.toml", FULL).unwrap();
        assert_eq!(manifest.plugin.name, "acme-redact");
        assert_eq!(manifest.roles.names(), ["http"]);
        assert_eq!(manifest.roles.http.unwrap().mounts, ["/v1", "/acme/x"]);
        assert!(manifest.asks.kv && !manifest.asks.models);
        assert_eq!(manifest.limits.memory, Some(Size::mib(32)));
    }

    #[test]
    fn errors_say_what_and_where() {
        let check = |from: &str, to: &str, expect: &str| {
            assert!(FULL.contains(from), "{from}");
            let error = Manifest::parse("plugin.toml", &FULL.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Manifest);
            assert_eq!(error.to_string(), expect);
        };
        check("memory =", "memroy =", "plugin.toml:18: unknown key \"memroy\"; did you mean \"memory\"?");
        check("kv =", "vk =", "plugin.toml:15: unknown key \"vk\"; did you mean \"kv\"?");
        check("[roles.http]", "[roles.htpp]", "plugin.toml:9: unknown key \"htpp\"; did you mean \"http\"?");
        check(
            "kv = true",
            "network = true",
            "plugin.toml:15: unknown key \"network\"; known here: inference, models, model_control, kv, jobs, data, files, workdir, http, secrets, quota, plugins",
        );
        check("license = \"MIT\"\n", "", "plugin.toml:2: missing field `license`");
        check(
            "\"32MiB\"",
            "\"32MB\"",
            "plugin.toml:18: \"32MB\" is not a size; write a whole number and a unit, such as \"64MiB\" (B, KiB, MiB, GiB)",
        );
        check(
            "wit = \"0.1\"",
            "wit = \"0.2\"",
            "plugin.toml: plugin.wit is \"0.2\", but this host speaks \"0.1\"; use a version of the plugin built for \"0.1\", or another version of inferno",
        );
        check(
            "acme-redact",
            "../x",
            "plugin.toml: plugin.name is \"../x\"; use 1 to 64 lower-case letters, digits and hyphens, and begin with a letter",
        );
        check(
            "1.2.0",
            "1.2",
            "plugin.toml: plugin.version is \"1.2\"; write three numbers, such as \"1.2.0\"",
        );
        check(
            "$status}",
            "$code}",
            "plugin.toml: roles.http.error_body has \"$code\"; it may use $message, $kind and $status",
        );
        for (paths, expect) in [
            ("[]", "roles.http.exact is empty; name at least one path, such as \"/v1\""),
            (
                "[\"/\", \"/v1/a\"]",
                "roles.http.exact has \"/v1/a\", which lies under one of the plugin's mounts already; leave it out",
            ),
        ] {
            check("error_body", &format!("exact = {paths}\nerror_body"), &format!("plugin.toml: {expect}"));
        }
        for (paths, expect) in [
            (
                "[\"/v1x/talk\"]",
                "roles.http.websockets has \"/v1x/talk\", which lies under none of the plugin's mounts; add \"/v1x/talk\" to roles.http.mounts",
            ),
            ("[]", "roles.http.websockets is empty; name at least one path, such as \"/v1\""),
            (
                "[\"/v1/\"]",
                "roles.http.websockets has \"/v1/\"; write a path such as \"/v1\": letters, digits and -_.~ between slashes, none at the end",
            ),
        ] {
            let websockets = format!("websockets = {paths}\nerror_body");
            check("error_body", &websockets, &format!("plugin.toml: {expect}"));
        }
        check("\"/acme/x\"", "\"/v1\"", "plugin.toml: roles.http.mounts names \"/v1\" twice");
        for mount in ["v1", "/v1/", "/a/../b", "//", "/a b", ""] {
            let error =
                Manifest::parse("plugin.toml", &FULL.replacen("/acme/x", mount, 1)).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("plugin.toml: roles.http.mounts has {mount:?}; write a path")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_command_has_the_verbs_that_it_names_or_else_its_name() {
        let (head, _) = FULL.split_once("[roles.http]").unwrap();
        let verbs = |roles: &str| {
            let manifest =
                Manifest::parse("plugin.toml", &format!("{head}{roles}")).map_err(|e| e.to_string())?;
            Ok::<Vec<String>, String>(manifest.verbs().into_iter().map(str::to_owned).collect())
        };
        assert_eq!(verbs("[roles.command]").unwrap(), ["acme-redact"]);
        assert_eq!(verbs("[roles.command]\nverbs = ['redact', 'mask']").unwrap(), ["redact", "mask"]);
        assert_eq!(verbs("[roles.step]").unwrap(), [""; 0]);
        for (list, expect) in [
            ("[]", "roles.command.verbs is empty; name at least one"),
            ("['Redact']", "roles.command.verbs has \"Redact\"; use 1 to 64"),
            ("['a', '-b']", "roles.command.verbs has \"-b\"; use 1 to 64"),
            ("['a', 'a']", "roles.command.verbs names \"a\" twice"),
        ] {
            let error = verbs(&format!("[roles.command]\nverbs = {list}")).unwrap_err();
            assert!(error.starts_with(&format!("plugin.toml: {expect}")), "{error}");
        }
    }

    #[test]
    fn only_a_command_has_a_folder_in_which_it_is_run() {
        let (head, _) = FULL.split_once("[roles.http]").unwrap();
        let asks = "[asks]\nworkdir = { access = 'read', why = 'x' }\ndata = true\n[why]\ndata = 'y'";
        let command = Manifest::parse("plugin.toml", &format!("{head}[roles.command]\n{asks}")).unwrap();
        assert_eq!(command.reason("data"), Some("y"));
        assert_eq!(command.asks.workdir.unwrap().why.as_deref(), Some("x"));
        let error = Manifest::parse("plugin.toml", &format!("{head}[roles.step]\n{asks}")).unwrap_err();
        assert!(
            error.to_string().contains("asks.workdir is the folder in which a command is run"),
            "{error}"
        );
    }

    #[test]
    fn only_a_command_can_run_itself_later() {
        let (head, _) = FULL.split_once("[roles.http]").unwrap();
        let asks = "[asks]\njobs = true\n[why]\njobs = 'y'";
        let command = Manifest::parse("plugin.toml", &format!("{head}[roles.command]\n{asks}")).unwrap();
        assert_eq!(command.reason("jobs"), Some("y"));
        let error = Manifest::parse("plugin.toml", &format!("{head}[roles.step]\n{asks}")).unwrap_err();
        assert!(error.to_string().contains("asks.jobs is for runs of the plugin's own command"), "{error}");
    }

    #[test]
    fn a_plugin_plays_a_role() {
        let (head, _) = FULL.split_once("[roles.http]").unwrap();
        let error = Manifest::parse("plugin.toml", head).unwrap_err();
        assert_eq!(
            error.to_string(),
            "plugin.toml: the plugin plays no role; add at least one of [roles.http], [roles.command], \
             [roles.filter], [roles.step], [roles.judge], [roles.converter], [roles.catalog]"
        );
    }
}
