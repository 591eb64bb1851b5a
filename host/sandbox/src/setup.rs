//! What the user set for a plugin: its settings and budgets, for all tenants and for single ones.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::units::Span;

/// What the user set for a plugin.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// For every tenant.
    pub all: Own,
    /// For single tenants: what stands here takes the place of what is of the same name in `all`.
    pub tenants: BTreeMap<String, Own>,
}

/// Settings and budgets.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// What the plugin reads through `inferno:host/settings`.
    pub settings: Map<String, Value>,
    /// What it may use up, by name; counted for each tenant apart.
    pub quota: BTreeMap<String, Budget>,
}

/// An amount that is there anew after each span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How much.
    pub amount: u64,
    /// For how long. Spans follow one another from 1970 on, so that all processes agree where one ends.
    pub per: Span,
}

impl Setup {
    /// What holds for a tenant.
    pub(crate) fn of(&self, tenant: Option<&str>) -> Own {
        let mut own = self.all.clone();
        if let Some(special) = tenant.and_then(|tenant| self.tenants.get(tenant)) {
            own.settings.extend(special.settings.clone());
            own.quota.extend(special.quota.clone());
        }
        own
    }
}

impl From<Map<String, Value>> for Setup {
    fn from(settings: Map<String, Value>) -> Self {
        Self { all: Own { settings, quota: BTreeMap::new() }, tenants: BTreeMap::new() }
    }
}
