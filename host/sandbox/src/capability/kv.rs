//! `inferno:host/kv`: small durable values. Each plugin has a space of its own for each tenant; no name that it could
//! give reaches out of it. Needs the `kv` grant.

use std::time::Duration;

use inferno_store::{Space, Store, StoreError};
use serde_json::json;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

use super::bindings::inferno::host::kv;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::state::{Host, State};
use crate::tape::{Bytes, Turn, taped};

/// How many keys one call lists.
const MAX_KEYS: u32 = 1000;

/// How many locks one call may hold.
const MAX_LOCKS: usize = 64;

/// A lock that the plugin holds; on a replayed tape, none.
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Lock {
    _held: Option<inferno_store::Lock>,
}

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

impl State {
    async fn kept(&mut self, key: String) -> Result<Result<Option<Bytes>, Error>> {
        let call = "inferno:host/kv.get";
        let slot = taped!(self.tape, call, json!({ "key": key }));
        let get = move |store: &Store, space: &Space| store.kv_get(space, &key);
        let value = self.with_space(call, get).await;
        slot.done(value.map(|value| value.map(Bytes)))
    }
}

impl kv::Host for State {
    async fn get(&mut self, key: String) -> Result<Result<Option<Vec<u8>>, Error>> {
        let kept = self.kept(key).await?;
        Ok(kept.map(|value| value.map(|Bytes(bytes)| bytes)))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<Result<(), Error>> {
        let call = "inferno:host/kv.set";
        let told = || json!({ "key": key, "value": Bytes(value.clone()), "ttl-ms": ttl_ms });
        let slot = taped!(self.tape, call, told());
        let ttl = ttl_ms.map(Duration::from_millis);
        let set = move |store: &Store, space: &Space| store.kv_set(space, &key, &value, ttl);
        slot.done(self.with_space(call, set).await)
    }

    async fn delete(&mut self, key: String) -> Result<Result<bool, Error>> {
        let call = "inferno:host/kv.delete";
        let slot = taped!(self.tape, call, json!({ "key": key }));
        let delete = move |store: &Store, space: &Space| store.kv_delete(space, &key);
        slot.done(self.with_space(call, delete).await)
    }

    async fn keys(&mut self, prefix: String, after: Option<String>) -> Result<Result<Vec<String>, Error>> {
        let call = "inferno:host/kv.keys";
        let slot = taped!(self.tape, call, json!({ "prefix": prefix, "after": after }));
        let list =
            move |store: &Store, space: &Space| store.kv_keys(space, &prefix, after.as_deref(), MAX_KEYS);
        slot.done(self.with_space(call, list).await)
    }

    async fn try_lock(&mut self, name: String) -> Result<Result<Option<Resource<Lock>>, Error>> {
        let call = "inferno:host/kv.try-lock";
        let slot = match self.tape.begin(call, || json!({ "name": name }))? {
            Turn::Live(slot) => slot,
            Turn::Told(told) => {
                return match told.result::<Result<bool, Error>>()? {
                    Ok(true) => Ok(Ok(Some(self.table.push(Lock { _held: None })?))),
                    Ok(false) => Ok(Ok(None)),
                    Err(error) => Ok(Err(error)),
                };
            }
        };
        let taken = if self.locks < MAX_LOCKS {
            self.with_space(call, move |store: &Store, space: &Space| store.try_lock(space, &name)).await
        } else {
            Err(Error {
                kind: ErrorKind::Exhausted,
                message: format!("the plugin \"{}\" holds {MAX_LOCKS} locks already", self.actor.plugin),
                hint: Some("drop one first".to_owned()),
                retry_after_ms: None,
            })
        };
        slot.keep(&taken.as_ref().map(Option::is_some))?;
        let Some(held) = (match taken {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        }) else {
            return Ok(Ok(None));
        };
        self.locks += 1;
        Ok(Ok(Some(self.table.push(Lock { _held: Some(held) })?)))
    }

    async fn add(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> Result<Result<i64, Error>> {
        let call = "inferno:host/kv.add";
        let slot = taped!(self.tape, call, json!({ "key": key, "by": by, "ttl-ms": ttl_ms }));
        let ttl = ttl_ms.map(Duration::from_millis);
        let add = move |store: &Store, space: &Space| store.kv_add(space, &key, by, ttl);
        slot.done(self.with_space(call, add).await)
    }
}

impl kv::HostLock for State {
    fn drop(&mut self, lock: Resource<Lock>) -> Result<()> {
        self.table.delete(lock)?;
        self.locks = self.locks.saturating_sub(1);
        Ok(())
    }
}
