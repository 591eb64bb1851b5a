//! The installed models, and which are in memory. Needs the `models` grant; [`load`] and [`unload`] need
//! `model_control`.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use inferno_sdk::models;
//!
//! let chat_models: Vec<String> = models::all()?.into_iter().filter(|m| m.chats).map(|m| m.name).collect();
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use crate::Error;
use crate::bindings::inferno::host::{loading, models as wit};

/// An installed model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name that requests use.
    pub name: String,
    /// The file's format, such as `gguf`.
    pub format: String,
    /// The file's size.
    pub size_bytes: u64,
    /// When the file was last changed, in seconds since 1970 (UTC).
    pub modified: u64,
    /// In tokens, where the file says it.
    pub context_length: Option<u32>,
    /// It has a chat template.
    pub chats: bool,
    /// Further facts as names and values: `architecture`, `quantization`, `parameters`, ...
    pub details: Vec<(String, String)>,
}

/// The models that this plugin may use, ordered by name.
pub fn all() -> Result<Vec<Model>, Error> {
    Ok(wit::all()?.into_iter().map(Model::from).collect())
}

/// One model. An unknown name is [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), with near names in the hint.
pub fn get(name: &str) -> Result<Model, Error> {
    Ok(wit::get(name)?.into())
}

/// The digest of a model's file, as `sha256:` and hexadecimal digits. The first time it takes as long as to read the file.
pub fn digest(name: &str) -> Result<String, Error> {
    Ok(wit::digest(name)?)
}

/// A model that is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residency {
    /// The model's name.
    pub name: String,
    /// When it was loaded, in seconds since 1970 (UTC).
    pub since: u64,
    /// When it goes if nobody asks it for anything, in seconds since 1970 (UTC); `None`: it stays until its memory is
    /// wanted.
    pub expires: Option<u64>,
    /// Bytes that are set aside for it.
    pub memory_bytes: u64,
    /// Tokens that a prompt and its answer may have together.
    pub context_length: u32,
}

/// Those of the models that are in memory now, ordered by name.
pub fn loaded() -> Result<Vec<Residency>, Error> {
    Ok(wit::loaded()?.into_iter().map(Residency::from).collect())
}

/// Loads a model and returns when it is there. With `keep_alive` it stays for so long after its last request, for all
/// who use it; zero: it goes as soon as it has nothing to do; [`Duration::MAX`]: it stays. Needs the `model_control`
/// grant.
pub fn load(name: &str, keep_alive: Option<Duration>) -> Result<(), Error> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(loading::load(name, keep_alive.map(millis))?)
}

/// Has a model go as soon as it has nothing to do, and returns at once. Needs the `model_control` grant.
pub fn unload(name: &str) -> Result<(), Error> {
    Ok(loading::unload(name)?)
}

impl From<wit::Residency> for Residency {
    fn from(residency: wit::Residency) -> Self {
        Self {
            name: residency.name,
            since: residency.since,
            expires: residency.expires,
            memory_bytes: residency.memory_bytes,
            context_length: residency.context_length,
        }
    }
}

impl From<wit::Model> for Model {
    fn from(model: wit::Model) -> Self {
        Self {
            name: model.name,
            format: model.format,
            size_bytes: model.size_bytes,
            modified: model.modified,
            context_length: model.context_length,
            chats: model.chats,
            details: model.details,
        }
    }
}
