//! Lines in the host's log, marked with the plugin, the tenant and the request. Needs no grant.
//!
//! A command's standard error reaches its user; the log reaches whoever runs Inferno.

use crate::bindings::inferno::host::log as wit;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What happens in normal work.
    Info,
    /// Something is wrong, and work goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Writes a line with fields, which are names and values.
pub fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let level = match level {
        Level::Trace => wit::Level::Trace,
        Level::Debug => wit::Level::Debug,
        Level::Info => wit::Level::Info,
        Level::Warn => wit::Level::Warn,
        Level::Error => wit::Level::Error,
    };
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    wit::log(level, message, &fields);
}

/// [`Level::Debug`] without fields.
pub fn debug(message: &str) {
    log(Level::Debug, message, &[]);
}

/// [`Level::Info`] without fields.
pub fn info(message: &str) {
    log(Level::Info, message, &[]);
}

/// [`Level::Warn`] without fields.
pub fn warn(message: &str) {
    log(Level::Warn, message, &[]);
}

/// [`Level::Error`] without fields.
pub fn error(message: &str) {
    log(Level::Error, message, &[]);
}
