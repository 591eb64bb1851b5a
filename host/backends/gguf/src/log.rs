//! The worker's log.

use std::io::Write;

/// Says something for people on standard error.
pub(crate) fn line(text: &str) {
    // A log that cannot be written is not worth a failure.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
