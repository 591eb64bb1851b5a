//! The plugins that are at hand by name: for the server, which routes requests to them, and for one another.
//!
//! Putting another version in a plugin's place changes nothing for calls that have begun: they hold the version that
//! they began with, and end on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::plugin::Plugin;

/// The only plugins that work for those tenants that are named here.
pub type PluginSets = BTreeMap<String, BTreeSet<String>>;

/// Loaded plugins by name. Clones are one.
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    plugins: RwLock<BTreeMap<String, Plugin>>,
    sets: PluginSets,
    generation: AtomicU64,
}

/// A way to a registry that does not keep it alive: plugins have one, and the registry has the plugins.
#[derive(Clone)]
pub(crate) struct Directory(Weak<Inner>);

impl Registry {
    pub(crate) fn new(sets: PluginSets) -> Self {
        Self(Arc::new(Inner { sets, ..Inner::default() }))
    }

    /// Puts a plugin in, in the place of one with its name, which is returned.
    pub fn insert(&self, plugin: Plugin) -> Option<Plugin> {
        self.change(|plugins| plugins.insert(plugin.name().to_owned(), plugin))
    }

    /// Takes a plugin out. Calls that have begun end as they would have.
    pub fn remove(&self, name: &str) -> Option<Plugin> {
        self.change(|plugins| plugins.remove(name))
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<Plugin> {
        self.0.get(name)
    }

    /// All plugins, ordered by name.
    pub fn all(&self) -> Vec<Plugin> {
        self.0.read().values().cloned().collect()
    }

    /// The plugins that play a role, ordered by name.
    pub fn playing(&self, role: &str) -> Vec<Plugin> {
        self.0.playing(role)
    }

    /// Whether a plugin works for a tenant: not where the tenant has a set of plugins that this one is not in.
    pub fn is_for(&self, tenant: &str, plugin: &str) -> bool {
        self.0.is_for(tenant, plugin)
    }

    /// A number that is another one after each change.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(SeqCst)
    }

    pub(crate) fn directory(&self) -> Directory {
        Directory(Arc::downgrade(&self.0))
    }

    fn change<R>(&self, change: impl FnOnce(&mut BTreeMap<String, Plugin>) -> R) -> R {
        let mut plugins = self.0.plugins.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut plugins);
        self.0.generation.fetch_add(1, SeqCst);
        result
    }
}

impl Inner {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Plugin>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Option<Plugin> {
        self.read().get(name).cloned()
    }

    fn playing(&self, role: &str) -> Vec<Plugin> {
        self.read().values().filter(|plugin| plugin.roles().contains(&role)).cloned().collect()
    }

    fn is_for(&self, tenant: &str, plugin: &str) -> bool {
        self.sets.get(tenant).is_none_or(|set| set.contains(plugin))
    }
}

impl Directory {
    pub(crate) fn get(&self, name: &str) -> Option<Plugin> {
        self.0.upgrade()?.get(name)
    }

    pub(crate) fn playing(&self, role: &str) -> Vec<Plugin> {
        self.0.upgrade().map(|inner| inner.playing(role)).unwrap_or_default()
    }

    /// See [`Registry::is_for`].
    pub(crate) fn is_for(&self, tenant: &str, plugin: &str) -> bool {
        self.0.upgrade().is_none_or(|inner| inner.is_for(tenant, plugin))
    }
}
