//! Plugins as files and as installed state: everything that happens to a plugin before it runs.
//!
//! 1. [`pack`] makes one `.wasm` file of a plugin's folder; [`sign`] signs it with a key from [`SecretKey::create`];
//!    [`read`] takes such a file apart, or says what is wrong with it. A packed plugin stays a valid component.
//! 2. [`inspect`] says in words what a plugin could do. Nothing is run.
//! 3. [`Incoming`] is a plugin on its way in: a packed file, a folder, or bytes that somebody fetched.
//!    [`Installed::plan`] compares it with what is there, [`Installed::commit`] carries out what the user decided.
//! 4. [`Word`] is what a user grants in a word (`inference=small-*`); [`Installed::grant`] and [`Installed::revoke`]
//!    edit `grants.toml` and leave everything else in it as it was.
//!
//! Bytes from outside are read by pure functions that are bounded and never panic. Text from outside is passed through
//! [`visible`] wherever it is put into a sentence.

mod asks;
mod consent;
mod differences;
mod disk;
mod error;
mod grants;
mod inspect;
mod installed;
mod keys;
mod lock;
mod packed;
mod sbom;
mod sections;
mod signature;
mod source;
mod text;
mod version;

pub use asks::{Ask, asks};
pub use consent::{Word, grant, revoke, within};
pub use differences::Differences;
pub use error::{Error, ErrorKind};
pub use grants::{Holder, edit_grants, held_in};
pub use inspect::{Inspection, Interface, inspect};
pub use installed::{Allow, Change, Decision, Installed, Outcome, Plan, Waiting};
pub use keys::{PublicKey, SecretKey};
pub use lock::{Record, Version};
pub use packed::{MAX_COMPONENT, MAX_FILE, MAX_MANIFEST, Packed, pack, pack_parts, read, sign};
pub use sbom::sbom;
pub use source::Incoming;
pub use text::{Warning, visible};
