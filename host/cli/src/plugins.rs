//! Which plugins there are, with what they were granted: the bundled ones, those that were installed, and the folders in
//! the plugins directory, which are there for development. Of one name the last of these counts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use inferno_inference::Inference;
use inferno_plugins::Record;
use inferno_sandbox::{
    Capabilities, Config, Granted, Grants, Limits, Origin, Package, Plugin, PluginSets, Sandbox, Secrets,
    Services, Setup,
};
use inferno_store::Store;

use crate::bundled::PLUGINS;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::{suggest, verbs};

/// An installed plugin, not yet loaded.
pub(crate) struct Installed {
    pub(crate) package: Package,
    /// How it was installed; absent for a bundled one and for a folder in the plugins directory.
    pub(crate) record: Option<Record>,
    pub(crate) granted: Granted,
    /// What it was granted for those tenants that have an entry of their own.
    pub(crate) granted_to: BTreeMap<String, Granted>,
    /// The configuration does not turn it off.
    pub(crate) enabled: bool,
    /// It stands in the place of a bundled one.
    pub(crate) replaces_bundled: bool,
}

impl Installed {
    pub(crate) fn name(&self) -> &str {
        &self.package.manifest().plugin.name
    }

    /// It has something to do in a server: by itself, or on behalf of a plugin that has.
    pub(crate) fn serves(&self) -> bool {
        let roles = &self.package.manifest().roles;
        roles.http.is_some() || roles.filter.is_some() || roles.step.is_some() || roles.judge.is_some()
    }
}

/// What is installed, by name, and what is wrong with the rest.
pub(crate) struct Installation {
    pub(crate) plugins: BTreeMap<String, Installed>,
    /// A plugin with a problem is not there, not even as the bundled one: whoever replaced it wants no other.
    pub(crate) problems: BTreeMap<String, Failure>,
    /// What the configuration speaks of and nobody installed.
    pub(crate) missing: BTreeMap<String, Failure>,
    grants: Grants,
}

