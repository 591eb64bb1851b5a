//! The sources, and which one has the last word on a key.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::Environment;
use super::file;
use super::keys::{KEYS, Key};
use super::own::{PluginSettings, TenantSettings};
use super::value::{Place, Raw, Setting};
use crate::failure::Failure;
use crate::suggest;

/// Configuration files larger than this are not ours.
const FILE_LIMIT: u64 = 1 << 20;

/// A key set on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The option that set it, such as `--port`.
    pub(crate) option: &'static str,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    CommandLine { option: &'static str },
    Variable { name: String },
    File { path: PathBuf, line: usize },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine { option } => write!(f, "{option} on the command line"),
            Self::Variable { name } => write!(f, "{name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => write!(f, "default"),
        }
    }
}

/// A resolved value with its origin, for `config show`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// One key in one source.
struct Set {
    key: &'static Key,
    raw: Raw,
    origin: Origin,
    base: PathBuf,
}

/// All sources, highest first.
pub(super) struct Layers {
    sets: Vec<Set>,
    home: PathBuf,
    pub(super) entries: Vec<Entry>,
    pub(super) plugins: BTreeMap<String, PluginSettings>,
    pub(super) tenants: BTreeMap<String, TenantSettings>,
}

impl Layers {
    pub(super) fn read(environment: &Environment, overrides: &[Override]) -> Result<Self, Failure> {
        let mut layers = Self {
            sets: Vec::new(),
            home: environment.home.clone(),
            entries: Vec::new(),
            plugins: BTreeMap::new(),
            tenants: BTreeMap::new(),
        };
        let mut plugin_entries = Vec::new();
        layers.command_line(environment, overrides)?;
        layers.variables(environment)?;
        if let Some(path) = environment.project_file() {
            layers.file(&path, Trust::Project, &mut plugin_entries)?;
        }
        layers.file(&environment.home_file(), Trust::User, &mut plugin_entries)?;
        layers.file(&environment.user_file(), Trust::User, &mut plugin_entries)?;
        layers.entries = plugin_entries;
        Ok(layers)
    }

    fn command_line(&mut self, environment: &Environment, overrides: &[Override]) -> Result<(), Failure> {
        for Override { option, key: name, value } in overrides {
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                let near = suggest::near(name, KEYS.iter().map(|key| key.name));
                return Err(Failure::usage(format!("unknown key `{name}` in {option}")).hint(
                    suggest::did_you_mean(&near)
                        .unwrap_or_else(|| "`inferno config show` lists the keys that exist".to_owned()),
                ));
            };
            self.sets.push(Set {
                key,
                raw: Raw::Words(value.clone()),
                origin: Origin::CommandLine { option },
                base: environment.directory.clone(),
            });
        }
        // Of two equal options the later one counts, as everywhere.
        self.sets.reverse();
        Ok(())
    }

    fn variables(&mut self, environment: &Environment) -> Result<(), Failure> {
        for name in environment.variables.keys() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("INFERNO_")) else { continue };
            let Some(value) = environment.variable(name) else { continue };
            let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
                let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
                let near = suggest::near(name, variables.iter().map(String::as_str));
                return Err(Failure::usage(format!("unknown variable {name}")).hint(
                    suggest::did_you_mean(&near).unwrap_or_else(|| {
                        format!("unset {name}; variables that begin with INFERNO_ are Inferno's own")
                    }),
                ));
            };
            let value = value.to_str().ok_or_else(|| Failure::usage(format!("{name} is not valid UTF-8")))?;
            self.sets.push(Set {
                key,
                raw: Raw::Words(value.to_owned()),
                origin: Origin::Variable { name: name.to_owned() },
                base: environment.directory.clone(),
            });
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, trust: Trust, plugin_entries: &mut Vec<Entry>) -> Result<(), Failure> {
        let Some(text) = read_bounded(path)? else { return Ok(()) };
        let contents = file::parse(path, &text)?;
        let base = path.parent().unwrap_or(path);
        for file::Line { key, raw, line } in contents.lines {
            if trust == Trust::Project && key.user_only {
                return Err(refused_in_project(path, line, key));
            }
            let origin = Origin::File { path: path.to_owned(), line };
            self.sets.push(Set { key, raw, origin, base: base.to_owned() });
        }
        for file::PluginLine { plugin, key, line } in contents.plugins {
            if trust == Trust::Project && matches!(key, file::PluginKey::Quota { .. }) {
                return Err(policy_in_project(path, line));
            }
            let settings = self.plugins.entry(plugin.clone()).or_default();
            let origin = Origin::File { path: path.to_owned(), line };
            plugin_entries.extend(settings.set(&format!("plugins.{plugin}"), key, origin));
        }
        for file::TenantLine { tenant, key, line } in contents.tenants {
            if trust == Trust::Project {
                return Err(policy_in_project(path, line));
            }
            let settings = self.tenants.entry(tenant.clone()).or_default();
            let origin = Origin::File { path: path.to_owned(), line };
            plugin_entries.extend(settings.set(&tenant, key, origin));
        }
        Ok(())
    }

    /// The value of a key and a note of where it came from. A source that is overruled must still make sense.
    pub(super) fn take<T: Setting>(
        &mut self,
        name: &'static str,
        default: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        let mut winner = None;
        for set in self.sets.iter().filter(|set| set.key.name == name) {
            let place = Place { base: &set.base, home: &self.home };
            let value = T::read(&set.raw, place).ok_or_else(|| wrong(set, T::EXPECTED))?;
            if winner.is_none() {
                winner = Some((value, set.origin.clone()));
            }
        }
        let (value, origin) = winner.unwrap_or_else(|| (default(), Origin::Default));
        self.entries.push(Entry { key: name.to_owned(), value: value.show(), origin });
        Ok(value)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    User,
    Project,
}

fn wrong(set: &Set, expected: &str) -> Failure {
    let found = set.raw.describe();
    Failure::usage(match &set.origin {
        Origin::Variable { name } => format!("{name} must be {expected}, found {found}"),
        origin => format!("{origin}: `{}` must be {expected}, found {found}", set.key.name),
    })
}

/// Native code, grants and compiled components lie under these paths. A directory that somebody else filled, such as a
/// repository just cloned, must not be able to say where they are taken from.
fn refused_in_project(path: &Path, line: usize, key: &Key) -> Failure {
    Failure::usage(format!("{}:{line}: `{}` cannot be set by a project's file", path.display(), key.name)).hint(
        format!(
            "code is loaded from there; set it in ~/.inferno.toml or ~/.config/inferno/config.toml, with {} or with --config {}=...",
            key.variable(),
            key.name,
        ),
    )
}

fn read_bounded(path: &Path) -> Result<Option<String>, Failure> {
    let failed = |error: io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    if size > FILE_LIMIT {
        return Err(Failure::usage(format!(
            "{} is {size} bytes long, too long for a configuration",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map(Some).map_err(failed)
}

/// Who may use what, and how much of it, is not for a repository just cloned to say.
fn policy_in_project(path: &Path, line: usize) -> Failure {
    Failure::usage(format!("{}:{line}: tenants and quotas cannot be set by a project's file", path.display()))
        .hint("set them in ~/.inferno.toml or ~/.config/inferno/config.toml")
}
