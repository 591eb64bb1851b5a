//! What a plugin can be to its users.

pub(crate) mod command;
pub(crate) mod http;