impl From<inferno_sandbox::Error> for Failure {
    fn from(error: inferno_sandbox::Error) -> Self {
        let failure = Self::new(&error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl Installation {
    /// Reads manifests and grants; no engine starts.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Failure> {
        let mut packages = BTreeMap::new();
        for plugin in PLUGINS {
            let package = Package::new(plugin.manifest, plugin.wasm, Origin::Bundled)?;
            packages.insert(package.manifest().plugin.name.clone(), package);
        }
        let bundled: Vec<String> = packages.keys().cloned().collect();
        let mut problems = BTreeMap::new();
        let mut records = BTreeMap::new();
        let installed = inferno_plugins::Installed::new(&settings.data_dir);
        for record in installed.list()? {
            let name = record.name.clone();
            match installed.package(&name) {
                Ok(package) => {
                    packages.insert(name.clone(), package);
                    records.insert(name, record);
                }
                Err(error) => {
                    packages.remove(&name);
                    problems.insert(name, error.into());
                }
            }
        }
        for name in folders(&settings.plugins_dir)? {
            records.remove(&name);
            problems.remove(&name);
            match open(&settings.plugins_dir, &name) {
                Ok(package) => {
                    packages.insert(name, package);
                }
                Err(failure) => {
                    packages.remove(&name);
                    problems.insert(name, failure);
                }
            }
        }
        packages.retain(|name, package| match verbs::taken(package.manifest()) {
            Some(failure) => {
                problems.insert(name.clone(), failure);
                false
            }
            None => true,
        });
        let grants = grants(settings)?;
        let plugins: BTreeMap<String, Installed> = packages
            .into_iter()
            .map(|(name, package)| {
                let installed = Installed {
                    record: records.remove(&name),
                    granted: grants.granted(&package),
                    granted_to: grants
                        .tenants(&package)
                        .into_iter()
                        .map(|tenant| (tenant.clone(), grants.granted_to(&package, &tenant)))
                        .collect(),
                    enabled: settings.plugins.get(&name).is_none_or(|plugin| plugin.enabled),
                    replaces_bundled: *package.origin() != Origin::Bundled && bundled.contains(&name),
                    package,
                };
                (name, installed)
            })
            .collect();
        let of_tenants = settings.tenants.values().flat_map(|tenant| tenant.plugins.iter().flatten());
        let missing = settings
            .plugins
            .keys()
            .chain(of_tenants)
            .filter(|name| !plugins.contains_key(*name) && !problems.contains_key(*name))
            .map(|name| (name.clone(), configured_but_missing(name, &plugins)))
            .collect();
        Ok(Self { plugins, problems, missing, grants })
    }

    /// The plugin of this name, or what is wrong with it.
    pub(crate) fn find(&self, name: &str) -> Result<&Installed, Failure> {
        if let Some(failure) = self.problems.get(name) {
            return Err(failure.clone());
        }
        self.plugins.get(name).ok_or_else(|| {
            let near = suggest::near(name, self.plugins.keys().map(String::as_str));
            Failure::new(format!("no plugin is called `{name}`")).hint(
                suggest::did_you_mean(&near)
                    .unwrap_or_else(|| "`inferno plugin list` shows those that are".to_owned()),
            )
        })
    }

    /// Fails at the first problem: a server that runs without a plugin that was set up is not what was asked for.
    pub(crate) fn sound(self) -> Result<Self, Failure> {
        match self.problems.values().chain(self.missing.values()).next() {
            Some(failure) => Err(failure.clone()),
            None => Ok(self),
        }
    }

    /// Loads one of them.
    pub(crate) fn load(
        &self,
        sandbox: &Sandbox,
        settings: &Settings,
        plugin: &Installed,
    ) -> Result<Plugin, Failure> {
        self.load_package(sandbox, settings, &plugin.package)
    }

    /// Loads a package, installed or not, with what was granted to it.
    pub(crate) fn load_package(
        &self,
        sandbox: &Sandbox,
        settings: &Settings,
        package: &Package,
    ) -> Result<Plugin, Failure> {
        let setup = setup(settings, &package.manifest().plugin.name);
        Ok(sandbox.load(package.clone(), &self.grants, setup)?)
    }

    /// Loads those that others may put to work on behalf of one that is about to run, where it asks for any.
    pub(crate) fn load_callees(
        &self,
        sandbox: &Sandbox,
        settings: &Settings,
        caller: &Installed,
    ) -> Result<(), Failure> {
        if caller.package.manifest().asks.plugins.is_empty() {
            return Ok(());
        }
        let callable = |plugin: &&Installed| {
            let roles = &plugin.package.manifest().roles;
            plugin.enabled && (roles.step.is_some() || roles.judge.is_some() || roles.converter.is_some())
        };
        for plugin in self.plugins.values().filter(callable) {
            sandbox.registry().insert(self.load(sandbox, settings, plugin)?);
        }
        Ok(())
    }
}

/// What the configuration says about a plugin, for all tenants and for single ones.
fn setup(settings: &Settings, name: &str) -> Setup {
    Setup {
        all: settings.plugins.get(name).map(|plugin| plugin.own.clone()).unwrap_or_default(),
        tenants: settings
            .tenants
            .iter()
            .filter_map(|(tenant, configured)| Some((tenant.clone(), configured.own.get(name)?.clone())))
            .collect(),
    }
}

/// The sets of those tenants that have one.
fn sets(settings: &Settings) -> PluginSets {
    let tenants = settings.tenants.iter();
    let own = tenants.filter_map(|(tenant, configured)| Some((tenant, configured.plugins.as_ref()?)));
    own.map(|(tenant, plugins)| (tenant.clone(), plugins.iter().cloned().collect())).collect()
}

/// Where plugins run, with the limits of the configuration.
pub(crate) fn sandbox(settings: &Settings, inference: Inference, store: Store) -> Result<Sandbox, Failure> {
    let shared = |limits: Limits| Limits {
        memory: settings.limits_memory,
        host_call_data: settings.limits_host_call_data,
        concurrent_calls: settings.limits_concurrent_calls,
        ..limits
    };
    let config = Config {
        cache_dir: settings.cache_dir.clone(),
        limits: Limits {
            compute: settings.limits_compute,
            wall: settings.limits_wall,
            host_calls: settings.limits_host_calls,
            ..shared(Limits::default())
        },
        // A person waits for a command and can stop it: it has more time than a request.
        command_limits: Limits {
            compute: settings.limits_command_compute.0,
            wall: settings.limits_command_wall.0,
            host_calls: settings.limits_command_host_calls.0,
            model_tokens: settings.limits_command_model_tokens.0,
            ..shared(Limits::for_commands())
        },
        calls: settings.limits_calls,
        sets: sets(settings),
        data_dir: Some(data_dir(settings)),
        reserved: reserved(settings),
    };
    let secrets = Secrets::open(&settings.data_dir.join("secrets.toml"))?;
    Ok(Sandbox::new(
        config,
        Services { secrets, jobs_per_plugin: settings.jobs_per_plugin, ..Services::new(inference, store) },
    )?)
}

/// Where plugins have folders of their own.
pub(crate) fn data_dir(settings: &Settings) -> PathBuf {
    settings.data_dir.join("plugin-data")
}

/// Where files lie that no command may see, whatever folder it is run in: what says who may do what, code, and models.
fn reserved(settings: &Settings) -> Vec<PathBuf> {
    let Settings { data_dir, cache_dir, plugins_dir, backends_dir, models_dir, huggingface_dir, .. } =
        settings;
    let folders = [data_dir, cache_dir, plugins_dir, backends_dir, models_dir, huggingface_dir];
    folders.into_iter().chain(&settings.user_files).cloned().collect()
}

/// Capabilities for programs, as they stand in a grant. What is absent is denied.
pub(crate) fn as_json(capabilities: &Capabilities) -> serde_json::Value {
    let table: Option<toml::Table> = capabilities.to_toml().parse().ok();
    let mut value = serde_json::to_value(table.unwrap_or_default()).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        for key in ["models", "kv"] {
            object.entry(key).or_insert(false.into());
        }
        object.entry("inference").or_insert(serde_json::Value::Null);
    }
    value
}

fn folders(directory: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error: io::Error| {
        Failure::new(format!("cannot read the plugins directory {}: {error}", directory.display()))
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Hidden folders and files beside the folders, such as a README, are nobody's plugin.
        if !name.starts_with('.') && entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn open(directory: &Path, name: &str) -> Result<Package, Failure> {
    let folder = directory.join(name);
    let package = Package::open(&folder)?;
    let own = &package.manifest().plugin.name;
    if own != name {
        return Err(Failure::new(format!(
            "{}: the plugin calls itself `{own}`, but its folder is called `{name}`",
            folder.display()
        ))
        .hint(format!("rename the folder to {}", directory.join(own).display())));
    }
    Ok(package)
}

fn grants(settings: &Settings) -> Result<Grants, Failure> {
    let path = settings.data_dir.join("grants.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Grants::parse(&path.display().to_string(), &text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Grants::default()),
        Err(error) => Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
    }
}

fn configured_but_missing(name: &str, plugins: &BTreeMap<String, Installed>) -> Failure {
    let near = suggest::near(name, plugins.keys().map(String::as_str));
    Failure::usage(format!("the configuration speaks of the plugin `{name}`, which is not installed")).hint(
        suggest::did_you_mean(&near).unwrap_or_else(|| {
            "`inferno plugin list` shows those that are; `inferno config show` says where the lines are"
                .to_owned()
        }),
    )
}
