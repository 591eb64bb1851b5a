//! `inferno:host/quota`: budgets that the user set for the plugin. Needs the `quota` grant for the name. What was spent
//! is counted in the store, for each plugin and tenant, so that several processes share one budget.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inferno_store::{Space, Store, StoreError};
use serde_json::json;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

use super::bindings::inferno::host::quota;
use super::bindings::inferno::host::types::{Error, ErrorKind};
use crate::ask::Need;
use crate::setup::Budget;
use crate::state::{Host, State};
use crate::tape::{Turn, taped};

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    quota::add_to_linker::<_, Host>(linker, |state| state)
}

/// Where one span of a budget is counted.
#[derive(Clone)]
struct Account {
    store: Store,
    space: Space,
    key: String,
    /// How long the count is kept: longer than the span, so that what is given back late finds it.
    kept: Duration,
}

impl Account {
    /// Adds to what was spent and says how much that is. Blocks.
    fn add(&self, by: i64) -> Result<i64, StoreError> {
        self.store.kv_add(&self.space, &self.key, by, Some(self.kept))
    }

    fn spent(&self) -> Result<i64, StoreError> {
        // Adding nothing makes the key if it is not there, which is as good as reading 0.
        self.add(0)
    }
}

/// An amount set aside. What is left of it when it goes away is given back.
#[expect(unreachable_pub, reason = "generated code re-exports it")]
pub struct Reservation {
    /// None: it stands on a tape, and nothing is counted.
    account: Option<Account>,
    amount: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let amount = std::mem::take(&mut self.amount);
        if amount == 0 {
            return;
        }
        let Some(account) = self.account.clone() else { return };
        let give_back = move || {
            if let Err(error) = account.add(-signed(amount)) {
                tracing::warn!("a reserved amount could not be given back: {error}");
            }
        };
        // The store blocks, and whoever ends an instance must not wait.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(give_back)),
            Err(_) => give_back(),
        }
    }
}

/// Amounts are below 2^63: budgets are checked for that, and no reservation is larger than its budget.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// A budget, and the part of it that is being used up now.
struct Window {
    name: String,
    amount: u64,
    account: Account,
    ends_in: Duration,
}

impl State {
    fn budget(&self, call: &str, name: &str) -> Result<Window, Error> {
        self.allow(call, Need::Quota(name))?;
        let plugin = &self.actor.plugin;
        let Some(Budget { amount, per }) = self.shared.quota.get(name) else {
            return Err(Error {
                kind: ErrorKind::NotFound,
                message: format!("no budget named {name:?} is set for plugin \"{plugin}\""),
                hint: Some(format!(
                    "the user sets it in the configuration: [plugins.{plugin}.quota] {name} = {{ amount = 1000, per = \"1h\" }}"
                )),
                retry_after_ms: None,
            });
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let length = per.0.as_millis().max(1);
        let ends_in = length - now % length;
        Ok(Window {
            name: name.to_owned(),
            amount: (*amount).min(i64::MAX as u64),
            account: Account {
                store: self.shared.services.store.clone(),
                // No plugin has such a name, so no plugin's own values are here.
                space: Space { tenant: self.actor.caller.tenant.clone(), plugin: format!("{plugin}/quota") },
                key: format!("{name}/{}/{}", length, now / length),
                kept: per.0.saturating_mul(2).max(Duration::from_secs(60)),
            },
            ends_in: Duration::from_millis(u64::try_from(ends_in).unwrap_or(u64::MAX)),
        })
    }
}

impl Window {
    /// Blocks.
    fn reserve(self, wanted: u64) -> Result<Reservation, Error> {
        if wanted > self.amount {
            return Err(invalid(format!(
                "{wanted} of the budget {:?} were wanted, and all of it is {}",
                self.name, self.amount
            )));
        }
        let spent = self.account.add(signed(wanted)).map_err(broken)?;
        let reservation = Reservation { account: Some(self.account), amount: wanted };
        if spent <= signed(self.amount) {
            return Ok(reservation);
        }
        // Dropping the reservation undoes it.
        let left = signed(self.amount).saturating_sub(spent.saturating_sub(signed(wanted))).max(0);
        Err(Error {
            kind: ErrorKind::Exhausted,
            message: format!(
                "{wanted} of the budget {:?} were wanted, and {left} of {} are left",
                self.name, self.amount
            ),
            hint: Some("wait until it is renewed, or raise it in the configuration".to_owned()),
            retry_after_ms: Some(u64::try_from(self.ends_in.as_millis()).unwrap_or(u64::MAX)),
        })
    }

