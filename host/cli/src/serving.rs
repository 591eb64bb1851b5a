//! The plugins that a server serves, kept in step with what is installed and granted.
//!
//! A change is noticed within a second. What has begun ends on the version that it began with; if the new state cannot
//! be loaded, the server says so and goes on as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inferno_sandbox::{Plugin, Sandbox};

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
        load(&serving.settings, &serving.sandbox, &installation, share)?;
        Ok(serving)
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
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
                let installation = Installation::read(&settings)?.sound()?;
                load(&settings, &sandbox, &installation, &Share::default())
            });
            match changed.await {
                Ok(Ok(changes)) => {
                    for change in changes {
                        printer.note(change);
                    }
                }
                Ok(Err(failure)) => {
                    printer.warning(
                        "the plugins changed, and the new state cannot be served; the old one goes on",
                    );
                    printer.failure(&failure);
                }
                Err(error) => printer.warning(format_args!("loading the plugins failed: {error}")),
            }
        }
    }
}

/// Brings the registry in step, and says what changed. Everything is loaded before anything is swapped.
fn load(
    settings: &Settings,
    sandbox: &Sandbox,
    installation: &Installation,
    share: &Share,
) -> Result<Vec<String>, Failure> {
    let registry = sandbox.registry();
    let wanted: Vec<_> =
        installation.plugins.values().filter(|plugin| plugin.enabled && plugin.serves()).collect();
    let mut fresh: Vec<Plugin> = Vec::new();
    for (index, plugin) in wanted.iter().enumerate() {
        fresh.push(installation.load(sandbox, settings, plugin)?);
        share.set((index + 1) as f32 / wanted.len() as f32);
    }
    let mut changes = Vec::new();
    for old in registry.all() {
        if !fresh.iter().any(|plugin| plugin.name() == old.name()) {
            registry.remove(old.name());
            changes.push(format!("plugin {} is served no longer", old.name()));
        }
    }
    for plugin in fresh {
        let (name, version) = (plugin.name().to_owned(), inferno_plugins::visible(plugin.version()));
        match registry.get(&name) {
            // What has not changed stays, with the count of its calls.
            Some(old) if old.digest() == plugin.digest() && old.granted() == plugin.granted() => continue,
            Some(old) if old.digest() == plugin.digest() => {
                changes.push(format!("plugin {name} has other grants now"))
            }
            Some(_) | None => changes.push(format!("plugin {name} {version} serves now")),
        }
        registry.insert(plugin);
    }
    Ok(changes)
}
