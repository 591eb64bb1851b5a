//! What the program says about the runtime.

use std::path::PathBuf;
use std::sync::OnceLock;

/// Where the runtime is and what it computes on.
///
/// Without a file it is looked for: where `ORT_DYLIB_PATH` points, beside this program, among the system's libraries
/// (`LD_LIBRARY_PATH` first), and in Python's wheel `onnxruntime` (of `VIRTUAL_ENV`, of each `python3` on the `PATH`, of the
/// user's own packages).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The library.
    pub runtime: Option<PathBuf>,
    /// What to compute on, in this order, such as `["CUDA", "CPU"]`; empty: what graphics processors there are, else the
    /// processor.
    pub providers: Vec<String>,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Keeps them, unless some were kept before.
pub(crate) fn set(settings: Settings) {
    let _ = SETTINGS.set(settings);
}

/// Those that were kept, else the defaults.
pub(crate) fn get() -> &'static Settings {
    SETTINGS.get_or_init(Settings::default)
}
