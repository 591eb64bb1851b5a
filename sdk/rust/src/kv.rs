//! Small durable values. Each plugin has its own space for each tenant. Needs the `kv` grant.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use std::time::Duration;
//! use inferno_sdk::kv;
//!
//! kv::set("greeting", b"hello", None)?;
//! assert_eq!(kv::get("greeting")?.as_deref(), Some(&b"hello"[..]));
//! let visits = kv::add("visits", 1, Some(Duration::from_secs(60)))?;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use crate::Error;
use crate::bindings::inferno::host::kv as wit;

/// The value of a key.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(wit::get(key)?)
}

/// Stores a value; with `ttl` it is gone after that time.
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
    Ok(wit::set(key, value, ttl.map(millis))?)
}

/// Removes a key. True if there was one.
pub fn delete(key: &str) -> Result<bool, Error> {
    Ok(wit::delete(key)?)
}

/// The keys that begin with `prefix`, ordered; at most 1,000 of them, those after `after`.
///
/// To see all, ask again with the last one as `after` until nothing comes.
pub fn keys(prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
    Ok(wit::keys(prefix, after)?)
}

/// Adds to a counter in one step and returns the sum; a missing key counts as 0 and then lives for `ttl`.
pub fn add(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
    Ok(wit::add(key, by, ttl.map(millis))?)
}

/// Something that one holder has at a time, on this machine. It is free when this is dropped, and when its holder ends,
/// however it ends.
#[derive(Debug)]
pub struct Lock {
    _held: wit::Lock,
}

/// Takes the lock of this name; `None`: somebody has it. At most 64 at a time.
pub fn try_lock(name: &str) -> Result<Option<Lock>, Error> {
    Ok(wit::try_lock(name)?.map(|held| Lock { _held: held }))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
