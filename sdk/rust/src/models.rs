//! The installed models. Needs the `models` grant.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use inferno_sdk::models;
//!
//! let chat_models: Vec<String> = models::all()?.into_iter().filter(|m| m.chats).map(|m| m.name).collect();
//! # Ok(())
//! # }
//! ```

use crate::Error;
use crate::bindings::inferno::host::models as wit;

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
