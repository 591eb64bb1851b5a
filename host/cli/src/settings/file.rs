//! One configuration file: which keys it sets, in which lines.

use std::path::Path;

use inferno_sandbox::Budget;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key};
use super::value::Raw;
use crate::failure::Failure;
use crate::suggest;

/// A key of the table, set by a file.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) key: &'static Key,
    pub(super) raw: Raw,
    pub(super) line: usize,
}

/// A key under `[plugins.NAME]`.
#[derive(Debug)]
pub(super) struct PluginLine {
    pub(super) plugin: String,
    pub(super) key: PluginKey,
    pub(super) line: usize,
}

/// What can be said about a plugin.
#[derive(Debug)]
pub(super) enum PluginKey {
    /// `enabled`.
    Enabled(bool),
    /// A key of `settings`, which only the plugin understands.
    Setting { name: String, value: serde_json::Value },
    /// A budget under `quota`.
    Quota { name: String, budget: Budget },
}

/// A key under `[tenants.NAME]`.
#[derive(Debug)]
pub(super) struct TenantLine {
    pub(super) tenant: String,
    pub(super) key: TenantKey,
    pub(super) line: usize,
}

/// What can be said about a tenant.
#[derive(Debug)]
pub(super) enum TenantKey {
    /// `plugins`: the only ones that serve it.
    Plugins(Vec<String>),
    /// A key of `settings.PLUGIN`, or a budget under `quota.PLUGIN`.
    Own { plugin: String, key: PluginKey },
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) lines: Vec<Line>,
    pub(super) plugins: Vec<PluginLine>,
    pub(super) tenants: Vec<TenantLine>,
}