    /// Blocks.
    fn remaining(&self) -> Result<u64, Error> {
        let spent = self.account.spent().map_err(broken)?;
        Ok(u64::try_from(signed(self.amount).saturating_sub(spent.max(0))).unwrap_or(0))
    }
}

fn invalid(message: String) -> Error {
    Error { kind: ErrorKind::Invalid, message, hint: None, retry_after_ms: None }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn broken(error: StoreError) -> Error {
    super::internal(format!("the budget cannot be counted: {error}"))
}

async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(super::internal(format!("the store failed: {error}"))),
    }
}

impl quota::Host for State {
    async fn reserve(&mut self, budget: String, amount: u64) -> Result<Result<Resource<Reservation>, Error>> {
        let call = "inferno:host/quota.reserve";
        let told = || json!({ "budget": budget, "amount": amount });
        let slot = match self.tape.begin(call, told)? {
            Turn::Live(slot) => slot,
            Turn::Told(told) => {
                return match told.result()? {
                    Ok(()) => Ok(Ok(self.table.push(Reservation { account: None, amount })?)),
                    Err(error) => Ok(Err(error)),
                };
            }
        };
        let reserved = match self.budget(call, &budget) {
            Ok(window) => blocking(move || window.reserve(amount)).await,
            Err(error) => Err(error),
        };
        slot.keep(&reserved.as_ref().map(|_| ()))?;
        match reserved {
            Ok(reservation) => Ok(Ok(self.table.push(reservation)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn remaining(&mut self, budget: String) -> Result<Result<u64, Error>> {
        let call = "inferno:host/quota.remaining";
        let slot = taped!(self.tape, call, json!({ "budget": budget }));
        slot.done(match self.budget(call, &budget) {
            Ok(window) => blocking(move || window.remaining()).await,
            Err(error) => Err(error),
        })
    }
}

impl quota::HostReservation for State {
    fn amount(&mut self, reservation: Resource<Reservation>) -> Result<u64> {
        Ok(self.table.get(&reservation)?.amount)
    }

    async fn commit(&mut self, reservation: Resource<Reservation>, spent: u64) -> Result<Result<(), Error>> {
        let reservation = self.table.get_mut(&reservation)?;
        let told = || json!({ "reservation": reservation.amount, "spent": spent });
        let slot = match self.tape.begin("inferno:host/quota.reservation.commit", told)? {
            Turn::Live(slot) => slot,
            Turn::Told(told) => {
                let committed: Result<(), Error> = told.result()?;
                if committed.is_ok() {
                    reservation.amount = 0;
                }
                return Ok(committed);
            }
        };
        if spent > reservation.amount {
            return slot.done(Err(invalid(format!(
                "{spent} were spent of a reservation of {}; reserve more before it is spent",
                reservation.amount
            ))));
        }
        let rest = std::mem::take(&mut reservation.amount) - spent;
        let Some(account) = reservation.account.clone().filter(|_| rest > 0) else {
            return slot.done(Ok(()));
        };
        slot.done(blocking(move || account.add(-signed(rest)).map(|_| ()).map_err(broken)).await)
    }

    fn split(
        &mut self,
        reservation: Resource<Reservation>,
        amount: u64,
    ) -> Result<Result<Resource<Reservation>, Error>> {
        let whole = self.table.get_mut(&reservation)?;
        let Some(rest) = whole.amount.checked_sub(amount) else {
            return Ok(Err(invalid(format!(
                "{amount} cannot be split off a reservation of {}",
                whole.amount
            ))));
        };
        whole.amount = rest;
        let part = Reservation { account: whole.account.clone(), amount };
        Ok(Ok(self.table.push(part)?))
    }

    fn drop(&mut self, reservation: Resource<Reservation>) -> Result<()> {
        self.table.delete(reservation)?;
        Ok(())
    }
}
