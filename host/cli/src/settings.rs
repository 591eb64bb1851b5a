//! What the program was told, from highest to lowest: the command line, `INFERNO_*`, `.inferno.toml` of this
//! directory or the nearest one above, `~/.inferno.toml`, `~/.config/inferno/config.toml`, defaults.
//!
//! [`keys`] holds the one table of keys. Names, environment variables, types, defaults and documentation come
//! from it, and nothing else in the program reads a file or a variable.

mod environment;
mod file;
mod keys;
mod layers;
mod own;
mod site;
mod value;

pub(crate) use environment::Environment;
pub(crate) use keys::{KEYS, Settings};
pub(crate) use layers::{Entry, Origin, Override};
pub(crate) use value::{LogFormat, LogLevel, Packing};

use crate::failure::Failure;

impl Settings {
    /// Reads every source and resolves every key.
    pub(crate) fn resolve(environment: &Environment, overrides: &[Override]) -> Result<Self, Failure> {
        let mut layers = layers::Layers::read(environment, overrides)?;
        keys::build(&mut layers, environment)
    }

    /// Where the value of a key came from.
    pub(crate) fn origin(&self, key: &str) -> Option<&Origin> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.origin)
    }
}

/// The keys as a Markdown table, with the defaults of a user who set nothing.
pub(crate) fn reference() -> Result<String, Failure> {
    let settings = Settings::resolve(&Environment::of_documentation(), &[])?;
    let mut text = String::from("| key | variable | default | meaning |\n|---|---|---|---|\n");
    for (key, entry) in KEYS.iter().zip(&settings.entries) {
        let default = match &entry.value {
            serde_json::Value::Null => "none".to_owned(),
            serde_json::Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let restriction = if key.user_only { " Not taken from a project's `.inferno.toml`." } else { "" };
        text.push_str(&format!(
            "| `{}` | `{}` | {default} | {} Expects {}.{restriction} |\n",
            key.name,
            key.variable(),
            key.help.trim(),
            key.expected,
        ));
    }
    text.push_str(
        "| `plugins.NAME.enabled` | | `true` | Whether the plugin NAME is loaded. From files only. |\n",
    );
    text.push_str(
        "| `plugins.NAME.settings.*` | | | Passed to the plugin NAME as it is; a table of any shape, \
         from files only. |\n\
         | `plugins.NAME.quota.BUDGET` | | | What the plugin NAME may use up for each tenant, such as \
         `{ amount = 10000, per = \"24h\" }`. From the user's files only. |\n\
         | `tenants.TENANT.plugins` | | all | The only plugins that serve the tenant. From the user's files only. |\n\
         | `tenants.TENANT.settings.NAME.*`, `tenants.TENANT.quota.NAME.BUDGET` | | | What takes the place of the \
         plugin's own for this tenant. From the user's files only. |\n",
    );
    Ok(text)
}

#[cfg(test)]
mod tests;
