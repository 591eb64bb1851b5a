//! What is configured for plugins and tenants, as far as it is not in the table of keys.

use std::collections::BTreeMap;

use inferno_sandbox::Own;
use serde_json::json;

use super::file::{PluginKey, TenantKey};
use super::layers::{Entry, Origin};

/// What is configured for one plugin.
#[derive(Clone, Debug)]
pub(crate) struct PluginSettings {
    /// Whether it is loaded at all.
    pub(crate) enabled: bool,
    /// What it is told, and what it may use up.
    pub(crate) own: Own,
    /// A higher source has said whether it is enabled.
    enabled_is_set: bool,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self { enabled: true, own: Own::default(), enabled_is_set: false }
    }
}

/// What is configured for one tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct TenantSettings {
    /// The only plugins that serve it; none: all do.
    pub(crate) plugins: Option<Vec<String>>,
    /// For each plugin, what takes the place of the plugin's own.
    pub(crate) own: BTreeMap<String, Own>,
}

impl PluginSettings {
    /// Sets a key, unless a higher source has set it. Gives the entry for `config show`.
    pub(super) fn set(&mut self, path: &str, key: PluginKey, origin: Origin) -> Option<Entry> {
        let PluginKey::Enabled(enabled) = key else { return set(&mut self.own, path, key, origin) };
        if self.enabled_is_set {
            return None;
        }
        (self.enabled, self.enabled_is_set) = (enabled, true);
        Some(Entry { key: format!("{path}.enabled"), value: enabled.into(), origin })
    }
}

impl TenantSettings {
    /// As [`PluginSettings::set`].
    pub(super) fn set(&mut self, tenant: &str, key: TenantKey, origin: Origin) -> Option<Entry> {
        match key {
            TenantKey::Plugins(_) if self.plugins.is_some() => None,
            TenantKey::Plugins(names) => {
                let value = json!(names);
                self.plugins = Some(names);
                Some(Entry { key: format!("tenants.{tenant}.plugins"), value, origin })
            }
            TenantKey::Own { plugin, key } => {
                let kind = if matches!(key, PluginKey::Quota { .. }) { "quota" } else { "settings" };
                let entry = set(self.own.entry(plugin.clone()).or_default(), "", key, origin)?;
                let name = entry.key.rsplit_once('.').map_or("", |(_, name)| name).to_owned();
                Some(Entry { key: format!("tenants.{tenant}.{kind}.{plugin}.{name}"), ..entry })
            }
        }
    }
}

fn set(own: &mut Own, path: &str, key: PluginKey, origin: Origin) -> Option<Entry> {
    match key {
        PluginKey::Setting { name, value } if !own.settings.contains_key(&name) => {
            let shown = if may_be_secret(&name) { "(hidden)".into() } else { value.clone() };
            let key = format!("{path}.settings.{name}");
            own.settings.insert(name, value);
            Some(Entry { key, value: shown, origin })
        }
        PluginKey::Quota { name, budget } if !own.quota.contains_key(&name) => {
            let value = json!({ "amount": budget.amount, "per": budget.per.to_string() });
            let key = format!("{path}.quota.{name}");
            own.quota.insert(name, budget);
            Some(Entry { key, value, origin })
        }
        _ => None,
    }
}

/// A plugin's settings may hold a password; a listing that is pasted into a bug report must not.
fn may_be_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["key", "token", "secret", "password", "passwd", "credential", "auth"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_higher_source_has_the_last_word_and_secrets_are_hidden() {
        let mut plugin = PluginSettings::default();
        let setting = |name: &str, value: Value| PluginKey::Setting { name: name.to_owned(), value };
        let entry = plugin.set("plugins.a", setting("api_key", "x".into()), Origin::Default).unwrap();
        assert_eq!((entry.key.as_str(), &entry.value), ("plugins.a.settings.api_key", &json!("(hidden)")));
        assert!(plugin.set("plugins.a", setting("api_key", "y".into()), Origin::Default).is_none());
        assert_eq!(plugin.own.settings["api_key"], "x");
        let mut tenant = TenantSettings::default();
        let own = TenantKey::Own { plugin: "b.c".to_owned(), key: setting("x", 1.into()) };
        let entry = tenant.set("acme", own, Origin::Default).unwrap();
        assert_eq!(entry.key, "tenants.acme.settings.b.c.x");
    }
}
