//! Secrets that the user keeps for plugins. Needs the `secrets` grant for the name.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! let token = inferno_sdk::secrets::get("ACME_TOKEN")?;
//! # Ok(())
//! # }
//! ```
//!
//! The host keeps the values out of its log; keep them out of answers and error messages too.

use crate::Error;
use crate::bindings::inferno::host::secrets as wit;

/// The value of a secret. One that the user has not set is [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
pub fn get(name: &str) -> Result<String, Error> {
    Ok(wit::get(name)?)
}
