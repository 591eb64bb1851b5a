//! What a plugin used of what it was granted, noted while `inferno plugin suggest` runs it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// What the sandbox says it under.
pub(crate) const TARGET: &str = "inferno::used";

/// A use of one capability.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) plugin: String,
    /// The key in `[asks]`.
    pub(crate) key: String,
    /// What of it, such as a model's name; empty where there is nothing to choose.
    pub(crate) item: String,
}

/// The uses of this process. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses(Arc<Mutex<BTreeSet<Use>>>);

impl Uses {
    /// Those of one plugin.
    pub(crate) fn of(&self, plugin: &str) -> Vec<Use> {
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.iter().filter(|one| one.plugin == plugin).cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for Uses {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut one = Use::default();
        event.record(&mut one);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(one);
    }
}

impl Visit for Use {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin" => value.clone_into(&mut self.plugin),
            "key" => value.clone_into(&mut self.key),
            "item" => value.clone_into(&mut self.item),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    #[test]
    fn uses_are_noted_once_for_each_plugin() {
        let uses = Uses::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(uses.clone()), || {
            for plugin in ["a", "b", "a"] {
                tracing::trace!(target: "inferno::used", plugin, key = "kv", item = "");
            }
        });
        let expected = Use { plugin: "a".to_owned(), key: "kv".to_owned(), item: String::new() };
        assert_eq!(uses.of("a"), [expected]);
    }
}
