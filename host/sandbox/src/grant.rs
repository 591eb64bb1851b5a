//! What the user granted to plugins in `grants.toml`.

use serde::Deserialize;

use crate::ask::{Capabilities, FileUse, Half, ModelUse, WorkdirUse};
use crate::error::{Error, ErrorKind};
use crate::glob::Glob;
use crate::package::{Origin, Package};
use crate::site::Sites;
use crate::strict;

/// One entry of the grants file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    plugin: String,
    digest: String,
    /// For whom; absent: for every tenant that has no entry of its own.
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    inference: Option<ModelUse>,
    #[serde(default)]
    models: bool,
    #[serde(default)]
    model_control: bool,
    #[serde(default)]
    kv: bool,
    #[serde(default)]
    jobs: bool,
    #[serde(default)]
    data: bool,
    #[serde(default)]
    files: Vec<FileUse>,
    #[serde(default)]
    workdir: Option<WorkdirUse>,
    #[serde(default)]
    http: Vec<Sites>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    quota: Vec<String>,
    #[serde(default)]
    plugins: Vec<Glob>,
}

impl Entry {
    /// serde cannot refuse unknown keys in a structure that is part of another one, so the fields stand there twice.
    fn given(&self) -> Capabilities {
        let Self {
            plugin: _,
            digest: _,
            tenant: _,
            inference,
            models,
            model_control,
            kv,
            jobs,
            data,
            files,
            workdir,
            http,
            secrets,
            quota,
            plugins,
        } = self.clone();
        Capabilities {
            inference,
            models,
            model_control,
            kv,
            jobs,
            data,
            files,
            workdir,
            http,
            secrets,
            quota,
            plugins,
        }
    }

    fn name(&self) -> String {
        let tenant = self.tenant.as_ref().map(|tenant| format!(" for tenant {tenant:?}"));
        format!("plugin \"{}\"{}", self.plugin, tenant.unwrap_or_default())
    }
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
                    "{file}: the grant of {} has the digest \"{}\", which is not \"sha256:\" and 64 hexadecimal digits",
                    entry.name(),
                    entry.digest
                ))
                .with_hint("`inferno plugin list` shows the digest of each plugin"));
            }
            entry
                .given()
                .check(Half::Grant)
                .map_err(|problem| wrong(format!("{file}: the grant of {}: {problem}", entry.name())))?;
            let same = |other: &Entry| {
                other.plugin == entry.plugin && other.digest == entry.digest && other.tenant == entry.tenant
            };
            if entries[..index].iter().any(same) {
                return Err(wrong(format!(
                    "{file}: two grants are for {} with digest {}; make them one",
                    entry.name(),
                    entry.digest
                )));
            }
        }
        Ok(Self { entries })
    }

    /// What a package was granted where no entry is for the tenant. A plugin that is part of the program has what it
    /// asks for until an entry says otherwise; any other needs an entry.
    pub fn granted(&self, package: &Package) -> Granted {
        let manifest = package.manifest();
        self.of(&manifest.plugin.name, package.digest(), package.origin(), &manifest.asks, None)
    }

    /// What a package was granted for one tenant: by the entry for that tenant if there is one.
    pub fn granted_to(&self, package: &Package, tenant: &str) -> Granted {
        let manifest = package.manifest();
        self.of(&manifest.plugin.name, package.digest(), package.origin(), &manifest.asks, Some(tenant))
    }

    /// The tenants for which a package has entries of their own.
    pub fn tenants(&self, package: &Package) -> Vec<String> {
        let name = &package.manifest().plugin.name;
        let own =
            self.entries.iter().filter(|entry| entry.plugin == *name && entry.digest == package.digest());
        own.filter_map(|entry| entry.tenant.clone()).collect()
    }

    fn entries_of<'a>(&'a self, plugin: &'a str, tenant: Option<&'a str>) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.plugin == plugin && entry.tenant.as_deref() == tenant)
    }

    pub(crate) fn of(
        &self,
        plugin: &str,
        digest: &str,
        origin: &Origin,
        asked: &Capabilities,
        tenant: Option<&str>,
    ) -> Granted {
        let special = tenant.into_iter().flat_map(|tenant| self.entries_of(plugin, Some(tenant)));
        let mut entries = special.chain(self.entries_of(plugin, None));
        match entries.find(|entry| entry.digest == digest) {
            Some(entry) => {
                Granted { source: Source::Entry, tenant: entry.tenant.clone(), given: entry.given() }
            }
            None if *origin == Origin::Bundled => {
                Granted { source: Source::BuiltIn, tenant: None, given: asked.as_given() }
            }
            None => {
                let special = tenant.and_then(|tenant| self.entries_of(plugin, Some(tenant)).next());
                let other = special.or_else(|| self.entries_of(plugin, None).next());
                let source = other.map_or(Source::Nobody, |other| Source::OtherBytes(other.digest.clone()));
                Granted { source, tenant: None, given: Capabilities::default() }
            }
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
    /// The entry is for this tenant alone.
    pub tenant: Option<String>,
    /// What.
    pub given: Capabilities,
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

    fn granted(grants: &str, tenant: Option<&str>) -> Granted {
        let grants = Grants::parse("grants.toml", grants).unwrap();
        grants.of("a", DIGEST, &Origin::File("/p".into()), &Capabilities::default(), tenant)
    }

    #[test]
    fn a_tenants_own_entry_comes_before_the_one_for_all() {
        let head = format!("[[grant]]\nplugin='a'\ndigest='{DIGEST}'\n");
        let both = format!("{head}tenant='acme'\nmodels=true\n{head}kv=true\n");
        let acme = granted(&both, Some("acme"));
        assert!(acme.given.models && !acme.given.kv, "{acme:?}");
        assert_eq!(acme.tenant.as_deref(), Some("acme"));
        for tenant in [Some("other"), None] {
            let rest = granted(&both, tenant);
            assert!(rest.given.kv && !rest.given.models && rest.tenant.is_none(), "{rest:?}");
        }
        let one = format!("{head}tenant='acme'\nmodels=true\n");
        assert_eq!(granted(&one, Some("other")).source, Source::Nobody);
        assert_eq!(granted(&one, None).source, Source::Nobody);
    }

    #[test]
    fn what_is_given_has_to_make_sense() {
        let check = |line: &str, expect: &str| {
            let text = format!("[[grant]]\nplugin='a'\ndigest='{DIGEST}'\n{line}");
            let error = Grants::parse("grants.toml", &text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(
            "files=[{path='/d',access='read'}]",
            "the grant of plugin \"a\": files has no `host` for \"/d\"",
        );
        check("files=[{path='/d',access='all',host='/x'}]", "grants.toml:4: unknown variant `all`");
        check("workdir={access='write',why='x'}", "the grant of plugin \"a\": workdir has `why`");
        check("http=['https://*']", "grants.toml:4: \"https://*\" is no site");
        check("http=['*']", "the grant of plugin \"a\": http has \"*\"; name the sites");
        check("secrets=['*']", "the grant of plugin \"a\": secrets has \"*\"; name the secrets");
    }
}
