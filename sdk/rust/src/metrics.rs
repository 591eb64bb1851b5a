//! Figures in the host's metrics, marked with the plugin and the tenant. Needs no grant.
//!
//! Names are lower-case letters, digits and `_`. Labels are names and values; each new combination is a series of its
//! own, so values come from a small set.
//!
//! ```no_run
//! use std::time::Instant;
//! use inferno_sdk::metrics;
//!
//! let begun = Instant::now();
//! // ... the work ...
//! metrics::count("documents_read", 1, &[("kind", "pdf")]);
//! metrics::observe("reading_seconds", begun.elapsed().as_secs_f64(), &[]);
//! ```

use crate::bindings::inferno::host::metrics as wit;

/// Adds to a counter.
pub fn count(name: &str, by: u64, labels: &[(&str, &str)]) {
    wit::count(name, by, &owned(labels));
}

/// Adds a sample to a histogram, in the unit that the name ends in, such as `_seconds`.
pub fn observe(name: &str, value: f64, labels: &[(&str, &str)]) {
    wit::observe(name, value, &owned(labels));
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
