//! `inferno:host/kv`: small durable values. Each plugin has a space of its own for each tenant; no name that it could
//! give reaches out of it. Needs the `kv` grant.

use std::time::Duration;

use inferno_store::{Space, Store, StoreError};
use wasmtime::Result;
use wasmtime::component::Linker;

use super::bindings::inferno::host::kv;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::state::{Host, State};

/// How many keys one call lists.
const MAX_KEYS: u32 = 1000;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    kv::add_to_linker::<_, Host>(linker, |state| state)
}

impl State {
    /// Checks the grant and works on the plugin's space, on a thread that may block.
    async fn with_space<R: Send + 'static>(
        &mut self,
        call: &str,
        work: impl FnOnce(&Store, &Space) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, Error> {
        self.allow(call, Need::Kv)?;
        let store = self.shared.services.store.clone();
        let space = Space { tenant: self.actor.caller.tenant.clone(), plugin: self.actor.plugin.clone() };
        match tokio::task::spawn_blocking(move || work(&store, &space)).await {
            Ok(result) => result.map_err(worded),
            Err(error) => Err(super::internal(format!("the store failed: {error}"))),
        }
    }
}

fn worded(error: StoreError) -> Error {
    let kind = match &error {
        StoreError::Invalid { .. } | StoreError::TooLarge { .. } | StoreError::NotANumber { .. } => {
            ErrorKind::Invalid
        }
        StoreError::Full { .. } => ErrorKind::Exhausted,
        _ => ErrorKind::Internal,
    };
    Error { kind, message: error.to_string(), hint: None, retry_after_ms: None }
}

impl kv::Host for State {
    async fn get(&mut self, key: String) -> Result<Result<Option<Vec<u8>>, Error>> {
        Ok(self.with_space("inferno:host/kv.get", move |store, space| store.kv_get(space, &key)).await)
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<Result<(), Error>> {
        let ttl = ttl_ms.map(Duration::from_millis);
        Ok(self
            .with_space("inferno:host/kv.set", move |store, space| store.kv_set(space, &key, &value, ttl))
            .await)
    }

    async fn delete(&mut self, key: String) -> Result<Result<bool, Error>> {
        Ok(self.with_space("inferno:host/kv.delete", move |store, space| store.kv_delete(space, &key)).await)
    }

    async fn keys(&mut self, prefix: String, after: Option<String>) -> Result<Result<Vec<String>, Error>> {
        let list =
            move |store: &Store, space: &Space| store.kv_keys(space, &prefix, after.as_deref(), MAX_KEYS);
        Ok(self.with_space("inferno:host/kv.keys", list).await)
    }

    async fn add(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> Result<Result<i64, Error>> {
        let ttl = ttl_ms.map(Duration::from_millis);
        Ok(self
            .with_space("inferno:host/kv.add", move |store, space| store.kv_add(space, &key, by, ttl))
            .await)
    }
}
