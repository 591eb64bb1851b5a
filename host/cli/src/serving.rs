//! The plugins that a server serves, kept in step with what is installed and granted.
//!
//! A change is noticed within a second. What has begun ends on the version that it began with. Where the new state of a
//! plugin cannot be served, the server says so and goes on with the old one; what is no longer there is served no longer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inferno_sandbox::{Plugin, Registry, Sandbox};

use crate::failure::Failure;
use crate::plugins::Installation;
use crate::printer::Printer;
use crate::progress::Share;
use crate::settings::Settings;

/// How long a change may stay unnoticed. Looking costs a few system calls.
const LOOK: Duration = Duration::from_secs(1);

/// Enough of a file to see that it is another one.
type Mark = Option<(SystemTime, u64)>;

/// What plugins are made from, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen(BTreeMap<PathBuf, Mark>);

impl Seen {
    fn now(settings: &Settings) -> Self {
        let mut files: Vec<PathBuf> =
            ["inferno.lock", "grants.toml"].iter().map(|name| settings.data_dir.join(name)).collect();
        for folder in fs::read_dir(&settings.plugins_dir).into_iter().flatten().flatten() {
            files.extend(["plugin.toml", "plugin.wasm"].map(|name| folder.path().join(name)));
        }
        Self(files.into_iter().map(|file| (mark(&file), file)).map(|(mark, file)| (file, mark)).collect())
    }
}

fn mark(file: &Path) -> Mark {
    let about = fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// The plugins of a server.
pub(crate) struct Serving {
    settings: Settings,
    sandbox: Arc<Sandbox>,
    seen: Seen,
}

impl Serving {
    /// Loads all plugins; fails if one of them cannot be served. Blocks.
    pub(crate) fn start(settings: Settings, sandbox: Sandbox, share: &Share) -> Result<Self, Failure> {
        let seen = Seen::now(&settings);
        let serving = Self { settings, sandbox: Arc::new(sandbox), seen };
        let installation = Installation::read(&serving.settings)?.sound()?;
        match load(&serving.settings, &serving.sandbox, &installation, share).failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(serving),
        }
    }

    pub(crate) fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// Follows what changes, for ever.
    pub(crate) async fn follow(mut self, printer: Printer) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Seen::now(&self.settings);
            if now == self.seen {
                continue;
            }
            self.seen = now;
            let (settings, sandbox) = (self.settings.clone(), Arc::clone(&self.sandbox));
            let changed = tokio::task::spawn_blocking(move || {
                let installation = Installation::read(&settings)?;
                Ok::<_, Failure>(load(&settings, &sandbox, &installation, &Share::default()))
            });
            let failures = match changed.await {
                Ok(Ok(Loaded { changes, failures })) => {
                    for change in changes {
                        printer.note(change);
                    }
                    failures
                }
                Ok(Err(failure)) => vec![failure],
                Err(error) => vec![Failure::new(format!("loading the plugins failed: {error}"))],
            };
            for failure in failures {
                printer.warning(
                    "plugins changed, and not all can be served as they are now; the old ones go on",
                );
                printer.failure(&failure);
            }
        }
    }
}

/// What came of it.
#[derive(Default)]
struct Loaded {
    changes: Vec<String>,
    failures: Vec<Failure>,
}

/// Brings the registry in step with what is installed.
fn load(settings: &Settings, sandbox: &Sandbox, installation: &Installation, share: &Share) -> Loaded {
    let registry = sandbox.registry();
    let wanted: Vec<_> =
        installation.plugins.values().filter(|plugin| plugin.enabled && plugin.serves()).collect();
    let mut loaded =
        Loaded { failures: installation.problems.values().cloned().collect(), ..Loaded::default() };
    for old in registry.all() {
        let name = old.name();
        let stays = wanted.iter().any(|plugin| plugin.name() == name);
        if !stays && !installation.problems.contains_key(name) {
            registry.remove(name);
            loaded.changes.push(format!("plugin {name} is served no longer"));
        }
    }
    for (index, installed) in wanted.iter().enumerate() {
        match installation.load(sandbox, settings, installed) {
            Ok(plugin) => loaded.changes.extend(put(registry, plugin)),
            Err(failure) => loaded.failures.push(failure),
        }
        share.set((index + 1) as f32 / wanted.len() as f32);
    }
    loaded
}

/// Puts a plugin in its place, and says what that changes.
fn put(registry: &Registry, plugin: Plugin) -> Option<String> {
    let (name, version) = (plugin.name().to_owned(), inferno_plugins::visible(plugin.version()));
    let change = match registry.get(&name) {
        Some(old) if old.digest() != plugin.digest() => format!("plugin {name} {version} serves now"),
        // Grants for single tenants show nowhere but in the plugin itself, so it is put in again.
        Some(old) if old.granted() == plugin.granted() => {
            registry.insert(plugin);
            return None;
        }
        Some(_) => format!("plugin {name} has other grants now"),
        None => format!("plugin {name} {version} serves now"),
    };
    registry.insert(plugin);
    Some(change)
}