/// Parses a file; every key in it is known afterwards.
pub(super) fn parse(path: &Path, text: &str) -> Result<Contents, Failure> {
    let source = Source { path, text };
    let document = DeTable::parse(text).map_err(|error| {
        let line = source.line(error.span().map_or(0, |span| span.start));
        Failure::usage(format!("{}:{line}: this is not TOML: {}", path.display(), error.message()))
    })?;
    let mut contents = Contents::default();
    source.table(document.get_ref(), "", &mut contents)?;
    Ok(contents)
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    }

    fn table(&self, table: &DeTable<'_>, prefix: &str, contents: &mut Contents) -> Result<(), Failure> {
        for (name, value) in table {
            let path = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let line = self.line(name.span().start);
            if let Some(key) = KEYS.iter().find(|key| key.name == path) {
                contents.lines.push(Line { key, raw: raw(value.get_ref()), line });
            } else if path == "plugins" {
                self.plugins(self.expect_table(value, &path, line)?, contents)?;
            } else if path == "tenants" {
                self.tenants(self.expect_table(value, &path, line)?, contents)?;
            } else if KEYS
                .iter()
                .any(|key| key.name.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')))
            {
                self.table(self.expect_table(value, &path, line)?, &path, contents)?;
            } else {
                return Err(self.unknown(&path, line));
            }
        }
        Ok(())
    }

    fn plugins(&self, plugins: &DeTable<'_>, contents: &mut Contents) -> Result<(), Failure> {
        for (plugin, value) in plugins {
            let line = self.line(plugin.span().start);
            let plugin = plugin.get_ref().as_ref();
            for (key, value) in self.expect_table(value, &format!("plugins.{plugin}"), line)? {
                let line = self.line(key.span().start);
                let path = format!("plugins.{plugin}.{}", key.get_ref());
                let mut add =
                    |key, line| contents.plugins.push(PluginLine { plugin: plugin.to_owned(), key, line });
                match key.get_ref().as_ref() {
                    "enabled" => add(PluginKey::Enabled(self.expect_boolean(value, &path, line)?), line),
                    "settings" | "quota" => {
                        for (key, at) in self.own(key.get_ref(), value, &path, line)? {
                            add(key, at);
                        }
                    }
                    _ => {
                        return Err(self.unknown_with(
                            &path,
                            line,
                            format!(
                                "there are `enabled`, [plugins.{plugin}.settings] and [plugins.{plugin}.quota]; what \
                                 a plugin may do is granted in grants.toml"
                            ),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The keys of a table of settings or of budgets.
    fn own(
        &self,
        kind: &str,
        value: &Spanned<DeValue<'_>>,
        path: &str,
        line: usize,
    ) -> Result<Vec<(PluginKey, usize)>, Failure> {
        let mut keys = Vec::new();
        for (name, value) in self.expect_table(value, path, line)? {
            let at = self.line(name.span().start);
            let name = name.get_ref().to_string();
            keys.push(match kind {
                "quota" => {
                    let budget = self.budget(value, &format!("{path}.{name}"), at)?;
                    (PluginKey::Quota { name, budget }, at)
                }
                _ => (PluginKey::Setting { name, value: json(value.get_ref()) }, at),
            });
        }
        Ok(keys)
    }

    fn budget(&self, value: &Spanned<DeValue<'_>>, path: &str, line: usize) -> Result<Budget, Failure> {
        serde_json::from_value(json(value.get_ref())).map_err(|error| {
            Failure::usage(format!("{}:{line}: `{path}` is no budget: {error}", self.path.display()))
                .hint("write it as { amount = 10000, per = \"24h\" }")
        })
    }

    fn tenants(&self, tenants: &DeTable<'_>, contents: &mut Contents) -> Result<(), Failure> {
        for (tenant, value) in tenants {
            let line = self.line(tenant.span().start);
            let tenant = tenant.get_ref().as_ref();
            for (key, value) in self.expect_table(value, &format!("tenants.{tenant}"), line)? {
                let line = self.line(key.span().start);
                let path = format!("tenants.{tenant}.{}", key.get_ref());
                let mut add =
                    |key, line| contents.tenants.push(TenantLine { tenant: tenant.to_owned(), key, line });
                match key.get_ref().as_ref() {
                    "plugins" => {
                        let names = value.get_ref().as_array().and_then(|names| {
                            names.iter().map(|name| Some(name.get_ref().as_str()?.to_owned())).collect()
                        });
                        let names: Vec<String> = names
                            .ok_or_else(|| self.wrong(value, &path, line, "a list of plugins' names"))?;
                        add(TenantKey::Plugins(names), line);
                    }
                    kind @ ("settings" | "quota") => {
                        for (plugin, value) in self.expect_table(value, &path, line)? {
                            let at = self.line(plugin.span().start);
                            let plugin = plugin.get_ref().as_ref();
                            for (key, at) in self.own(kind, value, &format!("{path}.{plugin}"), at)? {
                                add(TenantKey::Own { plugin: plugin.to_owned(), key }, at);
                            }
                        }
                    }
                    _ => {
                        return Err(self.unknown_with(
                            &path,
                            line,
                            format!(
                                "there are `plugins`, [tenants.{tenant}.settings.PLUGIN] and \
                                 [tenants.{tenant}.quota.PLUGIN]"
                            ),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn expect_boolean(&self, value: &Spanned<DeValue<'_>>, path: &str, line: usize) -> Result<bool, Failure> {
        value.get_ref().as_bool().ok_or_else(|| self.wrong(value, path, line, "true or false"))
    }

    fn expect_table<'v, 'i>(
        &self,
        value: &'v Spanned<DeValue<'i>>,
        path: &str,
        line: usize,
    ) -> Result<&'v DeTable<'i>, Failure> {
        value.get_ref().as_table().ok_or_else(|| self.wrong(value, path, line, "a table"))
    }

    fn wrong(&self, value: &Spanned<DeValue<'_>>, path: &str, line: usize, expected: &str) -> Failure {
        let found = raw(value.get_ref()).describe();
        Failure::usage(format!("{}:{line}: `{path}` must be {expected}, found {found}", self.path.display()))
    }

    fn unknown(&self, path: &str, line: usize) -> Failure {
        let near = suggest::near(path, KEYS.iter().map(|key| key.name));
        let hint = suggest::did_you_mean(&near)
            .unwrap_or_else(|| "`inferno config show` lists the keys that exist".to_owned());
        self.unknown_with(path, line, hint)
    }

    fn unknown_with(&self, path: &str, line: usize, hint: String) -> Failure {
        Failure::usage(format!("{}:{line}: unknown key `{path}`", self.path.display())).hint(hint)
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("integer that is too large"), Raw::Integer),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        other => Raw::Other(other.type_str()),
    }
}

/// A plugin's value as the JSON that it will see; dates become text.
fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.as_str().into(), Into::into),
        DeValue::Float(number) => {
            number.as_str().parse::<f64>().map_or_else(|_| number.as_str().into(), Into::into)
        }
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}
