//! Budgets that the user set for this plugin, counted for each tenant by the host. Needs the `quota` grant for the name.
//!
//! Set an amount aside before the work and settle afterwards, so that calls at the same time cannot spend it twice:
//!
//! ```no_run
//! # fn translate() -> u64 { 120 }
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use inferno_sdk::quota;
//!
//! let reserved = quota::reserve("translations", 500)?;
//! let spent = translate();
//! reserved.commit(spent)?; // what is left goes back
//! # Ok(())
//! # }
//! ```

use crate::Error;
use crate::bindings::inferno::host::quota as wit;

/// Sets an amount of a budget aside.
///
/// Where there is not enough left it fails with [`ErrorKind::Exhausted`](crate::ErrorKind::Exhausted), and
/// `retry_after` says when the budget is renewed.
pub fn reserve(budget: &str, amount: u64) -> Result<Reservation, Error> {
    Ok(Reservation(wit::reserve(budget, amount)?))
}

/// What is left of a budget, without what is set aside.
pub fn remaining(budget: &str) -> Result<u64, Error> {
    Ok(wit::remaining(budget)?)
}

/// An amount set aside. Dropped without [`commit`](Self::commit), all of it goes back.
#[derive(Debug)]
pub struct Reservation(wit::Reservation);

impl Reservation {
    /// How much is set aside here.
    pub fn amount(&self) -> u64 {
        self.0.amount()
    }

    /// Spends up to the whole amount and gives the rest back.
    pub fn commit(self, spent: u64) -> Result<(), Error> {
        Ok(self.0.commit(spent)?)
    }

    /// Moves a part into a reservation of its own, such as for a part of the work that may fail alone.
    pub fn split(&mut self, amount: u64) -> Result<Self, Error> {
        Ok(Self(self.0.split(amount)?))
    }
}
